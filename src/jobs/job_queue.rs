//! A finite list of work as a queue: how replay and backfill go through the same path, under the same
//! guarantees, as the messages of SQS.
//!
//! What is deleted is final and noted by [`Progress`]; what is released is offered again, so many
//! times. A process that dies has noted nothing that was not final.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, MAX_RELEASE};
use crate::queue::{Entry, EntryError, Handle, Message, Queue, Receipt};

/// How long a piece of work is leased. Longer than any release: a shorter change of visibility is one.
pub(super) const LEASE: Duration = Duration::from_secs(4 * MAX_RELEASE.as_secs());

/// How long a receive waits for work, like SQS's long poll.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Work that waits to be received: enough to keep the gates busy, too little to matter.
const AHEAD: usize = 64;

/// One piece of work.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// The message's id.
    pub(super) id: String,
    /// The message's body.
    pub(super) body: String,
    /// What [`Progress`] knows it by: a letter's place, an object's key.
    pub(super) place: String,
}

/// Hears what became of each piece of work.
pub(super) trait Progress: Send + Sync + 'static {
    /// It is final at every required sink.
    ///
    /// # Errors
    /// That could not be noted; it counts as not final.
    fn done<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), Error>>;

    /// It is not final and not offered again in this run.
    fn kept(&self, work: &Work);
}

/// How many ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Final, and noted.
    pub done: u64,
    /// Not final, or not noted.
    pub kept: u64,
}

/// The queue.
pub(super) struct JobQueue {
    name: String,
    attempts: u32,
    incoming: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    shelf: Mutex<Shelf>,
    changed: Notify,
    progress: Arc<dyn Progress>,
    finished: CancellationToken,
}

#[derive(Default)]
struct Shelf {
    last: u64,
    /// By handle, which names one receive.
    held: BTreeMap<u64, Held>,
    /// No more work comes.
    closed: bool,
    counts: Counts,
}

struct Held {
    work: Work,
    receives: u32,
    visible: Instant,
}

impl JobQueue {
    /// A list whose work is sent, and that ends when the sender is gone and nothing is in hand. Each
    /// piece is offered at most `attempts` times.
    pub(super) fn new(
        name: String,
        attempts: u32,
        progress: Arc<dyn Progress>,
    ) -> (Arc<Self>, mpsc::Sender<Work>) {
        let (sender, incoming) = mpsc::channel(AHEAD);
        let list = Self {
            name,
            attempts,
            incoming: tokio::sync::Mutex::new(incoming),
            shelf: Mutex::default(),
            changed: Notify::new(),
            progress,
            finished: CancellationToken::new(),
        };
        (Arc::new(list), sender)
    }

    /// Cancelled when all work has ended, one way or the other.
    pub(super) fn finished(&self) -> CancellationToken {
        self.finished.clone()
    }

    pub(super) fn counts(&self) -> Counts {
        self.shelf().counts
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn receive_some(&self, max: usize) -> Vec<Message> {
        let until = Instant::now() + LONG_POLL;
        loop {
            // Made before the look, so that no change between the two is missed.
            let changed = self.changed.notified();
            let again = self.offer_again(max);
            if !again.is_empty() || Instant::now() >= until {
                return again;
            }
            let (closed, due) = {
                let shelf = self.shelf();
                (shelf.closed, shelf.held.values().map(|held| held.visible).min())
            };
            tokio::select! {
                biased;
                () = changed => {}
                fresh = self.fresh(max), if !closed => match fresh {
                    Some(fresh) => return self.offer(fresh.into_iter().map(|work| (work, 0))),
                    None => self.shelf().closed = true,
                },
                () = tokio::time::sleep_until(due.map_or(until, |due| due.min(until))) => {}
            }
            self.note_end();
        }
    }

    /// New work, as much as is there; `None` when no more comes. Dropping it loses none.
    async fn fresh(&self, max: usize) -> Option<Vec<Work>> {
        let mut incoming = self.incoming.lock().await;
        let mut fresh = vec![incoming.recv().await?];
        while fresh.len() < max
            && let Ok(work) = incoming.try_recv()
        {
            fresh.push(work);
        }
        Some(fresh)
    }

    /// What was released and is due, or whose lease has run out.
    fn offer_again(&self, max: usize) -> Vec<Message> {
        let now = Instant::now();
        let due: Vec<(Work, u32)> = {
            let mut shelf = self.shelf();
            let due = shelf.held.iter().filter(|(_, held)| held.visible <= now).map(|(at, _)| *at);
            let due: Vec<u64> = due.take(max).collect();
            due.iter()
                .filter_map(|at| shelf.held.remove(at))
                .map(|held| (held.work, held.receives))
                .collect()
        };
        let (again, over): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, receives)| *receives < self.attempts);
        for (work, _) in over {
            self.give_up(&work);
        }
        self.offer(again.into_iter())
    }

    fn offer(&self, work: impl Iterator<Item = (Work, u32)>) -> Vec<Message> {
        let now = Instant::now();
        let mut shelf = self.shelf();
        work.map(|(work, receives)| {
            shelf.last += 1;
            let handle = shelf.last;
            let message = Message {
                id: work.id.clone(),
                body: work.body.clone(),
                receipt: Receipt::new(handle.to_string().into()),
                receive_count: receives + 1,
                sent: None,
                first_received: None,
                received_at: now,
            };
            let held = Held { work, receives: receives + 1, visible: now + LEASE };
            shelf.held.insert(handle, held);
            message
        })
        .collect()
    }

    fn change(&self, handle: &Handle, time: Duration) -> Entry {
        let at = handle.parse().unwrap_or_default();
        let over = {
            let mut shelf = self.shelf();
            let Some(held) = shelf.held.get_mut(&at) else { return Err(EntryError::Lost(gone())) };
            if time >= LEASE || held.receives < self.attempts {
                held.visible = Instant::now() + time;
                None
            } else {
                shelf.held.remove(&at)
            }
        };
        if let Some(over) = over {
            self.give_up(&over.work);
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn delete_one(&self, handle: &Handle) -> Entry {
        let at = handle.parse().unwrap_or_default();
        let work = self.shelf().held.get(&at).map(|held| held.work.clone());
        let Some(work) = work else { return Err(EntryError::Lost(gone())) };
        let noted = self.progress.done(&work).await;
        let removed = self.shelf().held.remove(&at).is_some();
        match noted {
            Ok(()) if removed => self.shelf().counts.done += 1,
            Ok(()) => {}
            Err(error) => {
                tracing::error!(place = work.place, code = error.code.as_str(), "{error}");
                self.give_up(&work);
            }
        }
        self.changed.notify_waiters();
        self.note_end();
        Ok(())
    }

    fn give_up(&self, work: &Work) {
        self.progress.kept(work);
        self.shelf().counts.kept += 1;
        self.note_end();
    }

    fn note_end(&self) {
        let shelf = self.shelf();
        if shelf.closed && shelf.held.is_empty() {
            self.finished.cancel();
        }
    }
}

fn gone() -> Error {
    Error::new(Code::LeaseLost, "this piece of work was offered again meanwhile")
}

impl Queue for JobQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async move { Ok(self.receive_some(max).await) })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            Ok(batch.iter().map(|(handle, time)| self.change(handle, *time)).collect())
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            let mut entries = Vec::with_capacity(batch.len());
            for handle in &batch {
                entries.push(self.delete_one(handle).await);
            }
            Ok(entries)
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests;
