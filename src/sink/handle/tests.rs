//! The hand-over, against a destination whose every answer is scripted.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::time::Instant;

use super::*;
use crate::error::{Code, Error};
use crate::sink::testing::{HOUR, Running, any_config, event};

/// Answers batch after batch as scripted (then `Delivered`), each when a permit is given.
#[derive(Default)]
struct Script {
    batches: Mutex<Vec<Vec<String>>>,
    answers: Mutex<VecDeque<Sent>>,
    gate: Option<Arc<Semaphore>>,
}

impl Transmit for Arc<Script> {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            let ids = events.iter().map(|event| event.id.clone()).collect();
            self.batches.lock().unwrap().push(ids);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let scripted = self.answers.lock().unwrap().pop_front();
            scripted.unwrap_or_else(|| Sent::new(vec![Outcome::Delivered; events.len()]))
        })
    }
}

const BOUNDS: Bounds = Bounds { batch: 4, parallel: 1, beside: 1, pending: 6 };

fn run(script: &Arc<Script>) -> Running {
    run_within(script, BOUNDS)
}

fn run_within(script: &Arc<Script>, bounds: Bounds) -> Running {
    let script = script.clone();
    Running::start(|metrics, stop| start(&any_config(), script, bounds, metrics, stop))
}

fn gated() -> (Arc<Script>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    (Arc::new(Script { gate: Some(gate.clone()), ..Script::default() }), gate)
}

fn batches(script: &Script) -> Vec<Vec<String>> {
    script.batches.lock().unwrap().clone()
}

fn retry(code: Code) -> Outcome {
    Outcome::Retry(Error::new(code, "scripted"))
}

fn refused() -> Outcome {
    Outcome::Rejected(Error::new(Code::SplunkDataFormat, "scripted"))
}

#[tokio::test(start_paused = true)]
async fn what_arrives_during_a_request_goes_out_with_the_next_one() {
    let (script, gate) = gated();
    let running = run(&script);
    let first = running.built.deliver(vec![event(0)]);
    let others = async {
        tokio::task::yield_now().await;
        let (a, b) = futures_util::future::join(
            running.built.deliver(vec![event(1), event(2)]),
            running.built.deliver(vec![event(3)]),
        )
        .await;
        (a.len(), b.len())
    };
    let release = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.add_permits(10);
    };
    let (first, others, ()) = futures_util::future::join3(first, others, release).await;
    assert_eq!((first.len(), others), (1, (2, 1)));
    assert_eq!(batches(&script), [vec!["event-0"], vec!["event-1", "event-2", "event-3"]]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn another_request_begins_beside_one_only_when_enough_waits_for_it() {
    let (script, gate) = gated();
    let running = run_within(&script, Bounds { batch: 4, parallel: 2, beside: 4, pending: 20 });
    let arrivals = async {
        let second = Duration::from_secs(1);
        let mut seen = Vec::new();
        for events in [0..1, 1..4, 4..6] {
            let call = running.built.deliver(events.map(event).collect());
            assert!(tokio::time::timeout(second, call).await.is_err(), "nothing is answered yet");
            seen.push(batches(&script).iter().map(Vec::len).collect::<Vec<_>>());
        }
        gate.add_permits(10);
        seen
    };
    assert_eq!(arrivals.await, [vec![1], vec![1], vec![1, 4]]);
    running.built.deliver(vec![event(6)]).await;
    let sent: Vec<String> = batches(&script).concat();
    assert_eq!(sent, (0..7).map(|n| format!("event-{n}")).collect::<Vec<_>>());
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_a_batch_and_than_the_room_is_answered_in_order() {
    let script = Arc::new(Script::default());
    *script.answers.lock().unwrap() =
        [Sent::new(vec![Outcome::Delivered, refused(), Outcome::Delivered, Outcome::Delivered])]
            .into();
    let running = run(&script);
    let outcomes = running.built.deliver((0..9).map(event).collect()).await;
    assert_eq!(outcomes.len(), 9);
    assert_eq!(outcomes[1], refused());
    assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Delivered).count(), 8);
    assert_eq!(batches(&script).iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_and_only_what_failed_is_sent_again() {
    let script = Arc::new(Script::default());
    *script.answers.lock().unwrap() = [
        Sent::new(vec![Outcome::Delivered, retry(Code::SplunkUnavailable), refused()]),
        Sent {
            outcomes: vec![retry(Code::SplunkToken)],
            late: Vec::new(),
            wait: Some(Duration::from_secs(90)),
            paused: true,
        },
    ]
    .into();
    let running = run(&script);
    let started = Instant::now();
    let watch = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        running.built.state()
    };
    let deliver = running.built.deliver((0..3).map(event).collect());
    let (outcomes, during) = futures_util::future::join(deliver, watch).await;
    assert_eq!(outcomes, [Outcome::Delivered, Outcome::Delivered, refused()]);
    assert!(matches!(during, SinkState::Paused(error) if error.code == Code::SplunkToken));
    assert_eq!(running.built.state(), SinkState::Up);
    assert_eq!(batches(&script)[1..], [vec!["event-1"], vec!["event-1"]]);
    assert!(started.elapsed() >= Duration::from_secs(90), "the destination's wait was kept");
    let metrics = running.metrics.encode();
    assert!(metrics.contains(r#"sink_errors_total{sink="any",reason="down"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"sink_pending_events{sink="any"} 0"#), "{metrics}");
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_caller_cancels_nothing_that_was_handed_over() {
    let (script, gate) = gated();
    let running = run(&script);
    let dropped =
        tokio::time::timeout(Duration::from_secs(1), running.built.deliver(vec![event(0)]));
    assert!(dropped.await.is_err());
    gate.add_permits(2);
    assert_eq!(running.built.deliver(vec![event(1)]).await, [Outcome::Delivered]);
    assert_eq!(batches(&script), [["event-0"], ["event-1"]]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_makes_its_callers_wait() {
    let (script, gate) = gated();
    let running = run(&script);
    let mut full = running.built.deliver((0..6).map(event).collect());
    let more = running.built.deliver(vec![event(6)]);
    let early =
        tokio::time::timeout(Duration::from_secs(1), futures_util::future::select(&mut full, more));
    assert!(early.await.is_err());
    assert!(running.metrics.encode().contains(r#"sink_pending_events{sink="any"} 6"#));
    gate.add_permits(9);
    assert_eq!(full.await.len(), 6);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn stop_finishes_what_was_handed_over_and_takes_no_more() {
    let (script, gate) = gated();
    let running = run(&script);
    let deliver = running.built.deliver((0..5).map(event).collect());
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.stop.by(Instant::now() + HOUR);
        tokio::task::yield_now().await;
        let late = running.built.deliver(vec![event(9)]).await;
        assert!(!running.has_ended());
        gate.add_permits(2);
        late
    };
    let (outcomes, late) = futures_util::future::join(deliver, stop).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(late, [stopped()]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn stop_during_an_outage_answers_retry_without_waiting_for_it_to_end() {
    let script = Arc::new(Script::default());
    let outage = || Sent {
        outcomes: vec![retry(Code::SplunkUnavailable); 4],
        late: Vec::new(),
        wait: Some(Duration::from_secs(900)),
        paused: false,
    };
    *script.answers.lock().unwrap() = [outage(), outage()].into();
    let running = run(&script);
    let began = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        running.stop.by(Instant::now() + HOUR);
    };
    let deliver = running.built.deliver((0..6).map(event).collect());
    let (outcomes, ()) = futures_util::future::join(deliver, stop).await;
    assert_eq!(outcomes, vec![stopped(); 6]);
    assert!(began.elapsed() < Duration::from_secs(6));
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_of_a_stop_what_is_known_is_told_and_the_rest_is_handed_back() {
    let script = Arc::new(Script::default());
    let never = Late { places: vec![1], outcome: Box::pin(std::future::pending()) };
    let sent = Sent { late: vec![never], ..Sent::new(vec![Outcome::Delivered; 3]) };
    *script.answers.lock().unwrap() = [sent].into();
    let running = run(&script);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.stop.by(Instant::now() + Duration::from_secs(20));
        tokio::time::sleep(Duration::from_secs(19)).await;
        assert!(!running.has_ended(), "there is a second left");
    };
    let deliver = running.built.deliver((0..3).map(event).collect());
    let ended = tokio::time::timeout(HOUR, futures_util::future::join(deliver, stop));
    let (outcomes, ()) = ended.await.expect("an answer");
    assert_eq!(outcomes, [Outcome::Delivered, stopped(), Outcome::Delivered]);
    let metrics = running.metrics.clone();
    running.finish().await;
    let metrics = metrics.encode();
    assert!(metrics.contains(r#"sink_pending_events{sink="any"} 0"#), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_gone_reads_as_retry() {
    let script = Arc::new(Script::default());
    let built = start(&any_config(), script, BOUNDS, &Arc::new(Metrics::new()), Stop::default());
    drop(built.driver);
    assert_eq!(built.sink.deliver(vec![event(0)]).await, [stopped()]);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_missing_is_never_taken_for_delivered() {
    let script = Arc::new(Script::default());
    *script.answers.lock().unwrap() = [Sent::new(vec![Outcome::Delivered])].into();
    let running = run(&script);
    let outcomes = running.built.deliver(vec![event(0), event(1)]).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 2]);
    assert_eq!(batches(&script)[1], ["event-1"]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_outcome_may_come_late_while_other_requests_go_on() {
    let script = Arc::new(Script::default());
    let after = |seconds, outcome: Outcome| -> BoxFuture<'static, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            outcome
        })
    };
    let late = Sent {
        outcomes: vec![refused()],
        late: vec![
            Late { places: vec![1, 3], outcome: after(60, Outcome::Delivered) },
            Late { places: vec![2], outcome: after(5, retry(Code::SplunkAckLost)) },
        ],
        wait: None,
        paused: false,
    };
    *script.answers.lock().unwrap() = [late].into();
    let running = run(&script);
    let began = Instant::now();
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.built.deliver(vec![event(8)]).await;
        began.elapsed()
    };
    let deliver = running.built.deliver((0..4).map(event).collect());
    let (outcomes, meanwhile) = futures_util::future::join(deliver, meanwhile).await;
    assert_eq!(outcomes[0], refused());
    assert_eq!(outcomes[1..], vec![Outcome::Delivered; 3]);
    assert!(meanwhile < Duration::from_secs(2) && began.elapsed() >= Duration::from_secs(60));
    assert_eq!(batches(&script)[1..], [["event-8"], ["event-2"]]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_fail_together_are_one_failure_to_wait_for() {
    const MANY: usize = 12;
    let script = Arc::new(Script::default());
    let lost =
        |at| Late { places: vec![at], outcome: Box::pin(async { retry(Code::SplunkAckLost) }) };
    let late = (0..MANY).map(lost).collect();
    let sent = Sent { late, ..Sent::new(vec![Outcome::Delivered; MANY]) };
    *script.answers.lock().unwrap() = [sent].into();
    let bounds = Bounds { batch: MANY, parallel: 1, pending: 12, beside: 1 };
    let own = script.clone();
    let running = Running::start(|metrics, stop| start(&any_config(), own, bounds, metrics, stop));
    let began = Instant::now();
    let outcomes = running.built.deliver((0..MANY).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; MANY]);
    // Half a minute at most after twelve failures in a row.
    assert!(began.elapsed() <= Duration::from_millis(501), "{:?}", began.elapsed());
    let metrics = running.metrics.encode();
    assert!(metrics.contains(r#"reason="lost"} 12"#), "{metrics}");
    assert_eq!(batches(&script).len(), 2);
    running.finish().await;
}
