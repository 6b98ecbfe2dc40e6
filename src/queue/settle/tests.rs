//! The settler on a paused clock, against a queue that does as it is told.

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;
use crate::error::Code;
use crate::queue::{Handle, MAX_BATCH, Message};

/// Answers each entry by its handle's script, all well once that is used up; remembers each call.
#[derive(Default)]
struct ScriptedQueue {
    script: Mutex<Vec<(&'static str, Answer)>>,
    calls: Mutex<Vec<Vec<String>>>,
    slow: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Busy,
    Gone,
    CallFails,
    Hangs,
}

impl ScriptedQueue {
    fn answering(script: &[(&'static str, Answer)]) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.to_vec()), ..Self::default() })
    }

    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().clone()
    }

    fn answer(&self, handles: Vec<Handle>, verb: &str) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        let seen = handles.iter().map(|handle| format!("{verb} {handle}")).collect();
        self.calls.lock().unwrap().push(seen);
        let mut script = self.script.lock().unwrap();
        let mut next = |handle: &Handle| {
            let at = script.iter().position(|(name, _)| **name == **handle)?;
            Some(script.remove(at).1)
        };
        let answers: Vec<Option<Answer>> = handles.iter().map(&mut next).collect();
        Box::pin(async move {
            tokio::time::sleep(self.slow).await;
            if answers.contains(&Some(Answer::Hangs)) {
                std::future::pending::<()>().await;
            }
            if answers.contains(&Some(Answer::CallFails)) {
                return Err(Error::new(Code::SqsError, "the call failed"));
            }
            Ok(answers.into_iter().map(entry).collect())
        })
    }
}

fn entry(answer: Option<Answer>) -> Entry {
    match answer {
        None => Ok(()),
        Some(Answer::Gone) => Err(EntryError::Lost(Error::new(Code::LeaseLost, "gone"))),
        Some(_) => Err(EntryError::Transient(Error::new(Code::SqsThrottled, "busy"))),
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
        self.answer(batch.into_iter().map(|(handle, _)| handle).collect(), "release")
    }
    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        self.answer(batch, "delete")
    }
    fn name(&self) -> &str {
        "scripted"
    }
}

struct World {
    settler: Acknowledger,
    stop: CancellationToken,
    driver: tokio::task::JoinSet<()>,
}

fn world(queue: &Arc<ScriptedQueue>) -> World {
    let stop = CancellationToken::new();
    let (settler, driver) = Acknowledger::new(Arc::clone(queue) as Arc<dyn Queue>, stop.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver);
    World { settler, stop, driver: tasks }
}

fn receipt(handle: &str) -> Receipt {
    Receipt::new(handle.into())
}

const RELEASE: Settlement = Settlement::Release { after: Duration::from_secs(10) };

#[tokio::test(start_paused = true)]
async fn settlements_go_in_tens_and_deletes_apart_from_releases() {
    let queue = ScriptedQueue::answering([].as_slice());
    let world = world(&queue);
    let handles: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    let deletes = handles.iter().map(|h| world.settler.settle(receipt(h), Settlement::Delete));
    let releases = ["r", "s"].into_iter().map(|h| world.settler.settle(receipt(h), RELEASE));
    let (deleted, released) = tokio::join!(join_all(deletes), join_all(releases));
    assert!(deleted.iter().chain(&released).all(Result::is_ok));
    let mut calls = queue.calls();
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
async fn a_lone_settlement_waits_for_company_but_not_long() {
    let queue = ScriptedQueue::answering([].as_slice());
    let world = world(&queue);
    let start = Instant::now();
    assert_eq!(world.settler.settle(receipt("a"), Settlement::Delete).await, Ok(()));
    assert_eq!(start.elapsed(), GATHER);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_does_not_wait_for_another_s_next_try() {
    let queue = ScriptedQueue::answering(&[("a", Answer::Busy)]);
    let world = world(&queue);
    let start = Instant::now();
    let later = async {
        tokio::time::sleep(5 * GATHER).await;
        let settled = world.settler.settle(receipt("b"), Settlement::Delete).await;
        (settled, start.elapsed())
    };
    let (a, b) = tokio::join!(world.settler.settle(receipt("a"), Settlement::Delete), later);
    assert_eq!((a, b), (Ok(()), (Ok(()), 6 * GATHER)));
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_call_is_under_way_goes_with_the_next() {
    let queue = Arc::new(ScriptedQueue { slow: Duration::from_secs(1), ..Default::default() });
    let world = world(&queue);
    let later = |handle: &'static str, millis| {
        let settler = world.settler.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            settler.settle(receipt(handle), Settlement::Delete).await
        }
    };
    let answers = tokio::join!(later("a", 0), later("b", 100), later("c", 800));
    assert_eq!(answers, (Ok(()), Ok(()), Ok(())));
    assert_eq!(queue.calls(), [vec!["delete a"], vec!["delete b", "delete c"]]);
}

#[tokio::test(start_paused = true)]
async fn only_the_entries_that_failed_are_tried_again() {
    let queue = ScriptedQueue::answering(&[("b", Answer::Busy), ("c", Answer::Gone)]);
    let world = world(&queue);
    let settle = |handle| world.settler.settle(receipt(handle), Settlement::Delete);
    let (a, b, c) = tokio::join!(settle("a"), settle("b"), settle("c"));
    assert_eq!((a, b), (Ok(()), Ok(())));
    assert_eq!(c.map_err(|error| error.code), Err(Code::LeaseLost));
    assert_eq!(queue.calls(), [vec!["delete a", "delete b", "delete c"], vec!["delete b"]]);
}

#[tokio::test(start_paused = true)]
async fn failed_and_hanging_calls_are_tried_again() {
    let queue = ScriptedQueue::answering(&[("a", Answer::CallFails), ("a", Answer::Hangs)]);
    let world = world(&queue);
    assert_eq!(world.settler.settle(receipt("a"), RELEASE).await, Ok(()));
    assert_eq!(queue.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded_in_number_and_in_time() {
    let queue = ScriptedQueue::answering(&[("a", Answer::Busy); 50]);
    let busy = world(&queue);
    let start = Instant::now();
    let answer = busy.settler.settle(receipt("a"), Settlement::Delete).await;
    assert_eq!(answer.map_err(|error| error.code), Err(Code::SqsThrottled));
    assert_eq!(queue.calls().len(), ATTEMPTS as usize);
    assert!(start.elapsed() < PATIENCE);

    let queue = ScriptedQueue::answering(&[("a", Answer::Hangs); 50]);
    let hanging = world(&queue);
    let start = Instant::now();
    let answer = hanging.settler.settle(receipt("a"), Settlement::Delete).await;
    assert_eq!(answer.map_err(|error| error.code), Err(Code::QueueTimeout));
    assert!(start.elapsed() <= PATIENCE + CALL_TIME, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_caller_does_not_take_the_settlement_back() {
    let queue = ScriptedQueue::answering(&[("a", Answer::Busy)]);
    let mut world = world(&queue);
    {
        let settling = world.settler.settle(receipt("a"), Settlement::Delete);
        assert!(settling.now_or_never().is_none());
    }
    world.stop.cancel();
    assert!(world.driver.join_next().await.is_some());
    assert_eq!(queue.calls(), [["delete a"], ["delete a"]]);
}

#[tokio::test(start_paused = true)]
async fn the_driver_drains_at_stop_and_refuses_what_comes_after() {
    let queue = Arc::new(ScriptedQueue { slow: Duration::from_secs(1), ..Default::default() });
    let mut world = world(&queue);
    world.stop.cancel();
    let handles: Vec<String> = (0..105).map(|n| n.to_string()).collect();
    let settling = handles.iter().map(|h| world.settler.settle(receipt(h), Settlement::Delete));
    let answers = join_all(settling).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(world.driver.join_next().await.is_some());
    let late = world.settler.settle(receipt("late"), Settlement::Delete).await;
    assert_eq!(late.map_err(|error| error.code), Err(Code::AcknowledgerStopped));
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_dropped_answers_whoever_waits() {
    let queue = ScriptedQueue::answering(&[("a", Answer::Hangs)]);
    let mut world = world(&queue);
    let settling = world.settler.settle(receipt("a"), Settlement::Delete);
    let abort = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.driver.abort_all();
    };
    let (answer, ()) = tokio::join!(settling, abort);
    assert_eq!(answer.map_err(|error| error.code), Err(Code::AcknowledgerStopped));
}
