//! The sinks: their entries, what each may have in flight, and the results of their probes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::pipeline::dedup::DedupCache;
use crate::pipeline::limits::DeliveryPermits;
use crate::route::{Router, SinkIndex};
use crate::sink::{Built, Sink, SinkState};
use crate::telemetry::BySink;

/// KiB of records that a best-effort sink may have in flight before more are dropped; an event
/// counts for one more. They are not in `[delivery] memory_limit`: no message waits for such a
/// sink.
const BEST_EFFORT_KIB: u32 = 16 << 10;

/// The sinks, in the order of the configuration, and what is shared by all that deliver to them.
pub(super) struct Sinks {
    pub(super) entries: Vec<Arc<SinkEntry>>,
    pub(super) router: Router,
    pub(super) dedup: DedupCache,
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
        let entry = SinkEntry { name, required, sink, best_effort, probed: Mutex::default() };
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
    use super::*;

    #[test]
    fn the_limit_of_a_best_effort_sink_counts_bytes_and_events() {
        assert_eq!(kib([0, 1023, 1024, 5000].into_iter()), 1 + 1 + 2 + 5);
        assert_eq!(kib(std::iter::repeat_n(10, 20_000)), BEST_EFFORT_KIB);
        assert_eq!(kib([64 << 20].into_iter()), BEST_EFFORT_KIB);
    }
}
