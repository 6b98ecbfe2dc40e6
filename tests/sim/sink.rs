//! A destination that remembers what it was sent, and can refuse, stall or die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certrelay::error::{Code, Error, Outcome};
use certrelay::event::Event;
use certrelay::sink::{Sink, SinkState};
use futures_util::future::BoxFuture;

use super::Steps;

/// Chances and lists of misbehaviour.
#[derive(Debug, Clone, Default)]
pub struct SinkFaults {
    /// An event is answered `Retry` instead of being taken.
    pub retry: f64,
    /// An event is taken and the answer says `Retry`: the sink has it and we do not know.
    pub taken_but_retry: f64,
    /// A delivery takes up to this many seconds.
    pub slow_seconds: u64,
    /// Events refused for good.
    pub refuse: BTreeSet<String>,
    /// Takes nothing until then (of the world's clock), as a driver that waits for its destination does.
    pub down_until: Option<tokio::time::Instant>,
}

/// What all processes of a world deliver to.
#[derive(Default)]
pub struct RecordingSink {
    pub name: String,
    /// How often each event arrived.
    pub arrived: Mutex<BTreeMap<String, u32>>,
    /// By which lane and from where each arrival came.
    pub origins: Mutex<Vec<(&'static str, String)>>,
    /// SHA-256 of the files that events were of.
    pub files: Mutex<BTreeSet<Option<String>>>,
    pub faults: Mutex<SinkFaults>,
    rng: Mutex<fastrand::Rng>,
}

impl RecordingSink {
    pub fn new(name: &str, seed: u64) -> Arc<Self> {
        let rng = Mutex::new(fastrand::Rng::with_seed(seed));
        Arc::new(Self { name: name.to_owned(), rng, ..Self::default() })
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.arrived.lock().unwrap().keys().cloned().collect()
    }

    /// Arrivals beyond the first, over all events.
    pub fn duplicates(&self) -> u32 {
        self.arrived.lock().unwrap().values().map(|count| count - 1).sum()
    }

    fn draw(&self) -> f64 {
        self.rng.lock().unwrap().f64()
    }

    fn take(&self, event: &Event) -> Outcome {
        let faults = self.faults.lock().unwrap().clone();
        if faults.refuse.contains(&event.id) {
            return Outcome::Rejected(Error::new(Code::ResumeFile, "the sink will never take it"));
        }
        if self.draw() < faults.retry {
            return Outcome::Retry(Error::new(Code::SplunkBusy, "not now"));
        }
        *self.arrived.lock().unwrap().entry(event.id.clone()).or_default() += 1;
        self.origins.lock().unwrap().push((event.channel.as_str(), event.origin.to_string()));
        self.files.lock().unwrap().insert(event.file_sha256.clone());
        if self.draw() < faults.taken_but_retry {
            return Outcome::Retry(Error::new(Code::SplunkTransport, "the answer did not arrive"));
        }
        Outcome::Delivered
    }
}

/// A process's client of the sink: dies with it.
pub struct SteppedSink {
    pub inner: Arc<RecordingSink>,
    pub steps: Arc<Steps>,
}

impl Sink for SteppedSink {
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let faults = self.inner.faults.lock().unwrap().clone();
            if let Some(until) = faults.down_until {
                tokio::time::sleep_until(until).await;
            }
            if faults.slow_seconds > 0 {
                let seconds = self.inner.draw() * faults.slow_seconds as f64;
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            let mut outcomes = Vec::new();
            for event in &events {
                self.steps.step().await;
                outcomes.push(self.inner.take(event));
            }
            self.steps.step().await;
            outcomes
        })
    }

    fn state(&self) -> SinkState {
        SinkState::Up
    }
}
