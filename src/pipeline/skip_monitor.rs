//! What is logged about objects that are not fetched: a queue from which *nothing* is fetched is
//! probably the wrong queue, or the filter the wrong filter. And the accounts whose digest files
//! are counted.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::Code;

/// After this long with only filtered objects a warning is logged, and again after each such
/// window.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Fewer objects in a window are no reason to warn.
const MIN_OBJECTS: u64 = 100;

/// Accounts with a label of their own: whoever writes to the bucket chooses the keys.
const MAX_ACCOUNTS: usize = 1000;

crate::error::labels! {
    /// Why an object is not fetched.
    pub(super) enum SkipReason {
        /// A digest file.
        Digest = "digest",
        /// An Insights file.
        Insight = "insight",
        /// The key of a folder.
        Folder = "folder",
        /// The object has no bytes.
        Empty = "empty",
        /// Written by another service.
        OtherService = "other_service",
        /// Excluded by the source's `keys`.
        Key = "key",
        /// Not in the source's `regions`.
        Region = "region",
    }
}

impl SkipReason {
    /// Returns whether a filter excludes the object, or the whole queue may be the wrong one; no
    /// object of the other kinds has events.
    pub(super) fn is_filter(self) -> bool {
        matches!(self, Self::OtherService | Self::Key | Self::Region)
    }
}

/// One source's consecutive filtered objects.
#[derive(Debug, Default)]
pub(super) struct SkipMonitor(Mutex<Option<Run>>);

#[derive(Debug, Clone, Copy)]
struct Run {
    since: Instant,
    objects: u64,
}

impl SkipMonitor {
    /// Notes an object that is fetched: the filter does what it is for.
    pub(super) fn fetched(&self) {
        *self.0.lock() = None;
    }

    /// Notes an object that a filter excludes.
    pub(super) fn filtered(&self, now: Instant) {
        if let Some(objects) = self.count(now) {
            tracing::warn!(
                code = Code::AllFiltered.as_str(),
                objects,
                window_seconds = WINDOW.as_secs(),
                help =
                    "check `regions` and `keys` of this [[source]], and the bucket's notification",
                "all objects of the source are skipped by their key"
            );
        }
    }

    /// Counts one object; returns their number if a warning is due.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut run = self.0.lock();
        let run = run.get_or_insert(Run { since: now, objects: 0 });
        run.objects += 1;
        let due = now.saturating_duration_since(run.since) >= WINDOW && run.objects >= MIN_OBJECTS;
        let objects = run.objects;
        if due {
            *run = Run { since: now, objects: 0 };
        }
        due.then_some(objects)
    }
}

/// The accounts that have a label of their own.
#[derive(Debug, Default)]
pub(super) struct AccountLabels(Mutex<BTreeSet<String>>);

impl AccountLabels {
    /// Returns `account`, or `other` above the bound.
    pub(super) fn label(&self, account: String) -> String {
        let mut known = self.0.lock();
        if known.contains(&account) {
            return account;
        }
        if known.len() >= MAX_ACCOUNTS {
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
    async fn filtered_objects_are_logged_once_in_ten_minutes() {
        let (monitor, start) = (SkipMonitor::default(), Instant::now());
        let logged: Vec<u64> = (0..=1200)
            .filter_map(|second| monitor.count(start + Duration::from_secs(second)))
            .collect();
        assert_eq!(logged, [601, 600]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetched_object_or_an_idle_queue_is_not_logged() {
        let (monitor, start) = (SkipMonitor::default(), Instant::now());
        for second in 0..2000 {
            assert_eq!(monitor.count(start + Duration::from_secs(second)), None);
            if second % 300 == 0 {
                monitor.fetched();
            }
        }
        let idle = SkipMonitor::default();
        for minute in 0..99 {
            assert_eq!(idle.count(start + Duration::from_secs(60 * minute)), None);
        }
    }

    #[test]
    fn account_labels_are_bounded() {
        let accounts = AccountLabels::default();
        for number in 0..MAX_ACCOUNTS {
            accounts.label(format!("{number:012}"));
        }
        assert_eq!(accounts.label("999999999999".to_owned()), "other");
        assert_eq!(accounts.label("000000000007".to_owned()), "000000000007");
    }
}
