//! Acknowledgement on a paused clock, against a scripted queue.

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;
use crate::queue::batcher::CALL_TIMEOUT;
use crate::queue::batcher::scripted::{Response, ScriptedQueue, busy, gone};

/// The calls made: a word for each entry.
fn calls(queue: &ScriptedQueue) -> Vec<Vec<String>> {
    let text = |(handle, release): (String, Option<u64>)| match release {
        None => format!("delete {handle}"),
        Some(_) => format!("release {handle}"),
    };
    queue.calls().into_iter().map(|(_, call)| call.into_iter().map(text).collect()).collect()
}

struct Running {
    acknowledger: Acknowledger,
    stop: CancellationToken,
    driver: tokio::task::JoinSet<()>,
}

fn run(queue: &Arc<ScriptedQueue>) -> Running {
    let stop = CancellationToken::new();
    let (acknowledger, driver) =
        Acknowledger::new(Arc::clone(queue) as Arc<dyn Queue>, stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver);
    Running { acknowledger, stop, driver: tasks }
}

fn receipt(handle: &str) -> Receipt {
    Receipt::new(handle.into())
}

const RELEASE: Settlement = Settlement::Release { after: Duration::from_secs(10) };

#[tokio::test(start_paused = true)]
async fn calls_have_at_most_ten_entries_of_one_kind() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let running = run(&queue);
    let handles: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    let deletes =
        handles.iter().map(|h| running.acknowledger.settle(receipt(h), Settlement::Delete));
    let releases = ["r", "s"].into_iter().map(|h| running.acknowledger.settle(receipt(h), RELEASE));
    let (deleted, released) = tokio::join!(join_all(deletes), join_all(releases));
    assert!(deleted.iter().chain(&released).all(Result::is_ok));
    let mut calls = calls(&queue);
    assert!(calls.iter().all(|call| call.len() <= MAX_BATCH));
    assert_eq!(calls.len(), 4);
    calls.sort_by_key(Vec::len);
    assert_eq!(calls[0], ["release r", "release s"]);
    let mut all: Vec<String> = calls.into_iter().skip(1).flatten().collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 25, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_single_entry_waits_briefly_for_others() {
    let queue = ScriptedQueue::new([], Duration::ZERO);
    let running = run(&queue);
    let start = Instant::now();
    assert_eq!(running.acknowledger.settle(receipt("a"), Settlement::Delete).await, Ok(()));
    assert_eq!(start.elapsed(), GATHER);
}

#[tokio::test(start_paused = true)]
async fn an_entry_does_not_wait_for_the_retry_of_another() {
    let queue = ScriptedQueue::new([Response::Results(vec![busy()])], Duration::ZERO);
    let running = run(&queue);
    let start = Instant::now();
    let later = async {
        tokio::time::sleep(5 * GATHER).await;
        let settled = running.acknowledger.settle(receipt("b"), Settlement::Delete).await;
        (settled, start.elapsed())
    };
    let (a, b) = tokio::join!(running.acknowledger.settle(receipt("a"), Settlement::Delete), later);
    assert_eq!((a, b), (Ok(()), (Ok(()), 6 * GATHER)));
}

#[tokio::test(start_paused = true)]
async fn entries_added_while_a_call_is_in_flight_join_the_next_call() {
    let queue = ScriptedQueue::new([], Duration::from_secs(1));
    let running = run(&queue);
    let later = |handle: &'static str, millis| {
        let acknowledger = running.acknowledger.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            acknowledger.settle(receipt(handle), Settlement::Delete).await
        }
    };
    let results = tokio::join!(later("a", 0), later("b", 100), later("c", 800));
    assert_eq!(results, (Ok(()), Ok(()), Ok(())));
    assert_eq!(calls(&queue), [vec!["delete a"], vec!["delete b", "delete c"]]);
}

#[tokio::test(start_paused = true)]
async fn only_failed_entries_are_retried() {
    let queue =
        ScriptedQueue::new([Response::Results(vec![Ok(()), busy(), gone()])], Duration::ZERO);
    let running = run(&queue);
    let settle = |handle| running.acknowledger.settle(receipt(handle), Settlement::Delete);
    let (a, b, c) = tokio::join!(settle("a"), settle("b"), settle("c"));
    assert_eq!((a, b), (Ok(()), Ok(())));
    assert_eq!(c.map_err(|error| error.code), Err(Code::LeaseLost));
    assert_eq!(calls(&queue), [vec!["delete a", "delete b", "delete c"], vec!["delete b"]]);
}

#[tokio::test(start_paused = true)]
async fn failed_calls_and_timeouts_are_retried() {
    let queue =
        ScriptedQueue::new([Response::Fails(Code::SqsError), Response::Hangs], Duration::ZERO);
    let running = run(&queue);
    assert_eq!(running.acknowledger.settle(receipt("a"), RELEASE).await, Ok(()));
    assert_eq!(calls(&queue).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_in_number_and_in_time() {
    let queue = ScriptedQueue::new(vec![Response::Results(vec![busy()]); 50], Duration::ZERO);
    let busy = run(&queue);
    let start = Instant::now();
    let result = busy.acknowledger.settle(receipt("a"), Settlement::Delete).await;
    assert_eq!(result.map_err(|error| error.code), Err(Code::SqsThrottled));
    assert_eq!(calls(&queue).len(), ATTEMPTS as usize);
    assert!(start.elapsed() < RETRY_LIMIT);

    let queue = ScriptedQueue::new(vec![Response::Hangs; 50], Duration::ZERO);
    let hanging = run(&queue);
    let start = Instant::now();
    let result = hanging.acknowledger.settle(receipt("a"), Settlement::Delete).await;
    assert_eq!(result.map_err(|error| error.code), Err(Code::QueueTimeout));
    assert!(start.elapsed() <= RETRY_LIMIT + CALL_TIMEOUT, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_caller_does_not_cancel_its_entry() {
    let queue = ScriptedQueue::new([Response::Results(vec![busy()])], Duration::ZERO);
    let mut running = run(&queue);
    {
        let settling = running.acknowledger.settle(receipt("a"), Settlement::Delete);
        assert!(settling.now_or_never().is_none());
    }
    running.stop.cancel();
    assert!(running.driver.join_next().await.is_some());
    assert_eq!(calls(&queue), [["delete a"], ["delete a"]]);
}

#[tokio::test(start_paused = true)]
async fn after_stop_the_driver_completes_everything_and_accepts_nothing_more() {
    let queue = ScriptedQueue::new([], Duration::from_secs(1));
    let mut running = run(&queue);
    running.stop.cancel();
    let handles: Vec<String> = (0..105).map(|n| n.to_string()).collect();
    let settling =
        handles.iter().map(|h| running.acknowledger.settle(receipt(h), Settlement::Delete));
    let results = join_all(settling).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(running.driver.join_next().await.is_some());
    let late = running.acknowledger.settle(receipt("late"), Settlement::Delete).await;
    assert_eq!(late.map_err(|error| error.code), Err(Code::AcknowledgerStopped));
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_dropped_driver_get_an_error() {
    let queue = ScriptedQueue::new([Response::Hangs], Duration::ZERO);
    let mut running = run(&queue);
    let settling = running.acknowledger.settle(receipt("a"), Settlement::Delete);
    let abort = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.driver.abort_all();
    };
    let (result, ()) = tokio::join!(settling, abort);
    assert_eq!(result.map_err(|error| error.code), Err(Code::AcknowledgerStopped));
}
