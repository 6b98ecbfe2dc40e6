//! One try at delivering a list of events: cut into requests, each answer taken apart event by event.
//!
//! HEC indexes the objects of a request up to the first bad one and nothing after it, so a refusal is
//! neither "all" nor "nothing": what stands before the bad event is delivered, it alone is refused, the
//! rest is sent again. Where the answer does not say which one it was, halves are tried.

use std::sync::Arc;
use std::time::Duration;

use super::response::{Class, Verdict, classify};
use super::{Posted, Splunk};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::sink::handle::{Late, Sent};

/// Splunk Cloud answers "bad data, event 0" to a body that is too large (seen at 6 MB, not at 5 MB). Nothing
/// is indexed then, so halving costs a few requests and no duplicate, and an event that really is bad is found
/// as well. Above this size the next requests are made smaller, too. (The OpenTelemetry Collector names no event.)
const DISGUISE: usize = 1_000_000;
/// The pause that a collector near its limits gets.
const SLOW: Duration = Duration::from_secs(1);

/// The state of one try.
pub(super) struct Delivery<'a> {
    splunk: &'a Splunk,
    events: &'a [Arc<Event>],
    /// `None`: not known yet.
    outcomes: Vec<Option<Outcome>>,
    /// Lists of places in `events` still to be sent; the last one is next.
    work: Vec<Vec<usize>>,
    late: Vec<Late>,
    slow: bool,
    /// Some events wait for an operator; others could be sent.
    paused: bool,
}

/// One request, not yet sent.
struct Chunk {
    body: Vec<u8>,
    /// Bytes of the body, also when it is gone.
    bytes: usize,
    /// The places in `events` of its objects, in order.
    events: Vec<usize>,
}

/// Why a try ends early: the destination has to change before anything more is sent.
struct Halt {
    error: Error,
    wait: Option<Duration>,
    paused: bool,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(splunk: &'a Splunk, events: &'a [Arc<Event>]) -> Self {
        let work = vec![(0..events.len()).collect()];
        Self {
            splunk,
            events,
            outcomes: vec![None; events.len()],
            work,
            late: Vec::new(),
            slow: false,
            paused: false,
        }
    }

    /// Sends until every event is answered or the destination stops accepting.
    pub(super) async fn run(mut self) -> Sent {
        let mut halt = None;
        while halt.is_none()
            && let Some(todo) = self.work.pop()
        {
            let chunk = self.pack(todo);
            if !chunk.events.is_empty() {
                halt = self.offer(chunk).await.err();
            }
        }
        self.finish(halt)
    }

    fn finish(self, halt: Option<Halt>) -> Sent {
        let slow = self.slow.then_some(SLOW);
        let (error, wait, paused) = match halt {
            Some(Halt { error, wait, paused }) => (error, wait.or(slow), paused),
            None => (Error::new(Code::SinkInternal, "the event was not sent"), slow, false),
        };
        let paused = paused || self.paused;
        let outcome =
            |known: Option<Outcome>| known.unwrap_or_else(|| Outcome::Retry(error.clone()));
        Sent {
            outcomes: self.outcomes.into_iter().map(outcome).collect(),
            late: self.late,
            wait,
            paused,
        }
    }

    /// Renders events until the request is full; what does not fit goes back to the work.
    fn pack(&mut self, todo: Vec<usize>) -> Chunk {
        let most = self.splunk.most_bytes();
        let body = Vec::with_capacity(most.min(todo.len() * 2048));
        let mut chunk = Chunk { body, bytes: 0, events: Vec::new() };
        for (position, &at) in todo.iter().enumerate() {
            let before = chunk.body.len();
            let wrapped = self.splunk.envelopes.wrap(&self.events[at], &mut chunk.body);
            let bytes = chunk.body.len() - before;
            if let Err(error) = wrapped {
                chunk.body.truncate(before);
                self.refuse(at, error);
            } else if bytes > self.splunk.max_batch_bytes {
                chunk.body.truncate(before);
                self.refuse(at, self.over_limit(bytes));
            } else if chunk.events.is_empty() || chunk.body.len() < most {
                chunk.body.push(b'\n');
                chunk.events.push(at);
            } else {
                chunk.body.truncate(before);
                self.work.push(todo[position..].to_vec());
                break;
            }
        }
        chunk.bytes = chunk.body.len();
        chunk
    }

    async fn offer(&mut self, mut chunk: Chunk) -> Result<(), Halt> {
        let body = std::mem::take(&mut chunk.body);
        let posted = self.splunk.post(body).await.map_err(|error| {
            // No answer heals by itself; a secret or a certificate does not.
            let paused = matches!(
                error.code,
                Code::SecretUnreadable | Code::SinkConfiguration | Code::SplunkTls
            );
            Halt { error, wait: None, paused }
        })?;
        let verdict = classify(&posted.reply);
        self.judge(chunk, &posted, verdict)
    }

    fn judge(&mut self, chunk: Chunk, posted: &Posted<'_>, verdict: Verdict) -> Result<(), Halt> {
        let error = self.splunk.error(&verdict);
        let halt = |paused| Halt { error: error.clone(), wait: posted.reply.retry_after, paused };
        match verdict.class {
            Class::Accepted { slow_down, ack_id } => {
                self.slow |= slow_down;
                self.taken_in(chunk.events, posted, ack_id)
            }
            Class::TooLarge => {
                self.splunk.learn_limit(chunk.bytes);
                self.split(chunk.events, error);
                Ok(())
            }
            Class::BadEvent { number: Some(0) | None, .. } if verdict.code == Some(6) => {
                if chunk.bytes > DISGUISE {
                    self.splunk.learn_limit(chunk.bytes);
                }
                self.split(chunk.events, error);
                Ok(())
            }
            Class::BadEvent { number, ack_id } => {
                match number.filter(|number| *number < chunk.events.len()) {
                    Some(number) => self.isolate(chunk.events, number, error, posted, ack_id),
                    None => {
                        self.split(chunk.events, error);
                        Ok(())
                    }
                }
            }
            Class::WrongIndex { number, ack_id } => {
                match number.filter(|number| *number < chunk.events.len()) {
                    Some(number) => self.set_aside(chunk.events, number, &error, posted, ack_id),
                    None => Err(halt(true)),
                }
            }
            Class::Busy => {
                // Somebody's page between us and HEC, which may have taken the events in all the same. Of these two
                // statuses it cannot.
                if verdict.code.is_none() && !matches!(posted.reply.status, 429 | 503) {
                    posted.endpoint.session.give_up(&posted.ticket);
                }
                Err(halt(false))
            }
            Class::Setting { token } => {
                if token {
                    self.splunk.http.forget_token();
                }
                Err(halt(true))
            }
        }
    }

    /// Before the bad one: indexed. The bad one: refused. After it: sent again.
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
            self.refuse(bad, error);
        }
        if !after.is_empty() {
            self.work.push(after);
        }
        self.taken_in(events, posted, ack_id)
    }

    /// An index that the token may not write to is an operator's setting, not a property of the event: what is meant
    /// for it waits. What is meant for another index does not.
    fn set_aside(
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
        let refused = rest.first().map(|at| index_of(*at));
        self.paused = true;
        let mut waiting = Vec::new();
        for mut list in std::mem::take(&mut self.work).into_iter().chain([rest]) {
            waiting.extend(list.extract_if(.., |at| Some(index_of(*at)) == refused));
            if !list.is_empty() {
                self.work.push(list);
            }
        }
        for at in waiting {
            self.outcomes[at] = Some(Outcome::Retry(error.clone()));
        }
        self.taken_in(events, posted, ack_id)
    }

    /// Tries each half; of a single event the answer is believed.
    fn split(&mut self, mut events: Vec<usize>, error: Error) {
        if let [only] = events[..] {
            return self.refuse(only, error);
        }
        let second = events.split_off(events.len() / 2);
        self.work.push(second);
        self.work.push(events);
    }

    /// Events that Splunk took in: delivered, or, with indexer acknowledgement, delivered when it says so. Where it
    /// is asked for and gives no receipt, nothing is taken for delivered.
    fn taken_in(
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
                let outcome = acks.outcome(posted.endpoint, &posted.ticket, id);
                self.late.push(Late { places: events, outcome: Box::pin(outcome) });
            }
            (Some(_), None) => return Err(self.no_receipt()),
        }
        Ok(())
    }

    fn no_receipt(&self) -> Halt {
        let text = format!(
            "sink.{}: Splunk took events in without a receipt; turn indexer acknowledgement on for the token, or set ack = false",
            self.splunk.name
        );
        Halt { error: Error::new(Code::SplunkAckDisabled, text), wait: None, paused: true }
    }

    fn refuse(&mut self, at: usize, error: Error) {
        self.outcomes[at] = Some(Outcome::Rejected(error));
    }

    fn over_limit(&self, bytes: usize) -> Error {
        let (sink, most) = (&self.splunk.name, self.splunk.max_batch_bytes);
        let text = format!("the event has {bytes} bytes, sink.{sink}.max_batch_bytes is {most}");
        Error::new(Code::SplunkTooLarge, text)
    }
}
