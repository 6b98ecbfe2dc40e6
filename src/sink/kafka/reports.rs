//! librdkafka's delivery reports, gathered by batch: one wait for a batch, however many records it has.
//!
//! The client's own futures are two allocations and a wake-up for each record, a tenth of what a record costs.
//! Here a record carries a number through librdkafka: that of its batch, and its place in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::Notify;

/// What became of one record.
pub(super) type Report = Result<(), RDKafkaErrorCode>;

/// The lowest bits of a record's number are its place.
const PLACE_BITS: u32 = 16;

/// Most records of a batch.
pub(super) const MOST: usize = 1 << PLACE_BITS;

/// The batches of a sink that wait for reports, by number.
#[derive(Default)]
pub(super) struct Reports {
    batches: Mutex<Batches>,
}

#[derive(Default)]
struct Batches {
    waiting: BTreeMap<usize, Slots>,
    opened: usize,
}

/// A place for each report of a batch.
struct Slots {
    reports: Vec<Option<Report>>,
    left: usize,
    /// Whoever waits, waits for the next report, not for the last one.
    any: bool,
    news: Arc<Notify>,
}

impl Reports {
    /// A batch of `count` records, of none of which anything is known. At most [`MOST`].
    pub(super) fn open(self: &Arc<Self>, count: usize) -> Batch {
        let news = Arc::new(Notify::new());
        let slots =
            Slots { reports: vec![None; count], left: count, any: false, news: news.clone() };
        let mut batches = self.lock();
        let number = batches.opened;
        batches.opened = (number + 1) % (usize::MAX >> PLACE_BITS);
        batches.waiting.insert(number, slots);
        Batch { number, reports: self.clone(), news }
    }

    /// Takes the report on a record, of which the first counts. If nobody waits for it any more it says nothing.
    pub(super) fn take(&self, record: usize, report: Report) {
        let mut batches = self.lock();
        let Some(slots) = batches.waiting.get_mut(&(record >> PLACE_BITS)) else { return };
        if let Some(slot) = slots.reports.get_mut(record % MOST).filter(|slot| slot.is_none()) {
            *slot = Some(report);
            slots.left -= 1;
            if slots.left == 0 || slots.any {
                slots.any = false;
                slots.news.notify_one();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One batch; forgotten when it is dropped.
pub(super) struct Batch {
    number: usize,
    reports: Arc<Reports>,
    news: Arc<Notify>,
}

impl Batch {
    /// The number that a record carries.
    pub(super) fn record(&self, place: usize) -> usize {
        self.number << PLACE_BITS | place
    }

    /// What became of a record that librdkafka did not take.
    pub(super) fn report(&self, place: usize, report: Report) {
        self.reports.take(self.record(place), report);
    }

    /// Waits until one more report has come in; `false`: of the `queued` records all have.
    pub(super) async fn another(&self, queued: usize) -> bool {
        let Some(before) = self.watch().filter(|before| *before < queued) else { return false };
        while self.watch().is_some_and(|known| known == before) {
            self.news.notified().await;
        }
        true
    }

    /// How many reports there are; the next one will be news.
    fn watch(&self) -> Option<usize> {
        let mut batches = self.reports.lock();
        let slots = batches.waiting.get_mut(&self.number)?;
        slots.any = true;
        Some(slots.reports.len() - slots.left)
    }

    /// Waits for all reports.
    pub(super) async fn all(self) -> Vec<Report> {
        loop {
            if let Some(reports) = self.whole() {
                return reports;
            }
            self.news.notified().await;
        }
    }

    /// The reports, if all of them are there. Else only the last one will be news.
    fn whole(&self) -> Option<Vec<Report>> {
        let mut batches = self.reports.lock();
        let slots = batches.waiting.get_mut(&self.number)?;
        slots.any = false;
        slots.reports.iter().copied().collect()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.reports.lock().waiting.remove(&self.number);
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

    /// Long on a clock that stands still while there is anything to do.
    const NEVER: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_known_when_its_last_report_is() {
        let reports = Arc::new(Reports::default());
        let (one, other) = (reports.open(3), reports.open(1));
        let [first, second, third] = [0, 1, 2].map(|place| one.record(place));
        let of_other = other.record(0);
        let mut all = pin!(timeout(NEVER, one.all()));
        assert!(all.as_mut().now_or_never().is_none());
        reports.take(third, Ok(()));
        reports.take(first, FAILED);
        // The first word counts.
        reports.take(first, Ok(()));
        reports.take(of_other, FAILED);
        assert!(all.as_mut().now_or_never().is_none());
        let last = async { reports.take(second, Ok(())) };
        assert_eq!(tokio::join!(all, last).0, Ok(vec![FAILED, Ok(()), Ok(())]));
        assert_eq!(other.all().now_or_never(), Some(vec![FAILED]));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_needs_room_waits_for_the_next_report_of_what_is_queued() {
        let reports = Arc::new(Reports::default());
        let batch = reports.open(3);
        assert!(!batch.another(0).await, "nothing is queued");
        let another = timeout(NEVER, batch.another(2));
        let next = async { reports.take(batch.record(1), Ok(())) };
        assert_eq!(tokio::join!(another, next).0, Ok(true));
        reports.take(batch.record(0), Ok(()));
        assert!(!batch.another(2).await, "both are known");
        let last = async { reports.take(batch.record(2), Ok(())) };
        assert!(tokio::join!(batch.another(3), last).0, "the last one");
        assert_eq!(batch.all().now_or_never(), Some(vec![Ok(()); 3]));
    }

    #[test]
    fn a_batch_that_is_given_up_leaves_nothing_behind() {
        let reports = Arc::new(Reports::default());
        let batch = reports.open(1);
        let record = batch.record(0);
        drop(batch);
        assert!(reports.lock().waiting.is_empty());
        let next = reports.open(1);
        reports.take(record, FAILED);
        assert_eq!(next.all().now_or_never(), None);
        assert_eq!(reports.open(0).all().now_or_never(), Some(Vec::new()));
    }
}
