//! Visibility extension: keeps received messages hidden until they are acknowledged, in batches.
//!
//! A message stays hidden from other consumers only until its visibility timeout, and delivery may
//! take far longer: a sink's outage, a huge object. Extension belongs to a task of its own, because
//! the message's own future may be busy for any length of time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::batcher::{Batcher, IDLE, Next, Request, Schedule};
use super::{Entry, EntryError, Handle, MAX_BATCH, Queue};

/// The times of visibility extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VisibilitySettings {
    /// Visibility timeout requested at each extension.
    pub(crate) visibility_timeout: Duration,
    /// A lease is extended when this much of it is left.
    pub(crate) extend_before: Duration,
    /// SQS's cap on one receive's visibility, counted from the receive: 12 h.
    pub(crate) max_visibility: Duration,
}

/// Calls in flight at once: one slow call must not delay the other leases.
const MAX_CALLS: usize = 4;

/// An extension needs time to arrive, and SQS rejects, not shortens, what would exceed its cap.
const CAP_MARGIN: Duration = Duration::from_secs(5);

/// How long [`Lease::end`] waits for a call in flight: at the end of a shutdown there is not much
/// more.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A cheap handle to the driver that extends one queue's leases.
#[derive(Clone)]
pub(crate) struct VisibilityExtender {
    batcher: Arc<Batcher<Leases>>,
}

/// A received message's visibility, extended from receive to acknowledgement. Dropping it stops the
/// extension; losing it resolves [`Lease::lost`].
pub(crate) struct Lease {
    id: u64,
    lost: CancellationToken,
    batcher: Arc<Batcher<Leases>>,
}

impl VisibilityExtender {
    /// Returns the handle, and its driver, which runs until `stop` is cancelled and every lease is
    /// dropped or lost.
    #[must_use]
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        settings: VisibilitySettings,
        stop: CancellationToken,
    ) -> (Self, BoxFuture<'static, ()>) {
        let batcher = Batcher::new(Leases::new(settings));
        let driver = Arc::clone(&batcher).drive(queue, stop);
        (Self { batcher }, Box::pin(driver))
    }

    /// Starts extending the message that `handle` names, received by a call made at `received_at`.
    ///
    /// The queue's clock started between that moment (a long poll may last) and now. Extension
    /// counts from the earlier one, to be in time; loss from the later one, because a lease that
    /// still runs must not be declared lost. Extending too late is harmless: the queue responds
    /// that it is lost.
    #[must_use]
    pub(crate) fn lease(&self, handle: Handle, received_at: Instant) -> Lease {
        let lost = CancellationToken::new();
        let mut leases = self.batcher.lock();
        let id = leases.add(handle, received_at, Instant::now(), lost.clone());
        let is_next = leases.due.first().is_some_and(|(_, first)| *first == id);
        drop(leases);
        if is_next {
            self.batcher.wake();
        }
        Lease { id, lost, batcher: Arc::clone(&self.batcher) }
    }
}

impl Lease {
    /// Resolves when the lease is lost: another consumer may have the message now. Cancel-safe.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Returns whether it is lost already.
    #[must_use]
    pub(crate) fn is_lost(&self) -> bool {
        // The driver may be late; the clock is not.
        self.lost.is_cancelled() || self.batcher.lock().has_expired(self.id, Instant::now())
    }

    /// Stops the extension, after waiting for a call in flight: arriving after the message's
    /// release it would overwrite the release's time. Returns `false` if the lease is lost.
    pub(crate) async fn end(&self) -> bool {
        let removed = async {
            while !self.is_lost() {
                let call = self.batcher.lock().remove_unless_in_flight(self.id);
                let Some(call) = call else { return };
                call.cancelled().await;
            }
        };
        // A call without a response by then has hardly reached the queue.
        let _ = tokio::time::timeout(END_TIMEOUT, removed).await;
        let is_ours = !self.is_lost();
        // Nothing may be sent after the release.
        self.batcher.lock().remove(self.id);
        is_ours
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.batcher.lock();
        leases.remove(self.id);
        if leases.entries.is_empty() {
            self.batcher.wake();
        }
    }
}

/// An extension in flight.
struct Extension {
    id: u64,
    timeout: Duration,
    /// When it was sent: its timeout counts from then at the earliest.
    sent: Instant,
    /// Cancels [`LeaseEntry::in_flight`] once the result is taken, or the driver is gone.
    _done: DropGuard,
}

struct LeaseEntry {
    handle: Handle,
    lost: CancellationToken,
    /// When the visibility timeout ends, unless it is extended before.
    expires: Instant,
    /// No extension may reach beyond.
    cap: Instant,
    /// The time of its entry in [`Leases::due`].
    due: Instant,
    /// Cancelled when the call that extends it has ended.
    in_flight: Option<CancellationToken>,
}

/// The leases of one queue.
struct Leases {
    settings: VisibilitySettings,
    entries: BTreeMap<u64, LeaseEntry>,
    /// When each lease is due: to be extended, or, if it cannot be, to expire.
    due: BTreeSet<(Instant, u64)>,
    next_id: u64,
}

impl Leases {
    fn new(mut settings: VisibilitySettings) -> Self {
        // A margin beyond half the timeout would extend what was only just extended.
        settings.extend_before = settings.extend_before.min(settings.visibility_timeout / 2);
        Self { settings, entries: BTreeMap::new(), due: BTreeSet::new(), next_id: 0 }
    }

    fn add(
        &mut self,
        handle: Handle,
        received_at: Instant,
        now: Instant,
        lost: CancellationToken,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let VisibilitySettings { visibility_timeout, extend_before, max_visibility } =
            self.settings;
        let due = (received_at + visibility_timeout.saturating_sub(extend_before)).max(now);
        let expires = now.max(received_at) + visibility_timeout;
        let cap = received_at + max_visibility.saturating_sub(CAP_MARGIN);
        self.entries.insert(id, LeaseEntry { handle, lost, expires, cap, due, in_flight: None });
        self.due.insert((due, id));
        id
    }

    /// Removes a lease, unless a call that extends it is in flight: then returns that call's end.
    fn remove_unless_in_flight(&mut self, id: u64) -> Option<CancellationToken> {
        let call = self.entries.get(&id).and_then(|lease| lease.in_flight.clone());
        let call = call.filter(|call| !call.is_cancelled());
        if call.is_none() {
            self.remove(id);
        }
        call
    }

    fn remove(&mut self, id: u64) -> Option<LeaseEntry> {
        let lease = self.entries.remove(&id)?;
        self.due.remove(&(lease.due, id));
        Some(lease)
    }

    /// Removes a lease that is gone, and resolves [`Lease::lost`].
    fn lose(&mut self, id: u64) {
        if let Some(lease) = self.remove(id) {
            lease.lost.cancel();
        }
    }

    fn has_expired(&self, id: u64, now: Instant) -> bool {
        self.entries.get(&id).is_some_and(|lease| lease.expires <= now)
    }

    /// Returns the leases to extend now, at most ten: first those that are due, then, since the
    /// call is made anyway, those that soon will be. Leases that have expired are lost on the way.
    fn take_due(&mut self, now: Instant) -> (Vec<(Handle, Duration)>, Vec<Extension>) {
        let (mut entries, mut extensions) = (Vec::new(), Vec::new());
        if self.due.first().is_none_or(|(due, _)| *due > now) {
            return (entries, extensions);
        }
        let soon = self.settings.extend_before.min(self.settings.visibility_timeout / 4);
        let dues: Vec<_> = self.due.range(..=(now + soon, u64::MAX)).copied().collect();
        for (due, id) in dues {
            if entries.len() == MAX_BATCH || (due > now && entries.is_empty()) {
                break;
            }
            if self.has_expired(id, now) {
                self.lose(id);
            } else if let Some((entry, extension)) = self.extend(id, now) {
                entries.push(entry);
                extensions.push(extension);
            }
        }
        (entries, extensions)
    }

    /// Marks a lease as being extended. `None` while a call for it is in flight, and when the cap
    /// leaves no more time; it is then due when it expires.
    fn extend(&mut self, id: u64, now: Instant) -> Option<((Handle, Duration), Extension)> {
        let lease = self.entries.get_mut(&id)?;
        let left = lease.cap.saturating_duration_since(now);
        // Whole seconds, rounded down: the queue's unit.
        let timeout = Duration::from_secs(self.settings.visibility_timeout.min(left).as_secs());
        let is_capped = left < self.settings.visibility_timeout;
        let adds_nothing = timeout.is_zero() || (is_capped && now + timeout <= lease.expires);
        let extension = (!adds_nothing && lease.in_flight.is_none()).then(|| {
            let call = CancellationToken::new();
            lease.in_flight = Some(call.clone());
            let extension = Extension { id, timeout, sent: now, _done: call.drop_guard() };
            ((Handle::clone(&lease.handle), timeout), extension)
        });
        let expires = lease.expires;
        self.set_due(id, expires);
        extension
    }

    fn set_due(&mut self, id: u64, due: Instant) {
        if let Some(lease) = self.entries.get_mut(&id) {
            self.due.remove(&(lease.due, id));
            lease.due = due;
            self.due.insert((due, id));
        }
    }

    /// The pause between two attempts: several fit into the margin, whatever it is.
    fn retry_pause(&self) -> Duration {
        let pause = self.settings.extend_before / 5;
        pause.clamp(Duration::from_millis(100), Duration::from_secs(5))
    }
}

impl Schedule for Leases {
    type Item = Extension;

    fn next(&mut self, now: Instant, in_flight: usize, stopping: bool) -> Next<Self::Item> {
        if in_flight < MAX_CALLS {
            let (entries, extensions) = self.take_due(now);
            if !entries.is_empty() {
                return Next::Call(Request::ChangeVisibility(entries), extensions);
            }
        }
        if stopping && self.entries.is_empty() {
            return Next::End;
        }
        let next = self.due.first().map_or(now + IDLE, |(due, _)| *due);
        // Only with all calls in flight is a time in the past; a response wakes the driver.
        Next::Wait(if next <= now { now + self.retry_pause() } else { next })
    }

    fn complete(&mut self, extension: Self::Item, result: Entry, now: Instant) {
        let Extension { id, timeout, sent, .. } = extension;
        let retry_pause = self.retry_pause();
        let Some(lease) = self.entries.get_mut(&id) else { return };
        lease.in_flight = None;
        let due = match result {
            Ok(()) => {
                lease.expires = sent + timeout;
                let pause = timeout.saturating_sub(self.settings.extend_before).max(retry_pause);
                (sent + pause).max(now)
            }
            // Tried again while the lease may be alive.
            Err(EntryError::Transient(_)) => now + retry_pause,
            Err(EntryError::Lost(_)) => return self.lose(id),
        };
        let due = due.min(lease.expires);
        self.set_due(id, due);
    }
}

#[cfg(test)]
mod tests;
