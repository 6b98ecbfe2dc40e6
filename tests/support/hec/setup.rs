//! How the stand-in is set up, what it is told to do wrong, and what it remembers of a request.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

/// What the stand-in is set up like.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Address to listen on; port 0 takes any.
    pub(crate) listen: SocketAddr,
    /// The tokens there are.
    pub(crate) tokens: Vec<Token>,
    /// Largest uncompressed body (`max_content_length`).
    pub(crate) max_content_length: usize,
    /// A larger body is answered as Splunk Cloud does: code 6 at event 0, not 413.
    pub(crate) disguise_too_large: bool,
    /// Events that contain this text are bad, with this code.
    pub(crate) reject: Vec<(String, i64)>,
    /// What a success is answered with: 0, or 24 and 25 near a limit.
    pub(crate) success: i64,
    /// A session cookie that a balancer in front would set.
    pub(crate) cookie: Option<String>,
    /// `/health` wants a token, as behind the OpenTelemetry Collector's extensions; Splunk's own does not.
    pub(crate) health_wants_token: bool,
    /// What a request without data is answered with; `None`: as Splunk does, with code 5 if the token is good.
    pub(crate) nothing: Option<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tokens: vec![Token::new("stand-in-token")],
            max_content_length: 838_860_800,
            disguise_too_large: false,
            reject: Vec::new(),
            success: 0,
            cookie: None,
            health_wants_token: false,
            nothing: None,
        }
    }
}

/// A token of the collector.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// What follows `Splunk ` in `Authorization`.
    pub(crate) value: String,
    /// It exists and may not be used.
    pub(crate) disabled: bool,
    /// Indexer acknowledgement is on: a channel is required, and answered with a receipt.
    pub(crate) use_ack: bool,
    /// Indexes it may write to; empty: all.
    pub(crate) indexes: Vec<String>,
}

impl Token {
    /// A token that may write anywhere.
    pub(crate) fn new(value: &str) -> Self {
        Self { value: value.to_owned(), disabled: false, use_ack: false, indexes: Vec::new() }
    }
}

/// One answer instead of the usual one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers beside.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Body, as it is.
    pub(crate) body: String,
    /// Time before the answer.
    pub(crate) delay: Duration,
    /// The connection ends without an answer.
    pub(crate) cut: bool,
    /// The request takes effect all the same: only its answer is another.
    pub(crate) after_indexing: bool,
}

impl Fault {
    /// HEC's own kind of answer.
    pub(crate) fn code(status: u16, code: i64) -> Self {
        Self {
            status,
            body: json!({ "text": "scripted", "code": code }).to_string(),
            ..Self::default()
        }
    }

    /// No answer: the connection is cut, before or after the events were indexed.
    pub(crate) fn cut(after_indexing: bool) -> Self {
        Self { cut: true, after_indexing, ..Self::default() }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `POST`, `GET`.
    pub(crate) method: String,
    /// Path.
    pub(crate) path: String,
    /// Headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes as sent, compressed or not.
    pub(crate) stored_bytes: usize,
    /// Body, uncompressed where it could be.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
