//! The stand-in's options, its scripted faults, and its recorded requests.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

/// The stand-in's options.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Address to listen on; port 0 takes any.
    pub(crate) listen: SocketAddr,
    /// The path of a gateway in front of the collector; anything else is not found.
    pub(crate) prefix: String,
    /// A gateway in front of the collector rewrites numbers and flags as text.
    pub(crate) as_text: bool,
    /// The existing tokens.
    pub(crate) tokens: Vec<Token>,
    /// Largest uncompressed body (`max_content_length`).
    pub(crate) max_content_length: usize,
    /// A larger body fails as at Splunk Cloud: with code 6 at event 0, not 413.
    pub(crate) oversize_as_bad_data: bool,
    /// Events that contain this text are bad, with this code.
    pub(crate) reject: Vec<(String, i64)>,
    /// The code of a success: 0, or 24 and 25 near a limit.
    pub(crate) success: i64,
    /// A session cookie, as a load balancer sets it.
    pub(crate) cookie: Option<String>,
    /// `/health` requires a token, as with the OpenTelemetry Collector's extensions; Splunk's own
    /// does not.
    pub(crate) health_needs_token: bool,
    /// The response to a request without data; `None`: as Splunk's, code 5 if the token is valid.
    pub(crate) empty_response: Option<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            prefix: String::new(),
            as_text: false,
            tokens: vec![Token::new("stand-in-token")],
            max_content_length: 838_860_800,
            oversize_as_bad_data: false,
            reject: Vec::new(),
            success: 0,
            cookie: None,
            health_needs_token: false,
            empty_response: None,
        }
    }
}

/// A token of the collector.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// What follows `Splunk ` in `Authorization`.
    pub(crate) value: String,
    /// It is disabled.
    pub(crate) disabled: bool,
    /// Indexer acknowledgement is on: a channel is required, and the response has an ackId.
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

/// A response that replaces the usual one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    /// HTTP status.
    pub(crate) status: u16,
    /// More headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Body.
    pub(crate) body: String,
    /// Delay of the response.
    pub(crate) delay: Duration,
    /// The connection closes without a response.
    pub(crate) cut: bool,
    /// The events are indexed all the same.
    pub(crate) after_indexing: bool,
}

impl Fault {
    /// A response with one of HEC's codes.
    pub(crate) fn code(status: u16, code: i64) -> Self {
        Self {
            status,
            body: json!({ "text": "scripted", "code": code }).to_string(),
            ..Self::default()
        }
    }

    /// The connection closes without a response, before or after the events were indexed.
    pub(crate) fn cut(after_indexing: bool) -> Self {
        Self { cut: true, after_indexing, ..Self::default() }
    }
}

/// A request as received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `POST`, `GET`.
    pub(crate) method: String,
    /// Path behind the gateway.
    pub(crate) path: String,
    /// Headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes as sent, compressed or not.
    pub(crate) stored_bytes: usize,
    /// Body, uncompressed if possible.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// Returns a header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
