//! librdkafka's delivery reports, collected by batch: one wait for a batch, however many records it
//! has.
//!
//! The client's own futures cost two allocations and a wake-up for each record, a tenth of the cost
//! of a record. Here each record carries an opaque number through librdkafka: that of its batch and
//! its index in the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::Notify;

/// The delivery report of one record.
pub(super) type Report = Result<(), RDKafkaErrorCode>;

/// The lowest bits of a record's number are its index.
const INDEX_BITS: u32 = 16;

/// Maximum records of a batch.
pub(super) const MAX_RECORDS: usize = 1 << INDEX_BITS;

/// The batches of a producer that wait for reports, by number.
#[derive(Default)]
pub(super) struct Reports {
    batches: Mutex<Batches>,
}

#[derive(Default)]
struct Batches {
    waiting: BTreeMap<usize, BatchState>,
    opened: usize,
}

/// The reports of a batch.
struct BatchState {
    reports: Vec<Option<Report>>,
    left: usize,
    /// Notify for the next report, not only for the last one.
    notify_next: bool,
    notify: Arc<Notify>,
}

impl Reports {
    /// Opens a batch of `count` records: at most [`MAX_RECORDS`].
    pub(super) fn open(self: &Arc<Self>, count: usize) -> Batch {
        let notify = Arc::new(Notify::new());
        let reports = vec![None; count];
        let state = BatchState { reports, left: count, notify_next: false, notify: notify.clone() };
        let mut batches = self.batches.lock();
        let number = batches.opened;
        batches.opened = (number + 1) % (usize::MAX >> INDEX_BITS);
        batches.waiting.insert(number, state);
        Batch { number, reports: self.clone(), notify }
    }

    /// Adds the report of a record; the first one counts. Ignored if the batch was dropped.
    pub(super) fn add(&self, record: usize, report: Report) {
        let mut batches = self.batches.lock();
        let Some(state) = batches.waiting.get_mut(&(record >> INDEX_BITS)) else { return };
        let known = state.reports.get_mut(record % MAX_RECORDS);
        if let Some(known) = known.filter(|known| known.is_none()) {
            *known = Some(report);
            state.left -= 1;
            if state.left == 0 || state.notify_next {
                state.notify_next = false;
                state.notify.notify_one();
            }
        }
    }
}

/// One batch; removed when it is dropped.
pub(super) struct Batch {
    number: usize,
    reports: Arc<Reports>,
    notify: Arc<Notify>,
}

impl Batch {
    /// Returns the number that a record carries.
    pub(super) fn opaque(&self, index: usize) -> usize {
        self.number << INDEX_BITS | index
    }

    /// Adds the report of a record that librdkafka did not accept.
    pub(super) fn report(&self, index: usize, report: Report) {
        self.reports.add(self.opaque(index), report);
    }

    /// Waits for one more report; `false`: all `queued` records have theirs.
    pub(super) async fn another(&self, queued: usize) -> bool {
        let Some(before) = self.known_reports().filter(|before| *before < queued) else {
            return false;
        };
        while self.known_reports().is_some_and(|known| known == before) {
            self.notify.notified().await;
        }
        true
    }

    /// Returns how many reports there are, and requests a notification for the next one.
    fn known_reports(&self) -> Option<usize> {
        let mut batches = self.reports.batches.lock();
        let state = batches.waiting.get_mut(&self.number)?;
        state.notify_next = true;
        Some(state.reports.len() - state.left)
    }

    /// Waits for all reports.
    pub(super) async fn all(self) -> Vec<Report> {
        loop {
            if let Some(reports) = self.complete() {
                return reports;
            }
            self.notify.notified().await;
        }
    }

    /// Returns the reports if all are there, else requests a notification for the last one.
    fn complete(&self) -> Option<Vec<Report>> {
        let mut batches = self.reports.batches.lock();
        let state = batches.waiting.get_mut(&self.number)?;
        state.notify_next = false;
        state.reports.iter().copied().collect()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.reports.batches.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::time::timeout;

    use super::*;

    const FAILED: Report = Err(RDKafkaErrorCode::MessageTimedOut);

    /// Long on a paused clock.
    const NEVER: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_batch_completes_with_its_last_report() {
        let reports = Arc::new(Reports::default());
        let (one, other) = (reports.open(3), reports.open(1));
        let [first, second, third] = [0, 1, 2].map(|index| one.opaque(index));
        let of_other = other.opaque(0);
        let mut all = pin!(timeout(NEVER, one.all()));
        assert!(all.as_mut().now_or_never().is_none());
        reports.add(third, Ok(()));
        reports.add(first, FAILED);
        // The first report counts.
        reports.add(first, Ok(()));
        reports.add(of_other, FAILED);
        assert!(all.as_mut().now_or_never().is_none());
        let last = async { reports.add(second, Ok(())) };
        assert_eq!(tokio::join!(all, last).0, Ok(vec![FAILED, Ok(()), Ok(())]));
        assert_eq!(other.all().now_or_never(), Some(vec![FAILED]));
    }

    #[tokio::test(start_paused = true)]
    async fn another_waits_for_the_next_report_of_queued_records() {
        let reports = Arc::new(Reports::default());
        let batch = reports.open(3);
        assert!(!batch.another(0).await, "nothing is queued");
        let another = timeout(NEVER, batch.another(2));
        let next = async { reports.add(batch.opaque(1), Ok(())) };
        assert_eq!(tokio::join!(another, next).0, Ok(true));
        reports.add(batch.opaque(0), Ok(()));
        assert!(!batch.another(2).await, "both are known");
        let last = async { reports.add(batch.opaque(2), Ok(())) };
        assert!(tokio::join!(batch.another(3), last).0, "the last one");
        assert_eq!(batch.all().now_or_never(), Some(vec![Ok(()); 3]));
    }

    #[test]
    fn a_dropped_batch_leaves_nothing_behind() {
        let reports = Arc::new(Reports::default());
        let batch = reports.open(1);
        let record = batch.opaque(0);
        drop(batch);
        assert!(reports.batches.lock().waiting.is_empty());
        let next = reports.open(1);
        reports.add(record, FAILED);
        assert_eq!(next.all().now_or_never(), None);
        assert_eq!(reports.open(0).all().now_or_never(), Some(Vec::new()));
    }
}
