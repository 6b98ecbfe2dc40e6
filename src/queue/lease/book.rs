//! The lease keeper's book: who is held until when, and who is to be renewed next. Plain values and
//! a clock passed in, so that the late, the lost and the capped case can be told without a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::VisibilitySettings;
use crate::queue::{Handle, MAX_BATCH};

/// A renewal needs time to arrive, and SQS refuses, not shortens, what would pass its cap.
pub(super) const CAP_MARGIN: Duration = Duration::from_secs(5);

/// How far ahead the driver looks when nothing is held.
const IDLE: Duration = Duration::from_secs(3600);

/// One lease to renew, for this long from now.
pub(super) struct Renewal {
    pub(super) id: u64,
    pub(super) handle: Handle,
    pub(super) time: Duration,
}

/// Leases to renew with one call.
pub(super) struct Call {
    pub(super) renewals: Vec<Renewal>,
    /// To be dropped when the call has ended and the book knows its answers.
    pub(super) under_way: DropGuard,
}

struct Held {
    handle: Handle,
    lost: CancellationToken,
    /// When the lease has run out, unless it is renewed before.
    ends: Instant,
    /// No renewal may reach beyond.
    cap: Instant,
    /// The key of its line in `dates`.
    date: Instant,
    /// Cancelled when the call that renews it has ended.
    asking: Option<CancellationToken>,
}

pub(super) struct Book {
    settings: VisibilitySettings,
    held: BTreeMap<u64, Held>,
    /// When each lease is next looked at, soonest first.
    dates: BTreeSet<(Instant, u64)>,
    next_id: u64,
    /// What the driver was last told to wait for.
    waking: Option<Instant>,
}

impl Book {
    pub(super) fn new(mut settings: VisibilitySettings) -> Self {
        // A margin beyond half the lease would renew what was only just renewed.
        settings.renew_before = settings.renew_before.min(settings.visibility / 2);
        Self { settings, held: BTreeMap::new(), dates: BTreeSet::new(), next_id: 0, waking: None }
    }

    /// Enters a lease; also says whether the driver must wake sooner than it was told.
    pub(super) fn hold(
        &mut self,
        handle: Handle,
        received_at: Instant,
        now: Instant,
        lost: CancellationToken,
    ) -> (u64, bool) {
        let id = self.next_id;
        self.next_id += 1;
        let first = self.settings.visibility.saturating_sub(self.settings.renew_before);
        let date = (received_at + first).max(now);
        let ends = now.max(received_at) + self.settings.visibility;
        let cap = received_at + self.settings.cap.saturating_sub(CAP_MARGIN);
        self.held.insert(id, Held { handle, lost, ends, cap, date, asking: None });
        self.dates.insert((date, id));
        (id, self.waking.is_none_or(|waking| date < waking))
    }

    /// Strikes a lease out, unless a call that renews it is under way: then answers that call's end.
    pub(super) fn end(&mut self, id: u64) -> Option<CancellationToken> {
        let asking = self.held.get(&id).and_then(|held| held.asking.clone());
        let asking = asking.filter(|call| !call.is_cancelled());
        if asking.is_none() {
            self.remove(id);
        }
        asking
    }

    /// Strikes a lease out; says whether none is left.
    pub(super) fn release(&mut self, id: u64) -> bool {
        self.remove(id);
        self.is_empty()
    }

    /// The leases to renew now, if any, at most ten: first those whose date has come, then, since the call
    /// is made anyway, those whose date is near. Leases that ran out are marked lost on the way.
    pub(super) fn due(&mut self, now: Instant) -> Option<Call> {
        let near = (now + self.company(), u64::MAX);
        let dates: Vec<(Instant, u64)> = self.dates.range(..=near).copied().collect();
        let (mut renewals, ended) = (Vec::new(), CancellationToken::new());
        for (date, id) in dates {
            if renewals.len() == MAX_BATCH || (date > now && renewals.is_empty()) {
                break;
            }
            match self.held.get(&id).map(|held| (held.ends <= now, held.asking.is_some())) {
                Some((true, _)) => self.lost(id),
                Some((false, false)) => renewals.extend(self.ask(id, now, &ended)),
                // Its call is under way: nothing to do before it runs out.
                Some((false, true)) => self.put_off(id),
                None => {}
            }
        }
        (!renewals.is_empty()).then(|| Call { renewals, under_way: ended.drop_guard() })
    }

    /// When the driver should look again. Remembered, so that [`Book::hold`] knows when to ring.
    pub(super) fn next_date(&mut self, now: Instant) -> Instant {
        let next = self.dates.first().map_or(now + IDLE, |(date, _)| *date);
        self.waking = Some(next);
        // Only when all calls are taken is a date in the past; their answers wake the driver.
        if next <= now { now + self.retry_gap() } else { next }
    }

    /// A renewal asked for at `at` was granted for `time`.
    pub(super) fn renewed(&mut self, id: u64, at: Instant, time: Duration, now: Instant) {
        let wait = time.saturating_sub(self.settings.renew_before).max(self.retry_gap());
        if let Some(held) = self.held.get_mut(&id) {
            held.asking = None;
            held.ends = at + time;
            let date = (at + wait).max(now).min(held.ends);
            self.set_date(id, date);
        }
    }

    /// A renewal failed in a way that may pass: try again while the lease may be alive.
    pub(super) fn failed(&mut self, id: u64, now: Instant) {
        let gap = self.retry_gap();
        if let Some(held) = self.held.get_mut(&id) {
            held.asking = None;
            let date = (now + gap).min(held.ends);
            self.set_date(id, date);
        }
    }

    /// The lease is gone: whoever waits for that hears of it, and it is renewed no more.
    pub(super) fn lost(&mut self, id: u64) {
        if let Some(held) = self.remove(id) {
            held.lost.cancel();
        }
    }

    pub(super) fn has_run_out(&self, id: u64, now: Instant) -> bool {
        self.held.get(&id).is_some_and(|held| held.ends <= now)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Marks a lease as being asked for, or puts it off for good where the cap leaves no more time.
    fn ask(&mut self, id: u64, now: Instant, call: &CancellationToken) -> Option<Renewal> {
        let held = self.held.get_mut(&id)?;
        let left = held.cap.saturating_duration_since(now);
        // Whole seconds, rounded down: that is what the queue takes.
        let time = Duration::from_secs(self.settings.visibility.min(left).as_secs());
        let capped = left < self.settings.visibility;
        if time.is_zero() || (capped && now + time <= held.ends) {
            self.put_off(id);
            return None;
        }
        held.asking = Some(call.clone());
        let handle = Handle::clone(&held.handle);
        self.put_off(id);
        Some(Renewal { id, handle, time })
    }

    /// Nothing to do for this lease before it runs out.
    fn put_off(&mut self, id: u64) {
        if let Some(ends) = self.held.get(&id).map(|held| held.ends) {
            self.set_date(id, ends);
        }
    }

    fn set_date(&mut self, id: u64, date: Instant) {
        if let Some(held) = self.held.get_mut(&id) {
            self.dates.remove(&(held.date, id));
            held.date = date;
            self.dates.insert((date, id));
        }
    }

    fn remove(&mut self, id: u64) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.dates.remove(&(held.date, id));
        Some(held)
    }

    /// Several tries fit into the margin, whatever it is.
    fn retry_gap(&self) -> Duration {
        (self.settings.renew_before / 5).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// How early a lease may be renewed to fill a call: few calls matter more than late ones.
    fn company(&self) -> Duration {
        self.settings.renew_before.min(self.settings.visibility / 4)
    }
}
