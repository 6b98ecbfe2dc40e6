//! The time the stand-ins live in: milliseconds since the Unix epoch, driven by tokio's clock.
//!
//! One clock serves both uses: over HTTP it runs with real time, and in a simulation whose tokio
//! clock is paused it stands still until every task waits, so twelve hours pass in no time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// 2026-01-01T00:00:00Z, where simulated worlds begin so that two runs print the same times.
pub const SIMULATED_START: Millis = 1_767_225_600_000;

/// A point of departure, and tokio's clock from there on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Millis,
    start: Instant,
}

impl Clock {
    /// Starts at the machine's own time.
    pub fn real() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the year is after 1970");
        Self { epoch: to_millis(since), start: Instant::now() }
    }

    /// Starts at [`SIMULATED_START`], for runs that must replay exactly.
    pub fn simulated() -> Self {
        Self { epoch: SIMULATED_START, start: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        self.epoch + to_millis(self.start.elapsed())
    }

    /// The moment of tokio's clock at which [`Clock::now`] answers `at` (at once if that is past).
    pub fn instant_of(&self, at: Millis) -> Instant {
        self.start + Duration::from_millis(at.saturating_sub(self.epoch))
    }
}

/// Whole milliseconds of a duration; nothing here lives 500 million years.
pub fn to_millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
