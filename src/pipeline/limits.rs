//! The two gates and the memory budget: what bounds everything in flight.
//!
//! `work` counts messages being fetched and decoded, `unacknowledged` all that are in hand, those that
//! wait for sinks included. Half as many messages as may be worked on are received ahead, so that no place
//! of work stands empty while SQS answers: a `seat` is a place of work or one of those. Receiving needs a
//! seat and room in `unacknowledged`, and nothing else stops receiving. Memory is reserved once per object
//! before its GET and never while another reservation is held, so that no two waits can form a ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Delivery;

/// The budget is counted in units of this many bytes.
const UNIT: u64 = 4096;

/// Stored bytes up to which an object is buffered whole and decoded where it is.
pub(super) const SMALL_OBJECT: usize = 64 * 1024;

/// What reading one object may keep resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Bytes reserved from the budget.
    pub(super) reserve: u64,
    /// Of those, bytes of selected records held until the file is verified.
    pub(super) held_cap: usize,
}

/// A tiny object, as nearly all are: its stored bytes, and matches of up to half a MiB.
const SMALL: Share = Share { reserve: 1 << 20, held_cap: 512 << 10 };

/// Any other object: stream buffers, the open record, and matches of up to 8 MiB.
const LARGE: Share = Share { reserve: 12 << 20, held_cap: 8 << 20 };

/// The gates of one process, shared by all its sources.
#[derive(Debug)]
pub(super) struct Gates {
    seats: Arc<Semaphore>,
    work: Arc<Semaphore>,
    unacknowledged: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    budget: u64,
    sizes: (usize, usize),
    /// Slots of receive calls that are under way: of messages that may never come.
    asked: AtomicUsize,
}

/// One message's place before it is received.
#[derive(Debug)]
pub(super) struct Slot {
    /// Given back when the message starts to wait for sinks.
    pub(super) seat: OwnedSemaphorePermit,
    /// Given back when the message is settled and no sink holds its events any more.
    pub(super) unacknowledged: Arc<OwnedSemaphorePermit>,
}

/// Memory reserved for one object; shrinks to what is really held, and is given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    permit: OwnedSemaphorePermit,
    /// What may be held under it.
    pub(super) share: Share,
}

impl Gates {
    pub(super) fn new(delivery: &Delivery) -> Self {
        let units = usize::try_from(delivery.memory_limit / UNIT).unwrap_or(Semaphore::MAX_PERMITS);
        let units = units.clamp(1, u32::MAX as usize);
        Self {
            seats: Arc::new(Semaphore::new(
                delivery.max_concurrent_messages + ahead(delivery.max_concurrent_messages),
            )),
            work: Arc::new(Semaphore::new(delivery.max_concurrent_messages)),
            unacknowledged: Arc::new(Semaphore::new(delivery.max_in_flight_messages)),
            memory: Arc::new(Semaphore::new(units)),
            budget: units as u64 * UNIT,
            sizes: (delivery.max_concurrent_messages, delivery.max_in_flight_messages),
            asked: AtomicUsize::new(0),
        }
    }

    /// Waits for `least` seats and as much room in `unacknowledged`, then takes what else is free up to
    /// `most`. `None` if the gates are closed, which they never are while the pipeline runs.
    pub(super) async fn slots(&self, least: usize, most: usize) -> Option<Vec<Slot>> {
        // A gate smaller than that would never have room.
        let least = least.min(self.sizes.0).min(self.sizes.1);
        let least = u32::try_from(least).unwrap_or(u32::MAX).max(1);
        let mut waiting = Arc::clone(&self.unacknowledged).acquire_many_owned(least).await.ok()?;
        let mut seats = Arc::clone(&self.seats).acquire_many_owned(least).await.ok()?;
        let mut slots = Vec::with_capacity(most);
        while let (Some(seat), Some(unacknowledged)) = (seats.split(1), waiting.split(1)) {
            slots.push(Slot { seat, unacknowledged: Arc::new(unacknowledged) });
        }
        while slots.len() < most {
            let Some(slot) = self.try_slot() else { break };
            slots.push(slot);
        }
        Some(slots)
    }

    fn try_slot(&self) -> Option<Slot> {
        let unacknowledged = Arc::clone(&self.unacknowledged).try_acquire_owned().ok()?;
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        Some(Slot { seat, unacknowledged: Arc::new(unacknowledged) })
    }

    /// Waits for a place in the work gate.
    pub(super) async fn work(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.work).acquire_owned().await.ok()
    }

    /// Waits for memory for one object: a small share if its announced size is small and nothing
    /// has shown otherwise, else a large one. A share is never larger than the whole budget.
    pub(super) async fn reserve(&self, announced: Option<u64>, large: bool) -> Option<Reservation> {
        let small = !large && announced.is_none_or(|size| size <= SMALL_OBJECT as u64);
        let share = if small { SMALL } else { LARGE }.within(self.budget);
        let units = u32::try_from(share.reserve / UNIT).unwrap_or(u32::MAX).max(1);
        let permit = Arc::clone(&self.memory).acquire_many_owned(units).await.ok()?;
        Some(Reservation { permit, share })
    }

    /// Places in the work gate, taken or not.
    pub(super) fn work_size(&self) -> usize {
        self.sizes.0
    }

    /// A receive call for so many messages has begun.
    pub(super) fn ask(&self, slots: usize) {
        self.asked.fetch_add(slots, Ordering::Relaxed);
    }

    /// It has ended.
    pub(super) fn answered(&self, slots: usize) {
        self.asked.fetch_sub(slots, Ordering::Relaxed);
    }

    /// Messages in the work gate, messages not yet acknowledged, bytes reserved.
    pub(super) fn in_use(&self) -> (usize, usize, u64) {
        (
            self.sizes.0 - self.work.available_permits(),
            (self.sizes.1 - self.unacknowledged.available_permits())
                .saturating_sub(self.asked.load(Ordering::Relaxed)),
            self.budget - self.memory.available_permits() as u64 * UNIT,
        )
    }
}

/// Messages that may be received ahead of the work on them.
fn ahead(work: usize) -> usize {
    work / 2
}

impl Share {
    fn within(self, budget: u64) -> Self {
        if self.reserve <= budget {
            return self;
        }
        let held_cap = usize::try_from(budget / 2).unwrap_or(self.held_cap);
        Self { reserve: budget, held_cap: held_cap.min(self.held_cap) }
    }
}

impl Reservation {
    /// Gives back all but what `held` bytes need: the object is read, only its events are resident.
    pub(super) fn shrink(&mut self, held: usize) {
        let keep = (held as u64).div_ceil(UNIT);
        let have = self.permit.num_permits();
        let spare = have.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        drop(self.permit.split(spare));
    }

    /// Whether a larger share could hold more.
    pub(super) fn is_small(&self) -> bool {
        self.share == SMALL
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn gates(work: usize, unacknowledged: usize, memory: u64) -> Gates {
        Gates::new(&Delivery {
            max_concurrent_messages: work,
            max_in_flight_messages: unacknowledged,
            memory_limit: memory,
            ..Delivery::default()
        })
    }

    #[tokio::test]
    async fn a_batch_never_takes_more_slots_than_there_is_room() {
        let gates = gates(3, 2, 1 << 20);
        let slots = gates.slots(1, 10).await.expect("open");
        assert_eq!(slots.len(), 2);
        assert_eq!(gates.seats.available_permits(), 2, "the seat without its twin went back");
    }

    #[tokio::test]
    async fn half_as_many_messages_as_are_worked_on_wait_for_it() {
        let gates = gates(4, 100, 1 << 20);
        assert_eq!(gates.slots(1, 10).await.expect("open").len(), 6);
        let _at_work = [gates.work().await, gates.work().await, gates.work().await];
        assert_eq!(gates.in_use().0, 3);
    }

    #[tokio::test]
    async fn a_batch_waits_for_as_many_slots_as_it_asks_for_but_not_for_more_than_there_are() {
        let gates = gates(4, 4, 1 << 20);
        let mut first = gates.slots(1, 2).await.expect("open");
        assert!(gates.slots(3, 10).now_or_never().is_none(), "two are free");
        assert_eq!(gates.in_use().1, 2, "waiting in vain takes nothing");
        first.pop();
        assert_eq!(gates.slots(3, 10).await.expect("open").len(), 3);
        drop(first);
        assert_eq!(gates.in_use().1, 0, "all are back");
        assert_eq!(gates.slots(100, 10).await.expect("open").len(), 4);
    }

    #[tokio::test]
    async fn a_call_that_may_bring_nothing_is_no_message_in_hand() {
        let gates = gates(4, 100, 1 << 20);
        let slots = gates.slots(1, 6).await.expect("open");
        gates.ask(slots.len());
        assert_eq!(gates.in_use().1, 0);
        gates.answered(slots.len());
        assert_eq!(gates.in_use().1, 6);
    }

    #[tokio::test]
    async fn a_reservation_shrinks_to_what_is_held() {
        let gates = gates(1, 1, 64 << 20);
        let mut reservation = gates.reserve(Some(2000), false).await.expect("open");
        assert_eq!(gates.in_use().2, 1 << 20);
        reservation.shrink(5000);
        assert_eq!(gates.in_use().2, 8192);
        drop(reservation);
        assert_eq!(gates.in_use().2, 0);
    }

    #[tokio::test]
    async fn a_tiny_budget_still_admits_one_object_of_any_size() {
        let gates = gates(1, 1, 64 << 10);
        let reservation = gates.reserve(Some(1 << 40), false).await.expect("open");
        assert_eq!(gates.in_use().2, 64 << 10);
        assert_eq!(reservation.share.held_cap, 32 << 10);
    }
}
