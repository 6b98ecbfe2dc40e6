//! Polling: the one place where a test waits for another process.
//!
//! A child process and a server over HTTP cannot call back. A test names what it waits for and
//! checks for it until a deadline; it never sleeps for a fixed time instead.

use std::time::Duration;

use tokio::time::Instant;

/// Pause between two checks: short, because kills are aimed at what is observed.
const INTERVAL: Duration = Duration::from_millis(5);

/// Longer than anything takes on a busy machine, unless it is broken.
pub const TIMEOUT: Duration = Duration::from_secs(150);

/// Calls `check` until it returns a value.
///
/// # Panics
/// It has not within [`TIMEOUT`]; names `what`.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "timeout: waited {} s for {what}", TIMEOUT.as_secs());
        tokio::time::sleep(INTERVAL).await;
    }
}
