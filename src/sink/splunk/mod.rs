//! The Splunk HTTP Event Collector (HEC) sink.
//!
//! `envelope` writes the objects, `deliver` splits them into requests and maps each response to
//! outcomes with `response`, which knows HEC's codes; `endpoints` chooses where to post, `channel`
//! and `acks` track indexer acknowledgement, and `http` alone knows the client.

mod acks;
mod channel;
mod deliver;
mod endpoints;
mod envelope;
mod http;
mod redact_token;
mod response;
#[cfg(test)]
#[path = "../../../tests/edges/splunk/mod.rs"]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;

use super::driver::{self, BatchLimits, Sent, Transport};
use super::types::{BuildContext, Built, ProbeScope, Render, SinkType};
use crate::config::{SinkConfig, SplunkConfig};
use crate::error::{Code, Error};
use crate::event::Event;
use crate::telemetry::{BySink, Metrics};
use acks::{AckPoller, AckTiming};
use channel::ChannelState;
use deliver::Delivery;
use endpoints::{Endpoint, Endpoints};
use envelope::Envelopes;
use http::{GZIP, Http, MaxAges};
pub(super) use response::retry_after;
use response::{Failure, HecClass, Reply, classify};

/// One request is in flight at a time: at 1 MB each that is more than IAM ever writes. Meanwhile
/// the next one is prepared if there are enough events for a full one; fewer wait, to go out
/// together.
const LIMITS: BatchLimits =
    BatchLimits { batch: 1000, requests: 2, min_batch: 1000, pending: 10_000 };
/// The smallest size that the limit learned from responses may have.
const MIN_LEARNED_LIMIT: usize = 64 * 1024;

impl SinkType for SplunkConfig {
    /// # Errors
    /// A TLS file or the token cannot be read.
    fn build(&self, context: BuildContext<'_>) -> Result<Built, Error> {
        let BuildContext { config, metrics, .. } = context;
        let timing = AckTiming::DEFAULT;
        let splunk = SplunkSink::new(config, self, metrics, crate::format::render, timing)?;
        if self.tls.insecure {
            let sink = config.name.as_str();
            tracing::warn!(sink, "tls.insecure: server certificates are not verified");
        }
        Ok(driver::start(context, splunk, LIMITS))
    }

    /// Checks that every endpoint accepts this token. Whether it accepts the index, only an event
    /// shows.
    fn probe<'a>(
        &'a self,
        config: &'a SinkConfig,
        _aws: Option<SharedCredentialsProvider>,
        scope: ProbeScope,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let (metrics, timing) = (Arc::default(), AckTiming::DEFAULT);
            let render = crate::format::render;
            SplunkSink::new(config, self, &metrics, render, timing)?.probe(scope).await
        })
    }
}

/// Everything that an attempt needs.
struct SplunkSink {
    name: String,
    envelopes: Envelopes,
    endpoints: Arc<Endpoints>,
    http: Arc<Http>,
    /// Held by the request in flight.
    one_at_a_time: tokio::sync::Mutex<()>,
    /// `None`: a successful response is enough.
    acks: Option<Arc<AckPoller>>,
    max_batch_bytes: usize,
    /// The size that the collector was seen to accept, if it is smaller.
    learned_limit: AtomicUsize,
    bytes: Counter,
}

/// A response to a request with events.
struct Posted<'a> {
    endpoint: &'a Endpoint,
    channel: ChannelState,
    reply: Reply,
    /// Held until the ackId is registered.
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl SplunkSink {
    fn new(
        config: &SinkConfig,
        settings: &SplunkConfig,
        metrics: &Arc<Metrics>,
        render: Render,
        timing: AckTiming,
    ) -> Result<Self, Error> {
        let name = config.name.clone();
        let endpoints = Arc::new(Endpoints::new(&name, &settings.endpoints)?);
        let http = Arc::new(Http::new(&name, settings, MaxAges::DEFAULT)?);
        let acks = settings.ack.then(|| AckPoller::new(http.clone(), endpoints.clone(), timing));
        Ok(Self {
            envelopes: Envelopes::new(settings, config.format, render),
            endpoints,
            http,
            one_at_a_time: tokio::sync::Mutex::new(()),
            acks,
            max_batch_bytes: settings.max_batch_bytes,
            learned_limit: AtomicUsize::new(usize::MAX),
            bytes: metrics.sink_bytes.get_or_create(&BySink::new(&name)).clone(),
            name,
        })
    }

    /// Returns the uncompressed bytes that a request is filled to.
    fn max_request_bytes(&self) -> usize {
        self.max_batch_bytes.min(self.learned_limit.load(Ordering::Relaxed))
    }

    /// Halves the request size after a request of so many bytes was too large.
    fn learn_limit(&self, bytes: usize) {
        self.learned_limit.fetch_min((bytes / 2).max(MIN_LEARNED_LIMIT), Ordering::Relaxed);
    }

    async fn post(&self, body: Vec<u8>) -> Result<Posted<'_>, Error> {
        let bytes = body.len() as u64;
        let body = http::compress(body).await?;
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let endpoint = self.endpoints.choose(&self.http).await;
        let guard = endpoint.channel.lock().await;
        let channel = endpoint.channel.state();
        let result = self.http.post(&endpoint.event_url, &channel, body, Some(GZIP)).await;
        self.endpoints.record(endpoint, result.as_ref().is_ok_and(|reply| reply.status < 500));
        self.bytes.inc_by(bytes);
        let reply = result.inspect_err(|error| {
            // Nothing was sent if there was no connection, or a setting or secret was unusable.
            if error.code != Code::SplunkConnect && !error.code.needs_operator() {
                endpoint.channel.abandon(&channel);
            }
        })?;
        if self.acks.is_some() {
            endpoint.channel.update_cookies(&reply.cookies);
        }
        Ok(Posted { endpoint, channel, reply, _guard: guard })
    }

    /// Returns the error for an unsuccessful response.
    fn error(&self, failure: &Failure) -> Error {
        let advice = match failure.code {
            Code::SplunkToken => match self.http.token_fault() {
                Some(fault) => &format!("; the token {fault}"),
                None => "; put a valid token into its secret, it is read again automatically",
            },
            Code::SplunkAckDisabled => {
                "; turn indexer acknowledgement on for the token, or off for the sink"
            }
            Code::SplunkIndex => "; allow the index on the token, or change the sink's index",
            Code::SplunkRedirect | Code::SplunkEndpoint => {
                "; check that the endpoint is HEC (port 8088)"
            }
            _ => "",
        };
        let text = format!("sink.{}: Splunk returned {}{advice}", self.name, failure.text);
        Error::new(failure.code, text)
    }

    /// Probes every endpoint.
    ///
    /// # Errors
    /// An endpoint in `scope` does not respond, or does not accept this token.
    async fn probe(&self, scope: ProbeScope) -> Result<(), Error> {
        let mut errors = Vec::new();
        for endpoint in self.endpoints.all() {
            errors.extend(self.probe_endpoint(endpoint).await.err());
        }
        let any_passed = errors.len() < self.endpoints.all().len();
        if errors.is_empty() || scope == ProbeScope::AnyEndpoint && any_passed {
            return Ok(());
        }
        let token = errors.iter().position(|error| error.code == Code::SplunkToken);
        if token.is_some() {
            self.http.token_rejected();
        }
        Err(errors.swap_remove(token.unwrap_or(0)))
    }

    /// Sends a request without data, which a collector that accepts the token answers with code 5
    /// or with success. The health endpoint alone would prove neither the token nor the path.
    async fn probe_endpoint(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let channel = endpoint.channel.state();
        let reply = self.http.post(&endpoint.event_url, &channel, Vec::new(), None).await?;
        match classify(&reply) {
            Ok(_) => Ok(()),
            Err(Failure { class: HecClass::BadEvent { .. }, hec_code: Some(5), .. }) => Ok(()),
            Err(failure) => Err(self.error(&failure)),
        }
    }
}

impl Transport for SplunkSink {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move { Delivery::new(self, &events).run().await })
    }
}
