//! What the operator sees of the pipeline: metrics, health, and how old the oldest message in
//! flight is.
//!
//! That age is what a blocked sink shows first, while the queue's own age metric sees only what
//! nobody has received.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use time::OffsetDateTime;

use crate::pipeline::skip_monitor::AccountLabels;
use crate::telemetry::{Health, Metrics};

/// The wall clock, passed in so that a simulation replays.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Where messages and objects report to.
pub(super) struct Observers {
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) in_flight: InFlight,
    /// The accounts whose digest files are counted.
    pub(super) digest_accounts: AccountLabels,
    pub(super) now: Now,
}

/// The messages in flight, by the time at which they were sent. Bounded by the limits that bound
/// those.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<Sent>>);

#[derive(Debug, Default)]
struct Sent {
    times: BTreeSet<(SystemTime, u64)>,
    next: u64,
}

/// One message in flight; removed when dropped.
pub(super) struct InFlightEntry {
    key: (SystemTime, u64),
    all: InFlight,
}

impl InFlight {
    /// Adds a message sent at this time.
    pub(super) fn add(&self, sent: SystemTime) -> InFlightEntry {
        let mut inner = self.0.lock();
        let key = (sent, inner.next);
        inner.next = inner.next.wrapping_add(1);
        inner.times.insert(key);
        InFlightEntry { key, all: self.clone() }
    }

    /// Returns the seconds since the oldest message was sent; 0 if there is none.
    pub(super) fn oldest(&self, now: SystemTime) -> u64 {
        let inner = self.0.lock();
        let oldest = inner.times.first().and_then(|(sent, _)| now.duration_since(*sent).ok());
        oldest.map_or(0, |age| age.as_secs())
    }
}

impl Drop for InFlightEntry {
    fn drop(&mut self) {
        self.all.0.lock().times.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_message_counts_until_it_is_dropped() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let in_flight = InFlight::default();
        assert_eq!(in_flight.oldest(at(100)), 0);
        let (older, _twin, _newer) =
            (in_flight.add(at(10)), in_flight.add(at(40)), in_flight.add(at(40)));
        assert_eq!(in_flight.oldest(at(100)), 90);
        drop(older);
        assert_eq!(in_flight.oldest(at(100)), 60);
    }
}
