//! The delay after failures: exponential with full jitter, shared by all requests of a sink. A
//! delay per request would let every new request hit a destination that is down.

use std::time::Duration;

/// Upper bound of the delay after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// Largest upper bound: during an outage of hours the destination is tried twice a minute.
const MAX: Duration = Duration::from_secs(30);
/// Smallest delay, whatever the jitter.
const MIN: Duration = Duration::from_millis(50);

/// Counts consecutive failures.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and returns the delay before the next attempt; `jitter` is drawn from
    /// `0.0..=1.0`.
    pub(super) fn after_failure(&mut self, jitter: f64) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(10)).min(MAX);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(jitter.clamp(0.0, 1.0)).max(MIN)
    }

    /// Resets the count after a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_30_seconds_and_resets_after_success() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u128> = (0..8).map(|_| backoff.after_failure(1.0).as_millis()).collect();
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        backoff.reset();
        assert_eq!(backoff.after_failure(1.0), FIRST);
    }

    #[test]
    fn jitter_never_goes_below_the_minimum() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after_failure(0.0), MIN);
        assert_eq!(backoff.after_failure(0.5), FIRST);
    }
}
