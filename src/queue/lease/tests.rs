//! The keeper on a paused clock, against a queue that does as it is told.

use std::collections::VecDeque;

use super::*;
use crate::error::Code;
use crate::queue::{EntryError, MAX_BATCH, Message};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// When a call was made, and for which handles and seconds.
type Call = (Instant, Vec<(String, u64)>);

/// Answers renewals from a script, all well once that is used up; remembers each call.
#[derive(Default)]
struct ScriptedQueue {
    answers: Mutex<VecDeque<Result<Vec<Entry>, Error>>>,
    calls: Mutex<Vec<Call>>,
    silent: std::sync::atomic::AtomicBool,
    slow: Duration,
}

impl ScriptedQueue {
    fn answering(answers: impl IntoIterator<Item = Result<Vec<Entry>, Error>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn calls(&self) -> Vec<(Instant, Vec<(String, u64)>)> {
        self.calls.lock().unwrap().clone()
    }
}

impl Queue for ScriptedQueue {
    fn receive(&self, _max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        let seen = batch.iter().map(|(h, time)| (h.to_string(), time.as_secs())).collect();
        self.calls.lock().unwrap().push((Instant::now(), seen));
        let answer = self.answers.lock().unwrap().pop_front();
        let silent = self.silent.load(std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            if silent {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.slow).await;
            answer.unwrap_or_else(|| Ok(vec![Ok(()); batch.len()]))
        })
    }
    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move { Ok(vec![Ok(()); batch.len()]) })
    }
    fn name(&self) -> &str {
        "scripted"
    }
}

struct World {
    keeper: VisibilityExtender,
    stop: CancellationToken,
    driver: tokio::task::JoinSet<()>,
}

fn settings() -> VisibilitySettings {
    VisibilitySettings { visibility: MINUTE, renew_before: 20 * SECOND, cap: 12 * 60 * MINUTE }
}

fn world(queue: &Arc<ScriptedQueue>, settings: VisibilitySettings) -> World {
    let stop = CancellationToken::new();
    let (keeper, driver) =
        VisibilityExtender::new(Arc::clone(queue) as Arc<dyn Queue>, settings, stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver);
    World { keeper, stop, driver: tasks }
}

fn transient() -> EntryError {
    EntryError::Transient(Error::new(Code::SqsThrottled, "slow down"))
}

fn gone() -> EntryError {
    EntryError::Lost(Error::new(Code::LeaseLost, "ReceiptHandleIsInvalid"))
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_when_its_margin_is_reached_and_not_before() {
    let queue = ScriptedQueue::answering([]);
    let world = world(&queue, settings());
    let start = Instant::now();
    let lease = world.keeper.hold("a".into(), start);
    tokio::time::sleep(39 * SECOND).await;
    assert_eq!(queue.calls(), []);
    tokio::time::sleep(50 * SECOND).await;
    let renewal = || vec![("a".to_owned(), 60)];
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(queue.calls(), [(at(40), renewal()), (at(80), renewal())]);
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn leases_of_near_dates_are_renewed_by_tens() {
    let queue = ScriptedQueue::answering([]);
    let world = world(&queue, settings());
    let mut leases = Vec::new();
    for n in 0..25_u32 {
        leases.push(world.keeper.hold(format!("{n}").into(), Instant::now()));
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(40 * SECOND).await;
    let calls = queue.calls();
    let sizes: Vec<usize> = calls.iter().map(|(_, entries)| entries.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert!(sizes.iter().all(|size| *size <= MAX_BATCH));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_lease_stops_its_renewal_at_once() {
    let queue = ScriptedQueue::answering([]);
    let mut world = world(&queue, settings());
    let lease = world.keeper.hold("a".into(), Instant::now());
    tokio::time::sleep(39 * SECOND).await;
    drop(lease);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(queue.calls(), []);
    world.stop.cancel();
    assert!(world.driver.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn transient_failures_of_a_call_or_an_entry_do_not_lose_a_lease() {
    let queue = ScriptedQueue::answering([
        Err(Error::new(Code::SqsTimeout, "no answer")),
        Ok(vec![Err(transient())]),
        Ok(vec![]),
        Err(Error::new(Code::SqsAccessDenied, "403")),
    ]);
    let world = world(&queue, settings());
    let start = Instant::now();
    let lease = world.keeper.hold("a".into(), start);
    tokio::time::sleep(59 * SECOND).await;
    let seconds: Vec<u64> = queue.calls().iter().map(|(at, _)| (*at - start).as_secs()).collect();
    assert_eq!(seconds, [40, 44, 48, 52, 56]);
    tokio::time::sleep(30 * SECOND).await;
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_no_renewal_reached_in_time_is_lost() {
    let queue = ScriptedQueue::answering((0..100).map(|_| Err(Error::new(Code::SqsTimeout, "no"))));
    let mut world = world(&queue, settings());
    let start = Instant::now();
    let lease = world.keeper.hold("a".into(), start);
    lease.lost().await;
    assert_eq!(start.elapsed(), MINUTE);
    assert!(lease.is_lost());
    world.stop.cancel();
    assert!(world.driver.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_renewal_hangs_is_asked_for_again_and_in_the_end_lost() {
    let queue = ScriptedQueue::answering([]);
    queue.silent.store(true, std::sync::atomic::Ordering::Relaxed);
    let world = world(&queue, settings());
    let start = Instant::now();
    let lease = world.keeper.hold("a".into(), start);
    lease.lost().await;
    assert_eq!(start.elapsed(), MINUTE);
    assert_eq!(queue.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_entry_that_the_queue_calls_gone_is_lost() {
    let queue = ScriptedQueue::answering([Ok(vec![Ok(()), Err(gone()), Err(transient())])]);
    let world = world(&queue, settings());
    let start = Instant::now();
    let [a, b, c] = ["a", "b", "c"].map(|handle| world.keeper.hold(handle.into(), start));
    b.lost().await;
    assert_eq!(start.elapsed(), 40 * SECOND);
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!a.is_lost() && b.is_lost() && !c.is_lost());
    let asked_again = queue.calls().iter().skip(1).any(|(_, e)| e.iter().any(|(h, _)| h == "b"));
    assert!(!asked_again);
}

#[tokio::test(start_paused = true)]
async fn no_renewal_reaches_beyond_the_cap_and_then_the_lease_ends() {
    let queue = ScriptedQueue::answering([]);
    let cap = 5 * MINUTE;
    let world = world(&queue, VisibilitySettings { cap, ..settings() });
    let start = Instant::now();
    let lease = world.keeper.hold("a".into(), start);
    lease.lost().await;
    assert_eq!(start.elapsed(), cap - book::CAP_MARGIN);
    for (at, entries) in queue.calls() {
        assert!(at + Duration::from_secs(entries[0].1) <= start + cap, "{entries:?}");
    }
    let last = queue.calls().last().map(|(_, entries)| entries[0].1);
    assert_eq!(last, Some(55), "the last renewal takes what is left");
}

#[tokio::test(start_paused = true)]
async fn a_lease_held_late_is_renewed_at_once_and_nothing_underflows() {
    let queue = ScriptedQueue::answering([Ok(vec![Err(gone())])]);
    let world = world(&queue, settings());
    let long_ago = Instant::now();
    tokio::time::sleep(90 * SECOND).await;
    let lease = world.keeper.hold("a".into(), long_ago);
    assert!(!lease.is_lost(), "the queue has not been asked yet");
    lease.lost().await;
    assert_eq!(long_ago.elapsed(), 90 * SECOND);
    assert_eq!(queue.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_received_before_the_cap_and_held_after_it_asks_for_nothing() {
    let queue = ScriptedQueue::answering([]);
    let world = world(&queue, VisibilitySettings { cap: MINUTE, ..settings() });
    let long_ago = Instant::now();
    tokio::time::sleep(10 * MINUTE).await;
    let lease = world.keeper.hold("a".into(), long_ago);
    lease.lost().await;
    assert_eq!(queue.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_margin_longer_than_the_visibility_does_not_spin() {
    let queue = ScriptedQueue::answering([]);
    let settings =
        VisibilitySettings { visibility: 2 * SECOND, renew_before: 30 * SECOND, cap: MINUTE };
    let world = world(&queue, settings);
    let lease = world.keeper.hold("a".into(), Instant::now());
    tokio::time::sleep(20 * SECOND).await;
    assert!(!lease.is_lost());
    assert!(queue.calls().len() <= 21, "{}", queue.calls().len());
}

#[tokio::test(start_paused = true)]
async fn the_driver_outlives_stop_while_a_lease_is_held() {
    let queue = ScriptedQueue::answering([]);
    let mut world = world(&queue, settings());
    let lease = world.keeper.hold("a".into(), Instant::now());
    world.stop.cancel();
    tokio::time::sleep(5 * MINUTE).await;
    assert!(world.driver.try_join_next().is_none());
    assert!(!lease.is_lost());
    drop(lease);
    assert!(world.driver.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_when_the_renewal_under_way_is_answered_and_is_renewed_no_more() {
    let queue = Arc::new(ScriptedQueue { slow: SECOND / 2, ..ScriptedQueue::default() });
    let world = world(&queue, settings());
    let start = Instant::now();
    let lease = world.keeper.hold("a".into(), start);
    tokio::time::sleep(40 * SECOND + SECOND / 10).await;
    assert!(lease.end().await);
    assert_eq!(start.elapsed(), 40 * SECOND + SECOND / 2);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(queue.calls().len(), 1);
    assert!(lease.end().await, "it was not lost");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_hears_that_it_is_lost_and_of_no_answer_not_for_long() {
    let answers = Mutex::new(VecDeque::from([Ok(vec![Err(gone())])]));
    let queue = Arc::new(ScriptedQueue { slow: SECOND / 2, answers, ..ScriptedQueue::default() });
    let world = world(&queue, settings());
    let lease = world.keeper.hold("a".into(), Instant::now());
    tokio::time::sleep(40 * SECOND + SECOND / 10).await;
    assert!(!lease.is_lost() && !lease.end().await);

    queue.silent.store(true, std::sync::atomic::Ordering::Relaxed);
    let lease = world.keeper.hold("b".into(), Instant::now());
    tokio::time::sleep(40 * SECOND + SECOND / 10).await;
    let asked = Instant::now();
    assert!(lease.end().await);
    assert_eq!(asked.elapsed(), LAST_RENEWAL);
    let calls = queue.calls().len();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(queue.calls().len(), calls, "nothing is asked for behind the release");
}
