//! Indexer acknowledgement: an event is delivered when Splunk reports it written to disk, not when
//! it was accepted.
//!
//! The futures that wait for acknowledgements take turns polling all of them, with growing
//! intervals. Only a clear `true` confirms: a response that is lost, an error or not understood
//! confirms nothing. Without acknowledgement until the timeout, events are sent again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::channel::ChannelState;
use super::endpoints::{Endpoint, Endpoints};
use super::http::Http;
use crate::error::{Code, Error, Outcome};

/// Maximum ids of one poll.
const MAX_IDS: usize = 1000;

/// Intervals and timeout of polling.
#[derive(Debug, Clone, Copy)]
pub(super) struct AckTiming {
    /// Delays before the first, second … poll after a new ackId; the last one repeats.
    pub(super) intervals: &'static [Duration],
    /// An acknowledgement counts as lost after this. Splunk writes half-empty buffers late: few
    /// events are acknowledged only after minutes.
    pub(super) timeout: Duration,
}

impl AckTiming {
    /// As Splunk recommends.
    pub(super) const DEFAULT: Self = Self {
        intervals: &[
            Duration::from_millis(500),
            Duration::from_secs(1),
            Duration::from_secs(2),
            Duration::from_secs(5),
            Duration::from_secs(10),
        ],
        timeout: Duration::from_secs(300),
    };
}

/// Polls the acknowledgements of all endpoints.
pub(super) struct AckPoller {
    http: Arc<Http>,
    endpoints: Arc<Endpoints>,
    timing: AckTiming,
    /// Held by the future that polls.
    polling: Mutex<()>,
    /// Polls since the newest ackId.
    polls: AtomicUsize,
}

/// The response to a poll. A value that is not `true`, or `"true"` from a gateway that rewrites
/// JSON, confirms nothing.
#[derive(Deserialize)]
struct Acks {
    acks: BTreeMap<u64, Value>,
}

impl AckPoller {
    pub(super) fn new(http: Arc<Http>, endpoints: Arc<Endpoints>, timing: AckTiming) -> Arc<Self> {
        let (polling, polls) = (Mutex::new(()), AtomicUsize::new(0));
        Arc::new(Self { http, endpoints, timing, polling, polls })
    }

    /// Returns the outcome of events that were accepted with this ackId; the future polls, in turn
    /// with others.
    pub(super) fn outcome(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        channel: &ChannelState,
        id: u64,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        // Registered now, not when the future is first polled: the next request may change the
        // channel.
        let ack = endpoint.channel.register(channel, id);
        self.polls.store(0, Ordering::Relaxed);
        let acks = self.clone();
        async move {
            let acknowledged = match ack {
                Some(ack) => acks.wait(ack).await,
                None => false,
            };
            if acknowledged { Outcome::Delivered } else { acks.lost() }
        }
    }

    fn lost(&self) -> Outcome {
        let (sink, seconds) = (self.http.sink(), self.timing.timeout.as_secs());
        let text = format!(
            "sink.{sink}: no indexer acknowledgement within {seconds} s, or the indexer was \
             replaced; the events are sent again and may be duplicated"
        );
        Outcome::Retry(Error::new(Code::SplunkAckLost, text))
    }

    async fn wait(&self, mut ack: oneshot::Receiver<()>) -> bool {
        let deadline = Instant::now() + self.timing.timeout;
        loop {
            let _polling = tokio::select! {
                biased;
                result = &mut ack => return result.is_ok(),
                () = tokio::time::sleep_until(deadline) => return false,
                guard = self.polling.lock() => guard,
            };
            let polls = self.polls.fetch_add(1, Ordering::Relaxed);
            let intervals = self.timing.intervals;
            let interval = intervals.get(polls).or(intervals.last()).copied().unwrap_or_default();
            tokio::select! {
                biased;
                result = &mut ack => return result.is_ok(),
                () = tokio::time::sleep_until(deadline) => return false,
                () = tokio::time::sleep(interval) => {}
            }
            // Never interrupted: a `true` is returned only once.
            self.poll().await;
        }
    }

    async fn poll(&self) {
        for endpoint in self.endpoints.all() {
            let (channel, ids) = endpoint.channel.pending();
            for ids in ids.chunks(MAX_IDS) {
                self.poll_ids(endpoint, &channel, ids).await;
            }
        }
    }

    async fn poll_ids(&self, endpoint: &Endpoint, channel: &ChannelState, ids: &[u64]) {
        let sink = self.http.sink();
        let body = serde_json::json!({ "acks": ids }).to_string().into_bytes();
        let reply = match self.http.post(&endpoint.ack_url, channel, body, None).await {
            Ok(reply) => reply,
            Err(error) => return tracing::debug!(sink, error = error.text, "ack poll failed"),
        };
        match serde_json::from_slice::<Acks>(&reply.body) {
            Ok(Acks { acks }) if reply.status == 200 => {
                // A request in flight may have met a restarted indexer, and this response may be
                // about that request's ackId: that response must be processed first.
                let _guard = endpoint.channel.lock().await;
                let done = |value: &Value| *value == true || *value == "true";
                let done = acks.into_iter().filter(|(_, value)| done(value)).map(|(id, _)| id);
                endpoint.channel.acknowledge(channel, done);
            }
            _ => {
                tracing::debug!(sink, status = reply.status, "ack poll failed");
                if matches!(reply.status, 401 | 403) {
                    self.http.token_rejected();
                }
            }
        }
        endpoint.channel.update_cookies(&reply.cookies);
    }
}
