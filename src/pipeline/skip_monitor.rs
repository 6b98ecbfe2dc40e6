//! What is said about objects that are not fetched: a queue from which *nothing* is fetched is
//! probably the wrong queue, or the filter the wrong filter; and an account whose digests come is alive.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For this long nothing but filtered objects, and it is said, again each time it has passed.
const WHILE: Duration = Duration::from_secs(10 * 60);

/// Fewer objects than this prove nothing, however long they took.
const ENOUGH: u64 = 100;

/// Accounts with a label of their own: whoever writes to the bucket chooses the keys.
const MOST_ACCOUNTS: usize = 1000;

/// One source's run of filtered objects.
#[derive(Debug, Default)]
pub(super) struct Filtering(Mutex<Option<Run>>);

#[derive(Debug, Clone, Copy)]
struct Run {
    since: Instant,
    objects: u64,
}

impl Filtering {
    /// An object passed: the filter does what it is for.
    pub(super) fn fetched(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// An object was filtered by its key.
    pub(super) fn filtered(&self, queue: &str, now: Instant) {
        if let Some(objects) = self.count(now) {
            tracing::warn!(
                queue,
                objects,
                code = "all_filtered",
                "for ten minutes every object was filtered by its key; look at `regions` and `keys` of \
                 this [[source]], and at what the bucket notifies about"
            );
        }
    }

    /// Counts one; the number of them, if it is time to speak.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = run.get_or_insert(Run { since: now, objects: 0 });
        run.objects += 1;
        let speak = now.saturating_duration_since(run.since) >= WHILE && run.objects >= ENOUGH;
        let objects = run.objects;
        if speak {
            *run = Run { since: now, objects: 0 };
        }
        speak.then_some(objects)
    }
}

/// The accounts that have a label of their own.
#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<BTreeSet<String>>);

impl Accounts {
    /// `account`, or `other` beyond the bound.
    pub(super) fn label(&self, account: String) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&account) {
            return account;
        }
        if known.len() >= MOST_ACCOUNTS {
            return "other".to_owned();
        }
        known.insert(account.clone());
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_of_filtered_objects_is_told_once_in_ten_minutes() {
        let (filtering, start) = (Filtering::default(), Instant::now());
        let told: Vec<u64> = (0..=1200)
            .filter_map(|second| filtering.count(start + Duration::from_secs(second)))
            .collect();
        assert_eq!(told, [601, 600]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetched_object_or_a_quiet_queue_is_no_reason_to_speak() {
        let (filtering, start) = (Filtering::default(), Instant::now());
        for second in 0..2000 {
            assert_eq!(filtering.count(start + Duration::from_secs(second)), None);
            if second % 300 == 0 {
                filtering.fetched();
            }
        }
        let quiet = Filtering::default();
        for minute in 0..99 {
            assert_eq!(quiet.count(start + Duration::from_secs(60 * minute)), None);
        }
    }

    #[test]
    fn labels_of_accounts_are_bounded() {
        let accounts = Accounts::default();
        for number in 0..MOST_ACCOUNTS {
            accounts.label(format!("{number:012}"));
        }
        assert_eq!(accounts.label("999999999999".to_owned()), "other");
        assert_eq!(accounts.label("000000000007".to_owned()), "000000000007");
    }
}
