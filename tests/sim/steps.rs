//! Where a simulated process can crash: before and after every external effect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certrelay::error::Error;
use certrelay::queue::{Entry, Handle, Message, Queue};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::support::memory_queue::MemoryQueue;

/// Counts a process's effects, and crashes it at one of them.
pub struct Steps {
    taken: AtomicU64,
    crash_at: u64,
    /// Cancelled when the process has crashed: the world drops it then.
    pub crashed: CancellationToken,
}

impl Steps {
    /// Creates the steps of a process that crashes at its `crash_at`th step; `u64::MAX` never.
    pub fn new(crash_at: u64) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), crash_at, crashed: CancellationToken::new() })
    }

    /// One point at which the process may crash. A crashed process never continues.
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

/// Called with the message's body before each delete.
pub type BeforeDelete = Arc<dyn Fn(&str) + Send + Sync>;

/// A process's view of the queue: the process may crash at every call.
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
            let result = self.inner.receive(max).await;
            for message in result.iter().flatten() {
                let handle = message.receipt.handle().to_string();
                self.bodies.lock().unwrap().insert(handle, message.body.clone());
            }
            self.steps.step().await;
            result
        })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            self.steps.step().await;
            let result = self.inner.change_visibility(batch).await;
            self.steps.step().await;
            result
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            self.steps.step().await;
            for handle in &batch {
                let body = self.bodies.lock().unwrap().get(&**handle).cloned();
                (self.before_delete)(&body.unwrap_or_default());
            }
            let result = self.inner.delete(batch).await;
            self.steps.step().await;
            result
        })
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
