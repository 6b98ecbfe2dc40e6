//! The sinks: their entries, what each may have in flight, and the results of their probes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::error::{Code, Error};
use crate::pipeline::dedup::DedupCache;
use crate::pipeline::limits::DeliveryPermits;
use crate::route::{Router, SinkIndex};
use crate::sink::{Built, Sink, SinkState};
use crate::telemetry::{BySink, LogThrottle, REMINDER_INTERVAL, SinkHealth};

/// KiB of records that a best-effort sink may have in flight before more are dropped; an event
/// counts for one more. They are not in `[delivery] memory_limit`: no message waits for such a
/// sink.
const BEST_EFFORT_KIB: u32 = 16 << 10;

/// The sinks, in the order of the configuration, and what is shared by all that deliver to them.
pub(super) struct Sinks {
    pub(super) entries: Vec<Arc<SinkEntry>>,
    pub(super) router: Router,
    pub(super) dedup: DedupCache,
    /// How long events may wait for a required sink that delivers nothing.
    pub(super) overdue_after: Duration,
    /// Deliveries in flight: they outlive the message that started them.
    pub(super) deliveries: TaskTracker,
}

impl Sinks {
    pub(super) fn entry(&self, sink: SinkIndex) -> &SinkEntry {
        &self.entries[usize::from(sink)]
    }

    /// Returns the position of the sink of this name.
    pub(super) fn position(&self, name: &str) -> Option<SinkIndex> {
        let position = self.entries.iter().position(|entry| entry.name == name)?;
        SinkIndex::try_from(position).ok()
    }
}

/// A sink before the pipeline runs it: its entry, and its driver to be spawned.
pub struct SinkPart {
    /// Shared with the probe of the sink.
    pub entry: Arc<SinkEntry>,
    /// Runs until the sinks are stopped and everything handed over has an outcome.
    pub driver: BoxFuture<'static, ()>,
}

impl From<Built> for SinkPart {
    fn from(built: Built) -> Self {
        let Built { name, required, sink, driver } = built;
        let best_effort = Arc::new(Semaphore::new(BEST_EFFORT_KIB as usize));
        let (probed, overdue) = (Mutex::default(), Mutex::default());
        let entry = SinkEntry { name, required, sink, best_effort, probed, overdue };
        Self { entry: Arc::new(entry), driver }
    }
}

/// A sink as the pipeline sees it.
pub struct SinkEntry {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(super) sink: Arc<dyn Sink>,
    best_effort: Arc<Semaphore>,
    /// The result of the last probe.
    probed: Mutex<Option<Result<(), Error>>>,
    /// While the sink is overdue: what limits the lines about it.
    overdue: Mutex<Option<LogThrottle<()>>>,
}

/// What a delivery holds until the sink has returned its outcomes; released when dropped.
pub(super) struct SinkPermit {
    /// Set for a required sink.
    _message: Option<DeliveryPermits>,
    /// Set for a best-effort sink.
    _best_effort: Option<OwnedSemaphorePermit>,
}

impl SinkEntry {
    /// Returns the sink's own state.
    pub(crate) fn state(&self) -> SinkState {
        self.sink.state()
    }

    /// Returns the error that `/readyz` and the log show of a required sink that has delivered
    /// nothing for `after` although events wait, and the seconds that they have waited.
    fn overdue(&self, after: Duration) -> Option<(Error, u64)> {
        let waited = self.sink.undelivered_since().filter(|_| self.required)?.elapsed();
        let error = match self.state() {
            SinkState::Degraded(error) | SinkState::Paused(error) => error,
            SinkState::Unverified | SinkState::Up => {
                Error::new(Code::SinkNoAnswer, "the sink has not responded")
            }
        };
        (waited >= after).then_some((error, waited.as_secs()))
    }

    /// Logs that the sink is overdue, at once and then hourly. A line about each failure would be
    /// thousands, and one when it begins is forgotten while the queue fills.
    pub(super) fn log_overdue(&self, after: Duration) {
        let (sink, mut throttle) = (self.name.as_str(), self.overdue.lock());
        let Some((error, waited_seconds)) = self.overdue(after) else {
            *throttle = None;
            return;
        };
        let throttle = throttle.get_or_insert_with(|| LogThrottle::new(REMINDER_INTERVAL));
        if throttle.due(()).is_some() {
            let (code, error) = (error.code.as_str(), error.text);
            tracing::error!(sink, code, error, waited_seconds, "sink has not delivered");
        }
    }

    /// Returns what `/readyz` shows.
    pub(super) fn health(&self, overdue_after: Duration) -> SinkHealth {
        let state = match (self.state(), self.overdue(overdue_after)) {
            (SinkState::Paused(error), _) => Err(("paused", error)),
            (_, Some((error, _))) => Err(("overdue", error)),
            (SinkState::Unverified, None) => Ok(self.probed_state()),
            (SinkState::Up, None) => Ok("up".to_owned()),
            (SinkState::Degraded(error), None) => Ok(format!("degraded: {error}")),
        };
        SinkHealth { name: self.name.clone(), required: self.required, state }
    }

    /// Notes the result of a probe.
    pub(crate) fn note_probe(&self, result: Result<(), Error>) {
        *self.probed.lock() = Some(result);
    }

    /// Returns the state shown before the sink's first event: what the last probe found.
    pub(crate) fn probed_state(&self) -> String {
        match &*self.probed.lock() {
            None => String::from("unverified"),
            Some(Ok(())) => String::from("up"),
            Some(Err(error)) => format!("unverified: {error}"),
        }
    }

    /// Returns what a delivery of records of these sizes, in bytes, holds; `None` if they exceed
    /// what a best-effort sink may have in flight.
    pub(super) fn admit(
        &self,
        sizes: impl Iterator<Item = usize>,
        message: &DeliveryPermits,
    ) -> Option<SinkPermit> {
        if self.required {
            return Some(SinkPermit { _message: Some(message.clone()), _best_effort: None });
        }
        let permit = Arc::clone(&self.best_effort).try_acquire_many_owned(kib(sizes)).ok()?;
        Some(SinkPermit { _message: None, _best_effort: Some(permit) })
    }

    /// Adds one to this sink's counter of `family`.
    pub(super) fn count(&self, family: &Family<BySink, Counter>) {
        family.get_or_create(&BySink::new(&self.name)).inc();
    }
}

/// Returns the permits of records of these sizes at a best-effort sink. A batch above the whole
/// limit is sent alone.
fn kib(sizes: impl Iterator<Item = usize>) -> u32 {
    let kib = sizes.map(|size| size / 1024 + 1).sum::<usize>();
    u32::try_from(kib).unwrap_or(u32::MAX).min(BEST_EFFORT_KIB)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::error::Outcome;
    use crate::event::Event;

    const AFTER: Duration = Duration::from_secs(300);

    /// A sink in this state, to which events were sent at this time.
    struct Waiting(Mutex<(SinkState, Option<Instant>)>);

    impl Sink for Waiting {
        fn deliver(&self, _: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
            Box::pin(std::future::pending())
        }
        fn state(&self) -> SinkState {
            self.0.lock().0.clone()
        }
        fn undelivered_since(&self) -> Option<Instant> {
            self.0.lock().1
        }
    }

    fn waiting(required: bool, state: SinkState) -> (Arc<Waiting>, Arc<SinkEntry>) {
        let sink = Arc::new(Waiting(Mutex::new((state, Some(Instant::now())))));
        let (name, driver) = ("soc".to_owned(), Box::pin(async {}));
        let built = Built { name, required, sink: sink.clone(), driver };
        (sink, SinkPart::from(built).entry)
    }

    fn refused() -> Error {
        Error::new(Code::SplunkConnect, "connection refused")
    }

    /// Checks the sink every ten seconds for two hours; returns the minutes with a line.
    async fn logged_in_two_hours(entry: &SinkEntry) -> Vec<usize> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let log = Arc::new(file.reopen().expect("the file"));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (mut minutes, mut lines) = (Vec::new(), 0);
        for check in 0..720 {
            entry.log_overdue(AFTER);
            let text = std::fs::read_to_string(file.path()).expect("text");
            if text.lines().count() > lines {
                lines += 1;
                minutes.push(check / 6);
                let line = text.lines().last().expect("a line");
                assert!(
                    line.contains("ERROR") && line.contains("sink has not delivered"),
                    "{line}"
                );
                assert!(line.contains("sink=\"soc\" code=\"splunk_connect\""), "{line}");
            }
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        minutes
    }

    #[tokio::test(start_paused = true)]
    async fn a_required_sink_that_does_not_deliver_is_an_error_hourly_and_not_ready() {
        let (sink, entry) = waiting(true, SinkState::Degraded(refused()));
        assert_eq!(entry.health(AFTER).state, Ok(format!("degraded: {}", refused())));
        assert_eq!(logged_in_two_hours(&entry).await, [5, 60, 115]);
        assert_eq!(entry.health(AFTER).state, Err(("overdue", refused())));
        *sink.0.lock() = (SinkState::Up, None);
        assert_eq!(entry.health(AFTER).state, Ok("up".to_owned()));
        entry.log_overdue(AFTER);
        *sink.0.lock() = (SinkState::Degraded(refused()), Some(Instant::now()));
        assert_eq!(logged_in_two_hours(&entry).await, [5, 60, 115], "the next outage");
    }

    #[tokio::test(start_paused = true)]
    async fn a_best_effort_sink_stays_ready() {
        let (_, entry) = waiting(false, SinkState::Degraded(refused()));
        assert!(logged_in_two_hours(&entry).await.is_empty());
        assert!(entry.health(AFTER).state.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_does_not_respond_at_all_is_not_ready() {
        for state in [SinkState::Unverified, SinkState::Up] {
            let (_, entry) = waiting(true, state);
            assert!(entry.health(AFTER).state.is_ok());
            tokio::time::advance(AFTER).await;
            let (state, error) = entry.health(AFTER).state.expect_err("not ready");
            assert_eq!((state, error.code), ("overdue", Code::SinkNoAnswer));
        }
    }

    #[test]
    fn the_limit_of_a_best_effort_sink_counts_bytes_and_events() {
        assert_eq!(kib([0, 1023, 1024, 5000].into_iter()), 1 + 1 + 2 + 5);
        assert_eq!(kib(std::iter::repeat_n(10, 20_000)), BEST_EFFORT_KIB);
        assert_eq!(kib([64 << 20].into_iter()), BEST_EFFORT_KIB);
    }
}
