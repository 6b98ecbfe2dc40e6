//! How the sinks are told to end, and by when. A deadline comes with the word: a destination that does not answer would
//! hold the process until it is killed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The pipeline keeps one; every sink is built with a clone of it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    said: CancellationToken,
    deadline: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// Ends the sinks: what they have in hand may be finished until `deadline`, and is handed back then. Only the first
    /// deadline counts.
    pub fn by(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
        self.said.cancel();
    }

    /// Waits for [`by`](Self::by) to be called.
    pub async fn said(&self) {
        self.said.cancelled().await;
    }

    /// Waits for the deadline; for ever if nobody ends the sinks.
    pub async fn over(&self) {
        self.said().await;
        match self.deadline.get() {
            Some(deadline) => tokio::time::sleep_until(*deadline).await,
            None => std::future::pending().await,
        }
    }

    /// What is left until the deadline; nothing before there is one.
    pub(super) fn left(&self) -> Duration {
        let left = |deadline: &Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline.get().map(left).unwrap_or_default()
    }
}
