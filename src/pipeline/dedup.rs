//! The dedup cache: the delivery state of each (event, sink) pair.
//!
//! One bounded map is at once the duplicate window, the record of what each sink already has (so
//! that a healthy sink is not sent an event twice while another one is retried) and the point at
//! which the two channels merge. Only a sink's outcome, or a confirmed dead letter, makes an entry
//! final, even when the message that claimed it is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::event::{Channel, EventKey};
use crate::route::SinkIndex;

/// Most entries remembered, whatever the window: about 200 bytes each.
const MAX_ENTRIES: usize = 500_000;

/// An event and a sink.
pub(super) type PairKey = (EventKey, SinkIndex);

/// The state of the delivery of one event to one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryState {
    /// Handed over, without an outcome.
    Pending,
    /// Delivered, dead-lettered or dropped.
    Final,
    /// The attempt failed; the pair may be claimed again.
    Failed(Error),
}

/// The result of claiming an event at a sink.
#[derive(Debug)]
pub(super) enum Claim {
    /// The caller must deliver, and complete the guard.
    Deliver(DeliveryGuard, DeliveryWatch),
    /// Another delivery is pending: await its outcome.
    Pending(DeliveryWatch),
    /// The sink has the event, or its dead letter is confirmed.
    Final(DeliveryWatch),
}

/// A claimed delivery. Must be completed with `settle` or `fail`; dropping it marks the delivery as
/// failed.
#[derive(Debug)]
pub(super) struct DeliveryGuard {
    state: watch::Sender<DeliveryState>,
    /// Whether this is the pair's first claim in the window: the metrics count a pair once.
    pub(super) first: bool,
}

/// A view of a pair, which is not forgotten while a watch exists.
#[derive(Debug, Clone)]
pub(super) struct DeliveryWatch {
    state: watch::Receiver<DeliveryState>,
    _in_use: Arc<()>,
}

/// The bounded map of delivery states; see the module.
#[derive(Debug)]
pub(super) struct DedupCache {
    window: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pairs: BTreeMap<PairKey, Entry>,
    /// Events of `pairs` that only the EventBridge channel has brought so far.
    unconfirmed: BTreeSet<EventKey>,
    /// Every pair once, in the order in which they are checked next, and when they were queued
    /// here.
    order: VecDeque<(Instant, PairKey)>,
}

#[derive(Debug)]
struct Entry {
    state: watch::Receiver<DeliveryState>,
    /// Shared with every [`DeliveryWatch`].
    in_use: Arc<()>,
    /// In use since the last check: the next check only clears this.
    recent: bool,
}

impl Entry {
    fn watch(&self) -> DeliveryWatch {
        DeliveryWatch { state: self.state.clone(), _in_use: Arc::clone(&self.in_use) }
    }

    /// Returns whether a delivery is pending. A guard that was dropped has failed.
    fn is_pending(&self) -> bool {
        *self.state.borrow() == DeliveryState::Pending && self.state.has_changed().is_ok()
    }
}

impl DedupCache {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, inner: Mutex::default() }
    }

    /// Claims the delivery of an event to a sink.
    pub(super) fn claim(&self, key: PairKey, channel: Channel, now: Instant) -> Claim {
        let mut inner = self.inner.lock();
        inner.expire(now, self.window);
        if let Some(entry) = inner.pairs.get_mut(&key) {
            entry.recent = true;
            if *entry.state.borrow() == DeliveryState::Final {
                return Claim::Final(entry.watch());
            }
            if entry.is_pending() {
                return Claim::Pending(entry.watch());
            }
        }
        let (sender, state) = watch::channel(DeliveryState::Pending);
        let entry = Entry { state, in_use: Arc::default(), recent: true };
        let watch = entry.watch();
        let first = inner.pairs.insert(key, entry).is_none();
        if first {
            inner.order.push_back((now, key));
            if channel == Channel::EventBridge {
                inner.unconfirmed.insert(key.0);
            }
        }
        Claim::Deliver(DeliveryGuard { state: sender, first }, watch)
    }

    /// Notes that the event's log file has arrived; returns whether until now only the EventBridge
    /// channel had brought the event.
    pub(super) fn confirm(&self, event: EventKey) -> bool {
        self.inner.lock().unconfirmed.remove(&event)
    }

    /// Returns the number of pairs remembered.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().pairs.len()
    }
}

impl Inner {
    /// Removes pairs that have not been in use for a window (two at most), or the oldest above the
    /// bound. So when a message is redelivered after hours, the sinks that have its events are not
    /// sent them again.
    fn expire(&mut self, now: Instant, window: Duration) {
        for _ in 0..self.order.len() {
            let Some(&(since, key)) = self.order.front() else { return };
            let old = now.saturating_duration_since(since) >= window;
            if !old && self.order.len() <= MAX_ENTRIES {
                return;
            }
            self.order.pop_front();
            let in_use = self.is_in_use(key);
            let Some(entry) = self.pairs.get_mut(&key) else { continue };
            let remains = in_use || (entry.recent && old);
            entry.recent = in_use;
            if remains {
                self.order.push_back((now, key));
            } else {
                self.pairs.remove(&key);
                self.unconfirmed.remove(&key.0);
            }
            if !old {
                return;
            }
        }
    }

    /// Returns whether a message that claimed the pair is in flight, or the event is pending at any
    /// sink.
    fn is_in_use(&self, key: PairKey) -> bool {
        let of_event = (key.0, SinkIndex::MIN)..=(key.0, SinkIndex::MAX);
        self.pairs.get(&key).is_some_and(|entry| Arc::strong_count(&entry.in_use) > 1)
            || self.pairs.range(of_event).any(|(_, entry)| entry.is_pending())
    }
}

impl DeliveryGuard {
    /// Makes the pair final.
    pub(super) fn settle(self) {
        self.state.send_replace(DeliveryState::Final);
    }

    /// Marks the delivery as failed: the pair may be claimed again.
    pub(super) fn fail(self, error: Error) {
        self.state.send_replace(DeliveryState::Failed(error));
    }
}

impl DeliveryWatch {
    /// Waits for the end of the attempt: `Ok` when final. Cancel-safe.
    ///
    /// # Errors
    /// The attempt failed, or its guard was dropped.
    pub(super) async fn outcome(&mut self) -> Result<(), Error> {
        let ended = self.state.wait_for(|state| *state != DeliveryState::Pending).await;
        match ended.as_deref() {
            Ok(DeliveryState::Final) => Ok(()),
            Ok(DeliveryState::Failed(error)) => Err(error.clone()),
            Ok(DeliveryState::Pending) | Err(_) => {
                Err(Error::new(Code::DeliveryLost, "the delivery ended without an outcome"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> EventKey {
        EventKey::new([id, "111122223333", "UploadSigningCertificate", "2026-01-01T00:00:00Z"])
    }

    fn cache() -> DedupCache {
        DedupCache::new(Duration::from_secs(3600))
    }

    fn claimed(claim: Claim) -> (DeliveryGuard, DeliveryWatch) {
        match claim {
            Claim::Deliver(guard, watch) => (guard, watch),
            other => panic!("expected Deliver, got {other:?}"),
        }
    }

    #[tokio::test]
    async fn the_second_claim_waits_for_the_first_and_takes_over_on_failure() {
        let (cache, now) = (cache(), Instant::now());
        let (first, _) = claimed(cache.claim((key("a"), 0), Channel::S3, now));
        assert!(first.first);
        let Claim::Pending(mut watch) = cache.claim((key("a"), 0), Channel::S3, now) else {
            panic!("not pending")
        };
        first.fail(Error::new(Code::SinkStopped, "x"));
        assert_eq!(watch.outcome().await.unwrap_err().code, Code::SinkStopped);
        let (second, mut watch) = claimed(cache.claim((key("a"), 0), Channel::S3, now));
        assert!(!second.first, "a take-over is not counted twice");
        second.settle();
        assert_eq!(watch.outcome().await, Ok(()));
        assert!(matches!(cache.claim((key("a"), 0), Channel::S3, now), Claim::Final(_)));
    }

    #[tokio::test]
    async fn a_guard_that_is_dropped_marks_the_delivery_as_failed() {
        let (cache, now) = (cache(), Instant::now());
        let (guard, mut watch) = claimed(cache.claim((key("a"), 0), Channel::S3, now));
        drop(guard);
        assert_eq!(watch.outcome().await.unwrap_err().code, Code::DeliveryLost);
        claimed(cache.claim((key("a"), 0), Channel::S3, now));
    }

    #[tokio::test]
    async fn each_sink_has_its_own_entry() {
        let (cache, now) = (cache(), Instant::now());
        claimed(cache.claim((key("a"), 0), Channel::S3, now)).0.settle();
        claimed(cache.claim((key("a"), 1), Channel::S3, now));
        assert!(matches!(cache.claim((key("a"), 0), Channel::S3, now), Claim::Final(_)));
    }

    #[tokio::test]
    async fn final_entries_expire_after_the_window_and_pending_ones_do_not() {
        let (cache, now) = (cache(), Instant::now());
        claimed(cache.claim((key("done"), 0), Channel::S3, now)).0.settle();
        let (_pending, _) = claimed(cache.claim((key("pending"), 0), Channel::S3, now));
        claimed(cache.claim((key("tick"), 0), Channel::S3, now + Duration::from_secs(3601)));
        let later = now + Duration::from_secs(7203);
        claimed(cache.claim((key("done"), 0), Channel::S3, later));
        assert!(matches!(cache.claim((key("pending"), 0), Channel::S3, later), Claim::Pending(_)));
        assert_eq!(cache.len(), 3);
    }

    /// Final at lake; pending at soc for eleven hours, then failed, then claimed again.
    #[tokio::test]
    async fn a_final_delivery_is_remembered_while_another_sink_lacks_the_event() {
        let (cache, begin) = (cache(), Instant::now());
        let minutes = |count: u64| begin + Duration::from_secs(60 * count);
        claimed(cache.claim((key("a"), 0), Channel::S3, begin)).0.settle();
        let (soc, message) = claimed(cache.claim((key("a"), 1), Channel::S3, begin));
        for at in (30..660).step_by(30) {
            claimed(cache.claim((key(&at.to_string()), 0), Channel::S3, minutes(at))).0.settle();
        }
        soc.fail(Error::new(Code::SinkStopped, "x"));
        drop(message);
        assert!(matches!(cache.claim((key("a"), 0), Channel::S3, minutes(715)), Claim::Final(_)));
        let (again, _) = claimed(cache.claim((key("a"), 1), Channel::S3, minutes(715)));
        assert!(!again.first, "counted once");
        again.settle();
        for after in [61, 122] {
            claimed(cache.claim((key("b"), after), Channel::S3, minutes(715 + u64::from(after))));
        }
        let at = minutes(715 + 183);
        assert!(claimed(cache.claim((key("a"), 0), Channel::S3, at)).0.first, "then it expires");
    }

    /// Event a of a message is final, b is not: when the message is redelivered, a is still known.
    #[tokio::test]
    async fn what_a_message_claimed_is_remembered_while_it_is_in_flight() {
        let (cache, begin) = (cache(), Instant::now());
        let minutes = |count: u64| begin + Duration::from_secs(60 * count);
        let (guard, message) = claimed(cache.claim((key("a"), 0), Channel::S3, begin));
        guard.settle();
        claimed(cache.claim((key("other"), 0), Channel::S3, begin)).0.settle();
        for at in [61, 122, 183] {
            claimed(cache.claim((key(&at.to_string()), 0), Channel::S3, minutes(at))).0.settle();
        }
        assert_eq!(cache.len(), 3, "pairs of no message expire");
        drop(message);
        for at in [240, 298, 355] {
            let again = cache.claim((key("a"), 0), Channel::S3, minutes(at));
            assert!(matches!(again, Claim::Final(_)), "each redelivery counts, {at}");
        }
        for at in [416, 477] {
            claimed(cache.claim((key(&at.to_string()), 0), Channel::S3, minutes(at))).0.settle();
        }
        assert!(claimed(cache.claim((key("a"), 0), Channel::S3, minutes(538))).0.first);
    }

    #[tokio::test]
    async fn a_file_confirms_an_eventbridge_event_once() {
        let (cache, now) = (cache(), Instant::now());
        claimed(cache.claim((key("a"), 0), Channel::EventBridge, now)).0.settle();
        claimed(cache.claim((key("b"), 0), Channel::S3, now)).0.settle();
        assert!(cache.confirm(key("a")));
        assert!(!cache.confirm(key("a")) && !cache.confirm(key("b")));
        claimed(cache.claim((key("c"), 0), Channel::EventBridge, now)).0.settle();
        for windows in [1, 2, 3] {
            let later = now + Duration::from_secs(3601 * windows);
            claimed(cache.claim((key(&windows.to_string()), 0), Channel::S3, later)).0.settle();
        }
        assert!(!cache.confirm(key("c")), "expired with its pair");
    }
}
