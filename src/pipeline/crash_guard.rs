//! Messages that may have ended the process before this one.
//!
//! A queue counts a receive whether it ended with a release or with the end of the process. After a
//! start, a message that was received several times and not released by this process is processed
//! alone: if its object does end the process, no other message is received in vain with it, and
//! approaches its `maxReceiveCount`.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::queue::Message;

/// Receives from which a message is suspected.
const RECEIVES: u32 = 3;

/// Released messages that are known by their ids, at most.
const MAX_RELEASED: usize = 10_000;

/// Decides which messages are processed alone.
#[derive(Debug)]
pub(super) struct CrashGuard {
    until: Instant,
    released: Mutex<BTreeSet<String>>,
}

impl CrashGuard {
    /// Creates the guard at the start of the process. Whatever an earlier process left comes back
    /// within the visibility timeout; twice as long leaves time for a backlog.
    pub(super) fn new(visibility_timeout: Duration) -> Self {
        Self { until: Instant::now() + 2 * visibility_timeout, released: Mutex::default() }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Returns whether `message` may have ended an earlier process.
    pub(super) fn suspects(&self, message: &Message) -> bool {
        message.receive_count >= RECEIVES
            && !self.is_over()
            && !self.released.lock().contains(&message.id)
    }

    /// Notes that this process released the message.
    pub(super) fn released(&self, id: &str) {
        let mut released = self.released.lock();
        if self.is_over() {
            released.clear();
        } else if released.len() < MAX_RELEASED {
            released.insert(id.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Receipt;

    const VISIBILITY: Duration = Duration::from_secs(60);

    fn message(id: &str, receive_count: u32) -> Message {
        Message {
            id: id.to_owned(),
            body: String::new(),
            receipt: Receipt::new("receipt".into()),
            receive_count,
            sent: None,
            first_received: None,
            received_at: Instant::now(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_received_often_and_never_released_is_suspected_after_a_start() {
        let guard = CrashGuard::new(VISIBILITY);
        assert!(!guard.suspects(&message("a", 2)));
        assert!(guard.suspects(&message("a", 3)));
        guard.released("a");
        assert!(!guard.suspects(&message("a", 4)), "the release explains the receives");
        assert!(guard.suspects(&message("b", 4)));
        tokio::time::advance(2 * VISIBILITY).await;
        assert!(!guard.suspects(&message("b", 4)), "what the start found is done");
    }
}
