//! How long a sink waits after a failure: exponential with full jitter, one for all requests of a
//! sink. A wait per request would let every fresh request hammer a destination that is down.

use std::time::Duration;

/// Ceiling of the wait after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// Longest ceiling: an outage of hours is looked at twice a minute.
const LONGEST: Duration = Duration::from_secs(30);
/// Shortest wait, whatever the jitter says.
const SHORTEST: Duration = Duration::from_millis(50);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and says how long to wait; `jitter` is drawn from `0.0..=1.0`.
    pub(super) fn after_failure(&mut self, jitter: f64) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(jitter.clamp(0.0, 1.0)).max(SHORTEST)
    }

    /// A request went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_half_a_minute_and_starts_again_after_success() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u128> = (0..8).map(|_| backoff.after_failure(1.0).as_millis()).collect();
        assert_eq!(ceilings, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        backoff.reset();
        assert_eq!(backoff.after_failure(1.0), FIRST);
    }

    #[test]
    fn jitter_reaches_down_to_a_floor_that_does_not_hammer() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after_failure(0.0), SHORTEST);
        assert_eq!(backoff.after_failure(0.5), FIRST);
    }
}
