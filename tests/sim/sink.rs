//! A destination that records what it was sent, and can reject, stall or fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certrelay::error::{Code, Error, Outcome};
use certrelay::event::Event;
use certrelay::sink::{Sink, SinkState};
use futures_util::future::BoxFuture;

use super::Steps;

/// Chances and lists of faults.
#[derive(Debug, Clone, Default)]
pub struct SinkFaults {
    /// An event's outcome is `Retry` and it is not accepted.
    pub retry: f64,
    /// An event is accepted and its outcome is `Retry`: the sink has it and the pipeline does not
    /// know.
    pub accepted_but_retry: f64,
    /// A delivery takes up to this many seconds.
    pub slow_seconds: u64,
    /// Events that are rejected.
    pub reject: BTreeSet<String>,
    /// No outcome until then (of the world's clock), as from a driver that waits for its
    /// destination.
    pub down_until: Option<tokio::time::Instant>,
}

/// What all processes of a world deliver to.
#[derive(Default)]
pub struct RecordingSink {
    pub name: String,
    /// How often each event arrived.
    pub arrived: Mutex<BTreeMap<String, u32>>,
    /// The channel and the origin of each arrival.
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

    fn accept(&self, event: &Event) -> Outcome {
        let faults = self.faults.lock().unwrap().clone();
        if faults.reject.contains(&event.id) {
            return Outcome::Rejected(Error::new(Code::SplunkDataFormat, "never accepted"));
        }
        if self.draw() < faults.retry {
            return Outcome::Retry(Error::new(Code::SplunkBusy, "not now"));
        }
        *self.arrived.lock().unwrap().entry(event.id.clone()).or_default() += 1;
        self.origins.lock().unwrap().push((event.channel.as_str(), event.origin.to_string()));
        self.files.lock().unwrap().insert(event.file_sha256.clone());
        if self.draw() < faults.accepted_but_retry {
            return Outcome::Retry(Error::new(
                Code::SplunkTransport,
                "the response did not arrive",
            ));
        }
        Outcome::Delivered
    }
}

/// A process's client of the sink; it ends with the process.
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
                outcomes.push(self.inner.accept(event));
            }
            self.steps.step().await;
            outcomes
        })
    }

    fn state(&self) -> SinkState {
        SinkState::Up
    }
}
