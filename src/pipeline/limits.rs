//! What bounds everything in flight: the two message limits and the memory budget.
//!
//! `max_concurrent_messages` counts messages being fetched and decoded, `max_in_flight_messages`
//! all that are received and not settled, those that wait for sinks included. Half as many messages
//! as may be processed are received ahead, so that processing does not wait while SQS responds:
//! `prefetch` counts both. Receiving needs a permit of `prefetch` and one of `in_flight`, and
//! nothing else stops receiving. Memory is reserved once per object before its GET and never while
//! another reservation is held, so that no two waits can deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Delivery;
use crate::error::{Code, Error};

/// Bytes of one permit of the memory budget.
const UNIT: u64 = 4096;

/// Stored bytes up to which an object is buffered whole and decoded on the message's own task.
pub(super) const SMALL_OBJECT: usize = 64 * 1024;

/// What reading one object may keep resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoryClass {
    /// Bytes reserved from the budget.
    pub(super) reserve: u64,
    /// Of those, bytes of selected records buffered until the file is verified.
    pub(super) match_cap: usize,
}

/// A tiny object, as nearly all are: its stored bytes, and matches of up to half a MiB.
const SMALL: MemoryClass = MemoryClass { reserve: 1 << 20, match_cap: 512 << 10 };

/// Any other object: stream buffers, the open record, and matches of up to 8 MiB.
const LARGE: MemoryClass = MemoryClass { reserve: 12 << 20, match_cap: 8 << 20 };

/// The limits of one process, shared by all its sources.
#[derive(Debug)]
pub(super) struct Limits {
    prefetch: Arc<Semaphore>,
    processing: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    max_processing: usize,
    max_in_flight: usize,
    max_memory: u64,
    /// Permits of receive calls under way: of messages that may never arrive.
    requested: AtomicUsize,
}

/// How much of the limits is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InUse {
    /// Messages being fetched and decoded.
    pub(super) processing: usize,
    /// Messages received and not settled.
    pub(super) in_flight: usize,
    /// Bytes reserved.
    pub(super) memory: u64,
}

/// Permission to receive one message.
#[derive(Debug)]
pub(super) struct ReceivePermit {
    prefetch: OwnedSemaphorePermit,
    in_flight: InFlightPermit,
}

/// Released when the message is settled and no sink holds its events any more.
type InFlightPermit = Arc<OwnedSemaphorePermit>;

/// Memory reserved for one object; shrinks to what is used, and is released when dropped.
#[derive(Debug)]
pub(super) struct MemoryPermit {
    permit: OwnedSemaphorePermit,
    /// What may be used under it.
    pub(super) class: MemoryClass,
}

impl Limits {
    pub(super) fn new(delivery: &Delivery) -> Self {
        let units = usize::try_from(delivery.memory_limit / UNIT).unwrap_or(Semaphore::MAX_PERMITS);
        let units = units.clamp(1, u32::MAX as usize);
        Self {
            prefetch: Arc::new(Semaphore::new(
                delivery.max_concurrent_messages + delivery.max_concurrent_messages / 2,
            )),
            processing: Arc::new(Semaphore::new(delivery.max_concurrent_messages)),
            in_flight: Arc::new(Semaphore::new(delivery.max_in_flight_messages)),
            memory: Arc::new(Semaphore::new(units)),
            max_processing: delivery.max_concurrent_messages,
            max_in_flight: delivery.max_in_flight_messages,
            max_memory: units as u64 * UNIT,
            requested: AtomicUsize::new(0),
        }
    }

    /// Waits for `least` permits to receive, then takes up to `most` if they are free. Returns
    /// `None` if the limits are closed, which they never are while the pipeline runs.
    pub(super) async fn receive(&self, least: usize, most: usize) -> Option<Vec<ReceivePermit>> {
        // A smaller limit would never have as many.
        let least = least.min(self.max_processing).min(self.max_in_flight);
        let least = u32::try_from(least).unwrap_or(u32::MAX).max(1);
        let mut in_flight = Arc::clone(&self.in_flight).acquire_many_owned(least).await.ok()?;
        let mut prefetch = Arc::clone(&self.prefetch).acquire_many_owned(least).await.ok()?;
        let mut permits = Vec::with_capacity(most);
        while let (Some(prefetch), Some(in_flight)) = (prefetch.split(1), in_flight.split(1)) {
            permits.push(ReceivePermit { prefetch, in_flight: Arc::new(in_flight) });
        }
        while permits.len() < most {
            let Some(permit) = self.try_receive() else { break };
            permits.push(permit);
        }
        Some(permits)
    }

    fn try_receive(&self) -> Option<ReceivePermit> {
        let in_flight = Arc::clone(&self.in_flight).try_acquire_owned().ok()?;
        let prefetch = Arc::clone(&self.prefetch).try_acquire_owned().ok()?;
        Some(ReceivePermit { prefetch, in_flight: Arc::new(in_flight) })
    }

    /// Returns the most messages that are processed at once.
    pub(super) fn max_processing(&self) -> usize {
        self.max_processing
    }

    /// Notes that a receive call for so many messages has begun.
    pub(super) fn receive_started(&self, permits: usize) {
        self.requested.fetch_add(permits, Ordering::Relaxed);
    }

    /// Notes that it has ended.
    pub(super) fn receive_ended(&self, permits: usize) {
        self.requested.fetch_sub(permits, Ordering::Relaxed);
    }

    pub(super) fn in_use(&self) -> InUse {
        InUse {
            processing: self.max_processing - self.processing.available_permits(),
            in_flight: (self.max_in_flight - self.in_flight.available_permits())
                .saturating_sub(self.requested.load(Ordering::Relaxed)),
            memory: self.max_memory - self.memory.available_permits() as u64 * UNIT,
        }
    }
}

impl MemoryClass {
    /// Limits the class to the whole budget.
    fn within(self, budget: u64) -> Self {
        if self.reserve <= budget {
            return self;
        }
        let match_cap = usize::try_from(budget / 2).unwrap_or(self.match_cap);
        Self { reserve: budget, match_cap: match_cap.min(self.match_cap) }
    }
}

impl MemoryPermit {
    /// Releases all but what records of so many bytes take: once for themselves, once for what a
    /// sink makes of them.
    pub(super) fn shrink_to_records(&mut self, bytes: usize) {
        self.shrink(2 * bytes);
    }

    /// Releases all but `bytes`: the object is read, only its events are resident.
    fn shrink(&mut self, bytes: usize) {
        let units = usize::try_from((bytes as u64).div_ceil(UNIT)).unwrap_or(usize::MAX);
        drop(self.permit.split(self.permit.num_permits().saturating_sub(units)));
    }

    /// Returns whether a larger class could buffer more.
    pub(super) fn is_small(&self) -> bool {
        self.class == SMALL
    }
}

/// The permits of one message.
#[derive(Debug)]
pub(super) struct MessagePermits {
    limits: Arc<Limits>,
    prefetch: Option<OwnedSemaphorePermit>,
    processing: Option<OwnedSemaphorePermit>,
    /// Permits of processing that it needs: one, or all.
    needed: u32,
    in_flight: InFlightPermit,
}

/// What a delivery holds while a sink has the events: their memory, and their message's permit.
#[derive(Debug, Clone)]
pub(super) struct DeliveryPermits {
    _memory: Arc<MemoryPermit>,
    _in_flight: InFlightPermit,
}

impl MessagePermits {
    pub(super) fn new(limits: Arc<Limits>, received: ReceivePermit) -> Self {
        let ReceivePermit { prefetch, in_flight } = received;
        Self { limits, prefetch: Some(prefetch), processing: None, needed: 1, in_flight }
    }

    /// From here on nothing else is fetched or decoded while the message is.
    pub(super) fn process_alone(&mut self) {
        self.needed = u32::try_from(self.limits.max_processing).unwrap_or(u32::MAX);
    }

    /// Waits for permission to fetch and decode, unless the message has it.
    pub(super) async fn start_processing(&mut self) {
        if self.processing.is_none() {
            let processing = Arc::clone(&self.limits.processing);
            self.processing = processing.acquire_many_owned(self.needed).await.ok();
        }
    }

    /// Releases all permits but that of a message in flight: from here on it only waits for sinks.
    pub(super) fn stop_processing(&mut self) {
        self.processing = None;
        self.prefetch = None;
    }

    /// Waits for memory for one object: the small class if its announced size is small and nothing
    /// has shown otherwise, else the large one. A class is never larger than the whole budget.
    ///
    /// # Errors
    /// [`Code::Stopping`]: the limits are closed, which they never are while the pipeline runs.
    pub(super) async fn reserve(
        &self,
        announced: Option<u64>,
        large: bool,
    ) -> Result<MemoryPermit, Error> {
        let small = !large && announced.is_none_or(|size| size <= SMALL_OBJECT as u64);
        let class = if small { SMALL } else { LARGE }.within(self.limits.max_memory);
        let units = u32::try_from(class.reserve / UNIT).unwrap_or(u32::MAX).max(1);
        let permit = Arc::clone(&self.limits.memory).acquire_many_owned(units).await;
        match permit {
            Ok(permit) => Ok(MemoryPermit { permit, class }),
            Err(closed) => Err(Error::caused(Code::Stopping, "no memory is reserved", closed)),
        }
    }

    /// Returns what the deliveries of an object's events hold.
    pub(super) fn for_delivery(&self, memory: MemoryPermit) -> DeliveryPermits {
        DeliveryPermits { _memory: Arc::new(memory), _in_flight: Arc::clone(&self.in_flight) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn limits(work: usize, unacknowledged: usize, memory: u64) -> Arc<Limits> {
        let delivery = Delivery {
            max_concurrent_messages: work,
            max_in_flight_messages: unacknowledged,
            memory_limit: memory,
            ..Delivery::default()
        };
        Arc::new(Limits::new(&delivery))
    }

    async fn received(limits: &Arc<Limits>) -> MessagePermits {
        let permit = limits.receive(1, 1).await.expect("open").pop().expect("one");
        MessagePermits::new(Arc::clone(limits), permit)
    }

    #[tokio::test]
    async fn a_batch_never_takes_more_permits_than_there_are() {
        let limits = limits(3, 2, 1 << 20);
        let permits = limits.receive(1, 10).await.expect("open");
        assert_eq!(permits.len(), 2);
        assert_eq!(limits.prefetch.available_permits(), 2, "the unused permit was released");
    }

    #[tokio::test]
    async fn half_as_many_messages_as_are_processed_are_received_ahead() {
        let limits = limits(4, 100, 1 << 20);
        let mut messages = Vec::new();
        for permit in limits.receive(1, 10).await.expect("open") {
            messages.push(MessagePermits::new(Arc::clone(&limits), permit));
        }
        assert_eq!(messages.len(), 6);
        for message in messages.iter_mut().take(3) {
            message.start_processing().await;
        }
        assert_eq!(limits.in_use().processing, 3);
    }

    #[tokio::test]
    async fn a_message_processed_alone_waits_for_all_others_and_they_wait_for_it() {
        let limits = limits(2, 100, 1 << 20);
        let (mut first, mut alone) = (received(&limits).await, received(&limits).await);
        first.start_processing().await;
        alone.process_alone();
        assert!(alone.start_processing().now_or_never().is_none());
        first.stop_processing();
        alone.start_processing().await;
        let mut next = received(&limits).await;
        assert!(next.start_processing().now_or_never().is_none());
        drop(alone);
        next.start_processing().await;
    }

    #[tokio::test]
    async fn a_batch_waits_for_its_least_permits_but_not_for_more_than_the_limit() {
        let limits = limits(4, 4, 1 << 20);
        let mut first = limits.receive(1, 2).await.expect("open");
        assert!(limits.receive(3, 10).now_or_never().is_none(), "two are free");
        assert_eq!(limits.in_use().in_flight, 2, "a cancelled wait holds no permit");
        first.pop();
        assert_eq!(limits.receive(3, 10).await.expect("open").len(), 3);
        drop(first);
        assert_eq!(limits.in_use().in_flight, 0, "all are released");
        assert_eq!(limits.receive(100, 10).await.expect("open").len(), 4);
    }

    #[tokio::test]
    async fn permits_of_a_receive_call_under_way_are_no_messages_in_flight() {
        let limits = limits(4, 100, 1 << 20);
        let permits = limits.receive(1, 6).await.expect("open");
        limits.receive_started(permits.len());
        assert_eq!(limits.in_use().in_flight, 0);
        limits.receive_ended(permits.len());
        assert_eq!(limits.in_use().in_flight, 6);
    }

    #[tokio::test]
    async fn a_memory_permit_shrinks_to_what_is_used() {
        let limits = limits(1, 1, 64 << 20);
        let mut memory = received(&limits).await.reserve(Some(2000), false).await.expect("open");
        assert_eq!(limits.in_use().memory, 1 << 20);
        memory.shrink(5000);
        assert_eq!(limits.in_use().memory, 8192);
        drop(memory);
        assert_eq!(limits.in_use().memory, 0);
    }

    #[tokio::test]
    async fn a_tiny_budget_still_admits_one_object_of_any_size() {
        let limits = limits(1, 1, 64 << 10);
        let memory = received(&limits).await.reserve(Some(1 << 40), false).await.expect("open");
        assert_eq!(limits.in_use().memory, 64 << 10);
        assert_eq!(memory.class.match_cap, 32 << 10);
    }
}
