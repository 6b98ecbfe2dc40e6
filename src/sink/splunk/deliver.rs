//! One attempt at delivering a list of events: split into requests, each response mapped to
//! outcomes per event.
//!
//! HEC indexes the objects of a request up to the first bad one and nothing after it, so that an
//! error is about neither all events nor none: those before the bad event are delivered, it alone
//! is rejected, the rest is sent again. If the response does not name the bad event, halves are
//! tried.

use std::sync::Arc;
use std::time::Duration;

use super::response::{Accepted, Failure, HecClass, classify};
use super::{Posted, SplunkSink};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::sink::driver::{PendingAck, Sent};

/// Splunk Cloud answers "bad data, event 0" to a body that is too large (seen at 6 MB, not at 5
/// MB). Nothing is indexed then, so halving costs a few requests and no duplicate, and finds an
/// event that really is bad as well. Above this size the next requests are made smaller, too. (The
/// OpenTelemetry Collector names no event.)
const OVERSIZE_REPORTED_AS_BAD_DATA: usize = 1_000_000;
/// The delay before the next request to a collector near its limits.
const SLOW_DOWN: Duration = Duration::from_secs(1);

/// The state of one attempt.
pub(super) struct Delivery<'a> {
    splunk: &'a SplunkSink,
    events: &'a [Arc<Event>],
    /// `None`: not known yet.
    outcomes: Vec<Option<Outcome>>,
    /// Lists of indexes in `events` still to be sent; the last one is next.
    unsent: Vec<Vec<usize>>,
    pending: Vec<PendingAck>,
    slow_down: bool,
}

/// One request, not yet sent.
struct Request {
    body: Vec<u8>,
    /// The indexes in `events` of its objects, in order.
    events: Vec<usize>,
}

/// Why an attempt ends early: no more requests until the destination has changed.
struct Halt {
    error: Error,
    retry_after: Option<Duration>,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(splunk: &'a SplunkSink, events: &'a [Arc<Event>]) -> Self {
        let unsent = vec![(0..events.len()).collect()];
        let outcomes = vec![None; events.len()];
        Self { splunk, events, outcomes, unsent, pending: Vec::new(), slow_down: false }
    }

    /// Sends until every event has an outcome or the destination accepts no more.
    pub(super) async fn run(mut self) -> Sent {
        let mut halt = None;
        while halt.is_none()
            && let Some(indexes) = self.unsent.pop()
        {
            let request = self.pack(indexes);
            if !request.events.is_empty() {
                halt = self.send(request).await.err();
            }
        }
        let slow_down = self.slow_down.then_some(SLOW_DOWN);
        let (error, retry_after) = match halt {
            Some(Halt { error, retry_after }) => (error, retry_after.or(slow_down)),
            None => (Error::new(Code::SinkInternal, "the event was not sent"), slow_down),
        };
        let outcome =
            |known: Option<Outcome>| known.unwrap_or_else(|| Outcome::Retry(error.clone()));
        let outcomes = self.outcomes.into_iter().map(outcome).collect();
        Sent { outcomes, pending: self.pending, retry_after }
    }

    /// Renders events until the request is full; the rest remains unsent.
    fn pack(&mut self, indexes: Vec<usize>) -> Request {
        let max = self.splunk.max_request_bytes();
        let body = Vec::with_capacity(max.min(indexes.len() * 2048));
        let mut request = Request { body, events: Vec::new() };
        for (position, &at) in indexes.iter().enumerate() {
            let before = request.body.len();
            let wrapped = self.splunk.envelopes.wrap(&self.events[at], &mut request.body);
            let bytes = request.body.len() - before;
            if let Err(error) = wrapped {
                request.body.truncate(before);
                self.reject(at, error);
            } else if bytes > self.splunk.max_batch_bytes {
                request.body.truncate(before);
                let (sink, max) = (&self.splunk.name, self.splunk.max_batch_bytes);
                let text =
                    format!("the event has {bytes} bytes, sink.{sink}.max_batch_bytes is {max}");
                self.reject(at, Error::new(Code::SplunkTooLarge, text));
            } else if request.events.is_empty() || request.body.len() < max {
                request.body.push(b'\n');
                request.events.push(at);
            } else {
                request.body.truncate(before);
                self.unsent.push(indexes[position..].to_vec());
                break;
            }
        }
        request
    }

    async fn send(&mut self, Request { body, events }: Request) -> Result<(), Halt> {
        let bytes = body.len();
        let posted = self.splunk.post(body).await;
        let posted = posted.map_err(|error| Halt { error, retry_after: None })?;
        match classify(&posted.reply) {
            Ok(Accepted { slow_down, ack_id }) => {
                self.slow_down |= slow_down;
                self.accept(events, &posted, ack_id)
            }
            Err(failure) => self.fail(events, bytes, &posted, &failure),
        }
    }

    fn fail(
        &mut self,
        events: Vec<usize>,
        bytes: usize,
        posted: &Posted<'_>,
        failure: &Failure,
    ) -> Result<(), Halt> {
        let error = self.splunk.error(failure);
        let halt = |error| Err(Halt { error, retry_after: posted.reply.retry_after });
        let in_request = |number: &usize| *number < events.len();
        match failure.class {
            HecClass::TooLarge => {
                self.splunk.learn_limit(bytes);
                self.split(events, error);
            }
            HecClass::BadEvent { number: Some(0) | None, .. } if failure.hec_code == Some(6) => {
                if bytes > OVERSIZE_REPORTED_AS_BAD_DATA {
                    self.splunk.learn_limit(bytes);
                }
                self.split(events, error);
            }
            HecClass::BadEvent { number, ack_id } => match number.filter(in_request) {
                Some(number) => return self.isolate(events, number, error, posted, ack_id),
                None => self.split(events, error),
            },
            HecClass::WrongIndex { number, ack_id } => {
                return match number.filter(in_request) {
                    Some(number) => self.defer_index(events, number, &error, posted, ack_id),
                    None => halt(error),
                };
            }
            HecClass::Busy => {
                // A response of a proxy: HEC may have accepted the events all the same, except with
                // these statuses.
                if failure.hec_code.is_none() && !matches!(posted.reply.status, 429 | 503) {
                    posted.endpoint.channel.abandon(&posted.channel);
                }
                return halt(error);
            }
            HecClass::Setting => {
                if failure.code == Code::SplunkToken {
                    self.splunk.http.token_rejected();
                }
                return halt(error);
            }
        }
        Ok(())
    }

    /// Accepts the events before the bad one, rejects it, and sends those after it again.
    fn isolate(
        &mut self,
        mut events: Vec<usize>,
        bad: usize,
        error: Error,
        posted: &Posted<'_>,
        ack_id: Option<u64>,
    ) -> Result<(), Halt> {
        let after = events.split_off(bad + 1);
        if let Some(bad) = events.pop() {
            self.reject(bad, error);
        }
        if !after.is_empty() {
            self.unsent.push(after);
        }
        self.accept(events, posted, ack_id)
    }

    /// Defers the events for an index that the token may not write to: that is an operator's
    /// setting, not a property of the event. Events for other indexes are sent.
    fn defer_index(
        &mut self,
        mut events: Vec<usize>,
        bad: usize,
        error: &Error,
        posted: &Posted<'_>,
        ack_id: Option<u64>,
    ) -> Result<(), Halt> {
        let rest = events.split_off(bad);
        let (splunk, all) = (self.splunk, self.events);
        let index_of = |at: usize| splunk.envelopes.index_of(&all[at]);
        let denied = rest.first().map(|at| index_of(*at));
        let mut deferred = Vec::new();
        for mut list in std::mem::take(&mut self.unsent).into_iter().chain([rest]) {
            deferred.extend(list.extract_if(.., |at| Some(index_of(*at)) == denied));
            if !list.is_empty() {
                self.unsent.push(list);
            }
        }
        for at in deferred {
            self.outcomes[at] = Some(Outcome::Retry(error.clone()));
        }
        self.accept(events, posted, ack_id)
    }

    /// Tries each half; a single event is rejected.
    fn split(&mut self, mut events: Vec<usize>, error: Error) {
        if let [only] = events[..] {
            return self.reject(only, error);
        }
        let second = events.split_off(events.len() / 2);
        self.unsent.push(second);
        self.unsent.push(events);
    }

    /// Accepts events that Splunk has accepted: delivered, or, with indexer acknowledgement,
    /// delivered once that arrives. If it is configured and the response has no ackId, nothing
    /// counts as delivered.
    fn accept(
        &mut self,
        events: Vec<usize>,
        posted: &Posted<'_>,
        ack_id: Option<u64>,
    ) -> Result<(), Halt> {
        if events.is_empty() {
            return Ok(());
        }
        match (&self.splunk.acks, ack_id) {
            (None, _) => {
                for at in events {
                    self.outcomes[at] = Some(Outcome::Delivered);
                }
            }
            (Some(acks), Some(id)) => {
                let outcome = Box::pin(acks.outcome(posted.endpoint, &posted.channel, id));
                self.pending.push(PendingAck { indexes: events, outcome });
            }
            (Some(_), None) => {
                let text = format!(
                    "sink.{}: Splunk accepted events without an ackId; turn indexer \
                     acknowledgement on for the token, or set ack = false",
                    self.splunk.name
                );
                let error = Error::new(Code::SplunkAckDisabled, text);
                return Err(Halt { error, retry_after: None });
            }
        }
        Ok(())
    }

    fn reject(&mut self, at: usize, error: Error) {
        self.outcomes[at] = Some(Outcome::Rejected(error));
    }
}
