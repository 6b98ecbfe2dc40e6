//! Limits how often the same failure is logged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use tokio::time::Instant;

/// Time until a lasting failure is logged again: the alarm on `ERROR` lines stays on for an hour
/// after each.
pub(crate) const REMINDER_INTERVAL: Duration = Duration::from_secs(55 * 60);

/// Allows one log line per key and interval, and counts the lines that it suppresses.
///
/// Keys must be of low cardinality, such as error codes: they are never forgotten.
#[derive(Debug)]
pub(crate) struct LogThrottle<K> {
    interval: Duration,
    /// When a line of the key was last logged, and how many were suppressed since.
    logged: BTreeMap<K, (Instant, u64)>,
}

impl<K: Ord> LogThrottle<K> {
    /// Creates a throttle that has logged nothing yet.
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, logged: BTreeMap::new() }
    }

    /// Returns how many lines of `key` were suppressed since its last one if a line is due now,
    /// else `None`, and counts this line as suppressed.
    pub(crate) fn due(&mut self, key: K) -> Option<u64> {
        let now = Instant::now();
        match self.logged.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert((now, 0));
                Some(0)
            }
            Entry::Occupied(mut entry) => {
                let (at, suppressed) = entry.get_mut();
                if now.saturating_duration_since(*at) < self.interval {
                    *suppressed += 1;
                    return None;
                }
                *at = now;
                Some(std::mem::take(suppressed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_key_is_logged_once_per_interval_with_the_number_suppressed() {
        let mut throttle = LogThrottle::new(Duration::from_secs(10));
        let mut logged = Vec::new();
        for second in 0..=20 {
            logged.extend(throttle.due("a").map(|suppressed| (second, suppressed)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(logged, [(0, 0), (10, 9), (20, 9)]);
        assert_eq!(throttle.due("b"), Some(0));
    }
}
