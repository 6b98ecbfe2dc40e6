//! Visibility extension on a paused clock, against a scripted queue.

use super::*;
use crate::error::Code;
use crate::queue::batcher::scripted::{Response, ScriptedQueue, busy, gone};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct Running {
    extender: VisibilityExtender,
    stop: CancellationToken,
    driver: tokio::task::JoinSet<()>,
}

fn settings() -> VisibilitySettings {
    VisibilitySettings {
        visibility_timeout: MINUTE,
        extend_before: 20 * SECOND,
        max_visibility: 12 * 60 * MINUTE,
    }
}

fn run(queue: &Arc<ScriptedQueue>, settings: VisibilitySettings) -> Running {
    let stop = CancellationToken::new();
    let (extender, driver) =
        VisibilityExtender::new(Arc::clone(queue) as Arc<dyn Queue>, settings, stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver);
    Running { extender, stop, driver: tasks }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_extended_at_its_margin_and_not_before() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let running = run(&queue, settings());
    let start = Instant::now();
    let lease = running.extender.lease("a".into(), start);
    tokio::time::sleep(39 * SECOND).await;
    assert_eq!(queue.calls(), []);
    tokio::time::sleep(50 * SECOND).await;
    let extension = || vec![("a".to_owned(), Some(60))];
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(queue.calls(), [(at(40), extension()), (at(80), extension())]);
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn leases_due_soon_are_extended_ten_per_call() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let running = run(&queue, settings());
    let mut leases = Vec::new();
    for n in 0..25_u32 {
        leases.push(running.extender.lease(format!("{n}").into(), Instant::now()));
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(40 * SECOND).await;
    let calls = queue.calls();
    let sizes: Vec<usize> = calls.iter().map(|(_, entries)| entries.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert!(sizes.iter().all(|size| *size <= MAX_BATCH));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_lease_stops_its_extension_at_once() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let mut running = run(&queue, settings());
    let lease = running.extender.lease("a".into(), Instant::now());
    tokio::time::sleep(39 * SECOND).await;
    drop(lease);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(queue.calls(), []);
    running.stop.cancel();
    assert!(running.driver.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn transient_failures_of_a_call_or_an_entry_do_not_lose_a_lease() {
    let queue = ScriptedQueue::new(
        [
            Response::Fails(Code::SqsTimeout),
            Response::Results(vec![busy()]),
            Response::Results(vec![]),
            Response::Fails(Code::SqsAccessDenied),
        ],
        Duration::ZERO,
    );
    let running = run(&queue, settings());
    let start = Instant::now();
    let lease = running.extender.lease("a".into(), start);
    tokio::time::sleep(59 * SECOND).await;
    let seconds: Vec<u64> = queue.calls().iter().map(|(at, _)| (*at - start).as_secs()).collect();
    assert_eq!(seconds, [40, 44, 48, 52, 56]);
    tokio::time::sleep(30 * SECOND).await;
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_lease_not_extended_in_time_is_lost() {
    let queue = ScriptedQueue::new(vec![Response::Fails(Code::SqsTimeout); 100], Duration::ZERO);
    let mut running = run(&queue, settings());
    let start = Instant::now();
    let lease = running.extender.lease("a".into(), start);
    lease.lost().await;
    assert_eq!(start.elapsed(), MINUTE);
    assert!(lease.is_lost());
    running.stop.cancel();
    assert!(running.driver.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_times_out_is_retried_until_the_lease_is_lost() {
    let queue = ScriptedQueue::new(vec![Response::Hangs; 10], Duration::ZERO);
    let running = run(&queue, settings());
    let start = Instant::now();
    let lease = running.extender.lease("a".into(), start);
    lease.lost().await;
    assert_eq!(start.elapsed(), MINUTE);
    assert_eq!(queue.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_entry_with_an_invalid_receipt_handle_is_lost() {
    let queue =
        ScriptedQueue::new([Response::Results(vec![Ok(()), gone(), busy()])], Duration::ZERO);
    let running = run(&queue, settings());
    let start = Instant::now();
    let [a, b, c] = ["a", "b", "c"].map(|handle| running.extender.lease(handle.into(), start));
    b.lost().await;
    assert_eq!(start.elapsed(), 40 * SECOND);
    tokio::time::sleep(10 * MINUTE).await;
    assert!(!a.is_lost() && b.is_lost() && !c.is_lost());
    let asked_again = queue.calls().iter().skip(1).any(|(_, e)| e.iter().any(|(h, _)| h == "b"));
    assert!(!asked_again);
}

#[tokio::test(start_paused = true)]
async fn no_extension_exceeds_the_cap_and_then_the_lease_is_lost() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let cap = 5 * MINUTE;
    let running = run(&queue, VisibilitySettings { max_visibility: cap, ..settings() });
    let start = Instant::now();
    let lease = running.extender.lease("a".into(), start);
    lease.lost().await;
    assert_eq!(start.elapsed(), cap - CAP_MARGIN);
    for (at, entries) in queue.calls() {
        assert!(at + Duration::from_secs(entries[0].1.unwrap()) <= start + cap, "{entries:?}");
    }
    let last = queue.calls().last().and_then(|(_, entries)| entries[0].1);
    assert_eq!(last, Some(55), "the last extension is for the time left");
}

#[tokio::test(start_paused = true)]
async fn a_lease_begun_late_is_extended_at_once_and_nothing_underflows() {
    let queue = ScriptedQueue::new([Response::Results(vec![gone()])], Duration::ZERO);
    let running = run(&queue, settings());
    let long_ago = Instant::now();
    tokio::time::sleep(90 * SECOND).await;
    let lease = running.extender.lease("a".into(), long_ago);
    assert!(!lease.is_lost(), "no extension was sent yet");
    lease.lost().await;
    assert_eq!(long_ago.elapsed(), 90 * SECOND);
    assert_eq!(queue.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_begun_after_the_cap_is_never_extended() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let running = run(&queue, VisibilitySettings { max_visibility: MINUTE, ..settings() });
    let long_ago = Instant::now();
    tokio::time::sleep(10 * MINUTE).await;
    let lease = running.extender.lease("a".into(), long_ago);
    lease.lost().await;
    assert_eq!(queue.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_margin_longer_than_the_visibility_timeout_does_not_spin() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let settings = VisibilitySettings {
        visibility_timeout: 2 * SECOND,
        extend_before: 30 * SECOND,
        max_visibility: MINUTE,
    };
    let running = run(&queue, settings);
    let lease = running.extender.lease("a".into(), Instant::now());
    tokio::time::sleep(20 * SECOND).await;
    assert!(!lease.is_lost());
    assert!(queue.calls().len() <= 21, "{}", queue.calls().len());
}

#[tokio::test(start_paused = true)]
async fn the_driver_runs_after_stop_until_the_last_lease_is_dropped() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let mut running = run(&queue, settings());
    let lease = running.extender.lease("a".into(), Instant::now());
    running.stop.cancel();
    tokio::time::sleep(5 * MINUTE).await;
    assert!(running.driver.try_join_next().is_none());
    assert!(!lease.is_lost());
    drop(lease);
    assert!(running.driver.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn ending_a_lease_waits_for_the_extension_in_flight_and_stops_it() {
    let queue = ScriptedQueue::new([], SECOND / 2);
    let running = run(&queue, settings());
    let start = Instant::now();
    let lease = running.extender.lease("a".into(), start);
    tokio::time::sleep(40 * SECOND + SECOND / 10).await;
    assert!(lease.end().await);
    assert_eq!(start.elapsed(), 40 * SECOND + SECOND / 2);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(queue.calls().len(), 1);
    assert!(lease.end().await, "it was not lost");
}

#[tokio::test(start_paused = true)]
async fn ending_a_lease_reports_a_loss_and_does_not_wait_long() {
    let hangs = std::iter::repeat_n(Response::Hangs, 10);
    let script = std::iter::once(Response::Results(vec![gone()])).chain(hangs);
    let queue = ScriptedQueue::new(script, SECOND / 2);
    let running = run(&queue, settings());
    let lease = running.extender.lease("a".into(), Instant::now());
    tokio::time::sleep(40 * SECOND + SECOND / 10).await;
    assert!(!lease.is_lost() && !lease.end().await);

    let lease = running.extender.lease("b".into(), Instant::now());
    tokio::time::sleep(40 * SECOND + SECOND / 10).await;
    let start = Instant::now();
    assert!(lease.end().await);
    assert_eq!(start.elapsed(), END_TIMEOUT);
    let calls = queue.calls().len();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(queue.calls().len(), calls, "nothing is sent after the release");
}
