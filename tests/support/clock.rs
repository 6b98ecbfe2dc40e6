//! The clock of the stand-ins: milliseconds since the Unix epoch, driven by tokio's clock.
//!
//! Over HTTP it runs in real time; in a simulation with tokio's clock paused it advances only while
//! every task waits, so twelve hours take no time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// 2026-01-01T00:00:00Z, the start of simulations, so that two runs print the same times.
pub const SIMULATED_START: Millis = 1_767_225_600_000;

/// A start time, and tokio's clock from there on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Millis,
    start: Instant,
}

impl Clock {
    /// Starts at the system time.
    pub fn real() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the year is after 1970");
        Self { epoch: to_millis(since), start: Instant::now() }
    }

    /// Starts at [`SIMULATED_START`], for runs that must be reproducible.
    pub fn simulated() -> Self {
        Self { epoch: SIMULATED_START, start: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        self.epoch + to_millis(self.start.elapsed())
    }

    /// The instant of tokio's clock at which [`Clock::now`] returns `at` (the start if that is
    /// past).
    pub fn instant_of(&self, at: Millis) -> Instant {
        self.start + Duration::from_millis(at.saturating_sub(self.epoch))
    }
}

/// Whole milliseconds of a duration, at most 500 million years.
pub fn to_millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
