//! One try at delivering a list of events: cut into requests, each answer taken apart event by event.
//!
//! HEC indexes the objects of a request up to the first bad one and nothing after it, so a refusal is
//! neither "all" nor "nothing": what stands before the bad event is delivered, it alone is refused, the
//! rest is sent again. Where the answer does not say which one it was, halves are tried.

use std::sync::Arc;
use std::time::Duration;

use super::Splunk;
use super::response::{Class, Reply, Verdict, classify};
use crate::event::Event;
use crate::outcome::{Outcome, Why};
use crate::sink::handle::Sent;

/// Splunk Cloud answers "bad data, event 0" to a body that is too large (seen at 6 MB, not at 5 MB). Nothing
/// is indexed then, so halving costs a few requests and no duplicate, and an event that really is bad is found
/// as well. Above this size the next requests are made smaller, too.
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
    slow: bool,
}

/// One request, not yet sent.
struct Chunk {
    body: Vec<u8>,
    /// The places in `events` of its objects, in order.
    events: Vec<usize>,
}

/// Why a try ends early: the destination has to change before anything more is sent.
struct Halt {
    why: Why,
    wait: Option<Duration>,
    paused: bool,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(splunk: &'a Splunk, events: &'a [Arc<Event>]) -> Self {
        let work = vec![(0..events.len()).collect()];
        Self { splunk, events, outcomes: vec![None; events.len()], work, slow: false }
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
        let (why, wait, paused) = match halt {
            Some(Halt { why, wait, paused }) => (why, wait.or(slow), paused),
            None => (Why::new("sink_fault", "the event was not sent"), slow, false),
        };
        let outcome = |known: Option<Outcome>| known.unwrap_or_else(|| Outcome::Retry(why.clone()));
        Sent {
            outcomes: self.outcomes.into_iter().map(outcome).collect(),
            late: Vec::new(),
            wait,
            paused,
        }
    }

    /// Renders events until the request is full; what does not fit goes back to the work.
    fn pack(&mut self, todo: Vec<usize>) -> Chunk {
        let most = self.splunk.most_bytes();
        let mut chunk = Chunk { body: Vec::new(), events: Vec::new() };
        for (position, &at) in todo.iter().enumerate() {
            match self.splunk.envelopes.wrap(&self.events[at]) {
                Err(why) => self.refuse(at, why),
                Ok(object) if object.len() > self.splunk.max_batch_bytes => {
                    self.refuse(at, self.over_limit(object.len()));
                }
                Ok(object) if chunk.events.is_empty() || chunk.body.len() + object.len() < most => {
                    chunk.body.extend_from_slice(&object);
                    chunk.body.push(b'\n');
                    chunk.events.push(at);
                }
                Ok(_) => {
                    self.work.push(todo[position..].to_vec());
                    break;
                }
            }
        }
        chunk
    }

    async fn offer(&mut self, chunk: Chunk) -> Result<(), Halt> {
        let reply = self.splunk.post(&chunk.body).await;
        let reply = reply.map_err(|why| {
            // No answer heals by itself; a secret that cannot be read does not.
            let paused = matches!(why.code, "secret_unreadable" | "sink_setting");
            Halt { why, wait: None, paused }
        })?;
        let verdict = classify(&reply);
        self.judge(chunk, &reply, verdict)
    }

    fn judge(&mut self, chunk: Chunk, reply: &Reply, verdict: Verdict) -> Result<(), Halt> {
        let why = self.splunk.why(&verdict);
        let halt = |paused| Halt { why: why.clone(), wait: reply.retry_after, paused };
        match verdict.class {
            Class::Accepted { slow_down, .. } => {
                self.slow |= slow_down;
                self.delivered(&chunk.events);
                Ok(())
            }
            Class::TooLarge => {
                self.splunk.learn_limit(chunk.body.len());
                self.split(chunk.events, why);
                Ok(())
            }
            Class::BadEvent { number: Some(0), .. } if verdict.code == Some(6) => {
                if chunk.body.len() > DISGUISE {
                    self.splunk.learn_limit(chunk.body.len());
                }
                self.split(chunk.events, why);
                Ok(())
            }
            Class::BadEvent { number, .. } => {
                match number.filter(|number| *number < chunk.events.len()) {
                    Some(number) => self.isolate(&chunk.events, number, why),
                    None => self.split(chunk.events, why),
                }
                Ok(())
            }
            // The index is the setting of an operator, not a property of the event.
            Class::WrongIndex { number, .. } => {
                let before = number.unwrap_or(0).min(chunk.events.len());
                self.delivered(&chunk.events[..before]);
                Err(halt(true))
            }
            Class::Busy => Err(halt(false)),
            Class::Setting { token } => {
                if token {
                    self.splunk.http.forget_token();
                }
                Err(halt(true))
            }
        }
    }

    /// Before the bad one: indexed. The bad one: refused. After it: sent again.
    fn isolate(&mut self, events: &[usize], bad: usize, why: Why) {
        self.delivered(&events[..bad]);
        self.refuse(events[bad], why);
        if bad + 1 < events.len() {
            self.work.push(events[bad + 1..].to_vec());
        }
    }

    /// Tries each half; of a single event the answer is believed.
    fn split(&mut self, mut events: Vec<usize>, why: Why) {
        if let [only] = events[..] {
            return self.refuse(only, why);
        }
        let second = events.split_off(events.len() / 2);
        self.work.push(second);
        self.work.push(events);
    }

    fn delivered(&mut self, events: &[usize]) {
        for at in events {
            self.outcomes[*at] = Some(Outcome::Delivered);
        }
    }

    fn refuse(&mut self, at: usize, why: Why) {
        self.outcomes[at] = Some(Outcome::Refused(why));
    }

    fn over_limit(&self, bytes: usize) -> Why {
        let (sink, most) = (&self.splunk.name, self.splunk.max_batch_bytes);
        let text = format!("the event has {bytes} bytes, sink.{sink}.max_batch_bytes is {most}");
        Why::new("splunk_too_large", text)
    }
}
