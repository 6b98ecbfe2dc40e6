//! The settler's desk: what waits to be deleted or released, and what goes into the next call.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{ATTEMPTS, PATIENCE, RETRY_GAP};
use crate::error::{Error, Settlement};
use crate::queue::{Handle, MAX_BATCH};

/// How far ahead the driver looks when nothing waits.
const IDLE: Duration = Duration::from_secs(3600);

/// One settlement on its way.
pub(super) struct Job {
    handle: Handle,
    settlement: Settlement,
    answer: oneshot::Sender<Result<(), Error>>,
    handed_over: Instant,
    /// Not before this; later than `handed_over` only for another try.
    ready: Instant,
    attempts: u32,
}

impl Job {
    pub(super) fn new(
        handle: Handle,
        settlement: Settlement,
        answer: oneshot::Sender<Result<(), Error>>,
        now: Instant,
    ) -> Self {
        Self { handle, settlement, answer, handed_over: now, ready: now, attempts: 0 }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::clone(&self.handle)
    }

    /// The release as the queue takes it; `None` for a delete.
    pub(super) fn as_release(&self) -> Option<(Handle, Duration)> {
        match self.settlement {
            Settlement::Delete => None,
            Settlement::Release { after } => Some((self.handle(), after)),
        }
    }

    /// Tells the caller, who may be gone.
    pub(super) fn answer(self, result: Result<(), Error>) {
        let _ = self.answer.send(result);
    }
}

#[derive(Default)]
pub(super) struct Desk {
    deletes: VecDeque<Job>,
    releases: VecDeque<Job>,
    closed: bool,
}

impl Desk {
    /// Takes a job in; says whether the driver should look: at the first of a batch, which starts the
    /// wait for company, and at the last, which ends it. After closing the job is dropped, and its
    /// caller hears of that.
    pub(super) fn hand_over(&mut self, job: Job) -> bool {
        if self.closed {
            return false;
        }
        let (lane, now) = (self.lane(job.settlement), job.ready);
        lane.push_back(job);
        // One that waits for another try is no company.
        let ready = lane.iter().filter(|job| job.ready <= now).take(MAX_BATCH).count();
        ready == 1 || ready == MAX_BATCH
    }

    /// The next batch, of one kind: a full one, or, if `partial` is allowed, one whose oldest job has
    /// waited for `gather`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        gather: Option<Duration>,
        partial: bool,
    ) -> Vec<Job> {
        let gather = gather.unwrap_or_default();
        for lane in [&mut self.releases, &mut self.deletes] {
            let ready = || lane.iter().filter(|job| job.ready <= now);
            let full = ready().take(MAX_BATCH).count() == MAX_BATCH;
            let waited = ready().next().is_some_and(|job| job.ready + gather <= now);
            if full || (partial && waited) {
                return take_ready(lane, now);
            }
        }
        Vec::new()
    }

    /// When a batch will be ready if nothing else comes in; never in the past.
    pub(super) fn next_date(&self, now: Instant, gather: Option<Duration>) -> Instant {
        let gather = gather.unwrap_or_default();
        let ready = self.deletes.iter().chain(&self.releases).map(|job| job.ready + gather);
        // A date that has passed waits for a call under way, whose answer wakes the driver.
        ready.filter(|date| *date > now).min().unwrap_or(now + IDLE)
    }

    /// Puts a job back after a failure that may pass, or gives up on it.
    pub(super) fn try_again(&mut self, mut job: Job, error: Error, now: Instant) {
        job.attempts += 1;
        job.ready = now + RETRY_GAP * 2_u32.pow(job.attempts.saturating_sub(1).min(5));
        if job.attempts >= ATTEMPTS || job.ready >= job.handed_over + PATIENCE {
            job.answer(Err(error));
        } else {
            self.lane(job.settlement).push_back(job);
        }
    }

    /// Closes if nothing waits, so that no job slips in between looking and leaving.
    pub(super) fn close_if_empty(&mut self) -> bool {
        self.closed = self.deletes.is_empty() && self.releases.is_empty();
        self.closed
    }

    /// Closes and drops what waits: each caller hears that it was not settled.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.deletes.clear();
        self.releases.clear();
    }

    fn lane(&mut self, settlement: Settlement) -> &mut VecDeque<Job> {
        match settlement {
            Settlement::Delete => &mut self.deletes,
            Settlement::Release { .. } => &mut self.releases,
        }
    }
}

/// Up to ten jobs whose time has come, oldest first.
fn take_ready(lane: &mut VecDeque<Job>, now: Instant) -> Vec<Job> {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut later = VecDeque::new();
    while batch.len() < MAX_BATCH
        && let Some(job) = lane.pop_front()
    {
        if job.ready <= now { batch.push(job) } else { later.push_back(job) }
    }
    later.append(lane);
    *lane = later;
    batch
}
