//! Where a simulated process can die: before and after every effect it has on the outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certrelay::error::Error;
use certrelay::queue::{Entry, Handle, Message, Queue};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::support::memory_queue::MemoryQueue;

/// Counts a process's effects, and stops it dead at one of them.
pub struct Steps {
    taken: AtomicU64,
    crash_at: u64,
    /// Cancelled when the process is dead: the world drops it then.
    pub crashed: CancellationToken,
}

impl Steps {
    /// A process that dies at its `crash_at`th step; `u64::MAX` never.
    pub fn new(crash_at: u64) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), crash_at, crashed: CancellationToken::new() })
    }

    /// One point where the process may die. A dead process never comes back from here.
    pub async fn step(&self) {
        if self.taken.fetch_add(1, Ordering::Relaxed) == self.crash_at {
            self.crashed.cancel();
        }
        if self.crashed.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }
}

/// Bodies by receipt handle, of every receive in the world.
pub type Bodies = Arc<Mutex<BTreeMap<String, String>>>;

/// What the world is told of each delete before it happens: the message's body.
pub type BeforeDelete = Arc<dyn Fn(&str) + Send + Sync>;

/// A process's view of the queue: every call can be its last.
pub struct SteppedQueue {
    pub inner: MemoryQueue,
    pub steps: Arc<Steps>,
    pub bodies: Bodies,
    /// Checks that nothing is settled early.
    pub before_delete: BeforeDelete,
}

impl Queue for SteppedQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async move {
            self.steps.step().await;
            let answer = self.inner.receive(max).await;
            for message in answer.iter().flatten() {
                let handle = message.receipt.handle().to_string();
                self.bodies.lock().unwrap().insert(handle, message.body.clone());
            }
            self.steps.step().await;
            answer
        })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            self.steps.step().await;
            let answer = self.inner.change_visibility(batch).await;
            self.steps.step().await;
            answer
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            self.steps.step().await;
            for handle in &batch {
                let body = self.bodies.lock().unwrap().get(&**handle).cloned();
                (self.before_delete)(&body.unwrap_or_default());
            }
            let answer = self.inner.delete(batch).await;
            self.steps.step().await;
            answer
        })
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
