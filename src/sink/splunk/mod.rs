//! The Splunk HTTP Event Collector sink.
//!
//! `envelope` writes the objects, `deliver` cuts them into requests and takes each answer apart with what
//! `response` knows of HEC's codes, `endpoints` chooses where to post, `session` and `acks` keep the receipts of
//! indexer acknowledgement, and `http` alone knows the client.

mod acks;
mod deliver;
mod echo;
mod endpoints;
mod envelope;
mod http;
mod probe;
mod response;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::handle::{Bounds, Sent, Transmit};
use super::{Built, Render, Stop, Wanted, handle};
use crate::config::{SinkConfig, SplunkConfig};
use crate::error::{Code, Error};
use crate::event::Event;
use crate::telemetry::{BySink, Metrics};
use acks::{Acks, Patience};
use deliver::Delivery;
use endpoints::{Endpoint, Endpoints};
use envelope::Envelopes;
use http::Http;
use response::{Reply, Verdict};
use session::Ticket;

/// One request at a time: at 1 MB each that is more than IAM will ever say. Meanwhile the next one is made ready, if there
/// is enough for a full one; what does not fill one waits, to go out together.
const BOUNDS: Bounds = Bounds { batch: 1000, parallel: 2, beside: 1000, pending: 10_000 };
/// Below this no answer makes requests any smaller.
const SMALLEST_LIMIT: usize = 64 * 1024;

/// Makes the sink.
///
/// # Errors
/// A TLS file or the token cannot be read.
pub(super) fn build(
    config: &SinkConfig,
    own: &SplunkConfig,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Result<Built, Error> {
    let splunk = Splunk::new(config, own, metrics, crate::format::render, Patience::DEFAULT)?;
    if own.tls.insecure {
        let sink = config.name.as_str();
        tracing::warn!(sink, "tls.insecure: whoever answers is sent the token and the events");
    }
    Ok(handle::start(config, splunk, BOUNDS, metrics, stop))
}

/// Asks every endpoint whether it would take events with this token; sends none.
///
/// # Errors
/// An endpoint's answer that says no, or a setting that cannot be used.
pub(super) async fn probe(
    config: &SinkConfig,
    own: &SplunkConfig,
    wanted: Wanted,
) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::new());
    let render = crate::format::render;
    Splunk::new(config, own, &metrics, render, Patience::DEFAULT)?.look(wanted).await
}

/// Everything that one try needs.
struct Splunk {
    name: String,
    envelopes: Envelopes,
    endpoints: Arc<Endpoints>,
    http: Arc<Http>,
    /// Held by the one request that is under way.
    one_at_a_time: tokio::sync::Mutex<()>,
    /// `None`: a request is believed when it is answered.
    acks: Option<Arc<Acks>>,
    max_batch_bytes: usize,
    /// What the collector was seen to accept, where that is less.
    learned_limit: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// An answer, and whose.
struct Posted<'a> {
    endpoint: &'a Endpoint,
    ticket: Ticket,
    reply: Reply,
    /// Until the receipt is noted.
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Splunk {
    fn new(
        config: &SinkConfig,
        own: &SplunkConfig,
        metrics: &Arc<Metrics>,
        render: Render,
        patience: Patience,
    ) -> Result<Self, Error> {
        let name = config.name.clone();
        let endpoints = Arc::new(Endpoints::new(&name, &own.endpoints)?);
        let http = Arc::new(Http::new(&name, own)?);
        let acks = own.ack.then(|| Acks::new(http.clone(), endpoints.clone(), patience));
        Ok(Self {
            envelopes: Envelopes::new(own, config.format, render),
            endpoints,
            http,
            one_at_a_time: tokio::sync::Mutex::new(()),
            acks,
            max_batch_bytes: own.max_batch_bytes,
            learned_limit: AtomicUsize::new(usize::MAX),
            metrics: metrics.clone(),
            name,
        })
    }

    /// Uncompressed bytes that a request is filled to.
    fn most_bytes(&self) -> usize {
        self.max_batch_bytes.min(self.learned_limit.load(Ordering::Relaxed))
    }

    /// A request of this size was too large: make the next ones half of it.
    fn learn_limit(&self, bytes: usize) {
        self.learned_limit.fetch_min((bytes / 2).max(SMALLEST_LIMIT), Ordering::Relaxed);
    }

    async fn post(&self, body: Vec<u8>) -> Result<Posted<'_>, Error> {
        let bytes = body.len() as u64;
        let body = http::pack(body).await?;
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let endpoint = self.endpoints.choose(&self.http).await;
        let turn = endpoint.session.turn().await;
        let ticket = endpoint.session.ticket();
        let reply = self.http.post(&endpoint.event_url, &ticket, body).await;
        self.endpoints.judge(endpoint, reply.as_ref().is_ok_and(|reply| reply.status < 500));
        let labels = BySink { sink: self.name.clone() };
        self.metrics.sink_bytes.get_or_create(&labels).inc_by(bytes);
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                if !is_unsent(&error) {
                    endpoint.session.give_up(&ticket);
                }
                return Err(error);
            }
        };
        if self.acks.is_some() {
            endpoint.session.hear(&reply.cookies);
        }
        Ok(Posted { endpoint, ticket, reply, _turn: turn })
    }

    /// What an operator is told about an answer.
    fn error(&self, verdict: &Verdict) -> Error {
        let code = verdict.reason.unwrap_or(Code::SplunkInternal);
        let todo = match code {
            Code::SplunkToken => "; put a valid token into its secret, it is read again by itself",
            Code::SplunkAckDisabled => {
                "; turn indexer acknowledgement on for the token, or off for the sink"
            }
            Code::SplunkIndex => "; allow the index on the token, or change the sink's index",
            Code::SplunkRedirect | Code::SplunkEndpoint => {
                "; is the endpoint really HEC (port 8088)?"
            }
            _ => "",
        };
        Error::new(code, format!("sink.{}: Splunk answered {}{todo}", self.name, verdict.text))
    }
}

/// Nothing of the request can have arrived.
fn is_unsent(error: &Error) -> bool {
    matches!(
        error.code,
        Code::SplunkConnect | Code::SplunkTls | Code::SecretUnreadable | Code::SinkConfiguration
    )
}

impl Transmit for Splunk {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move { Delivery::new(self, &events).run().await })
    }
}
