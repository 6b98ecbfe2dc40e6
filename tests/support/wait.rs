//! Waiting for something to be seen: the one place where a test polls.
//!
//! A child process and a server over HTTP cannot call us back. A test names what it waits for and
//! looks for it until a deadline, and never sleeps in the hope that something has happened meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// Between two looks: short, because kills are aimed at what is seen.
const BETWEEN: Duration = Duration::from_millis(5);

/// Nothing here takes this long on a busy machine: it is when something is broken.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Looks until `look` finds something.
///
/// # Panics
/// It has not in [`PATIENCE`]; names `what`.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: waited {} s for {what}", PATIENCE.as_secs());
        tokio::time::sleep(BETWEEN).await;
    }
}
