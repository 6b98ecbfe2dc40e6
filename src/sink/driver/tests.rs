//! The driver against a transport whose results are scripted.

use super::*;
use crate::sink::testing::{HOUR, Running, any_config, event};

/// Returns scripted results batch by batch (then `Delivered`), each when a permit is added.
#[derive(Default)]
struct Script {
    batches: Mutex<Vec<Vec<String>>>,
    results: Mutex<VecDeque<Sent>>,
    permits: Option<Arc<Semaphore>>,
}

impl Transport for Arc<Script> {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            let ids = events.iter().map(|event| event.id.clone()).collect();
            self.batches.lock().push(ids);
            if let Some(permits) = &self.permits {
                permits.acquire().await.unwrap().forget();
            }
            let scripted = self.results.lock().pop_front();
            scripted.unwrap_or_else(|| Sent::new(vec![Outcome::Delivered; events.len()]))
        })
    }
}

const LIMITS: BatchLimits = BatchLimits { batch: 4, requests: 1, min_batch: 1, pending: 6 };

fn run(script: &Arc<Script>) -> Running {
    run_with(script, LIMITS)
}

fn run_with(script: &Arc<Script>, limits: BatchLimits) -> Running {
    let script = script.clone();
    Running::start(&any_config(), |context| start(context, script, limits))
}

fn blocked() -> (Arc<Script>, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    (Arc::new(Script { permits: Some(permits.clone()), ..Script::default() }), permits)
}

fn batches(script: &Script) -> Vec<Vec<String>> {
    script.batches.lock().clone()
}

fn retry(code: Code) -> Outcome {
    Outcome::Retry(Error::new(code, "scripted"))
}

fn rejected() -> Outcome {
    Outcome::Rejected(Error::new(Code::SplunkDataFormat, "scripted"))
}

#[tokio::test(start_paused = true)]
async fn events_queued_during_a_request_go_out_with_the_next_one() {
    let (script, permits) = blocked();
    let running = run(&script);
    let first = running.sink.deliver(vec![event(0)]);
    let others = async {
        tokio::task::yield_now().await;
        let (a, b) = futures_util::future::join(
            running.sink.deliver(vec![event(1), event(2)]),
            running.sink.deliver(vec![event(3)]),
        )
        .await;
        (a.len(), b.len())
    };
    let release = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        permits.add_permits(10);
    };
    let (first, others, ()) = futures_util::future::join3(first, others, release).await;
    assert_eq!((first.len(), others), (1, (2, 1)));
    assert_eq!(batches(&script), [vec!["event-0"], vec!["event-1", "event-2", "event-3"]]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_request_starts_only_with_a_full_batch() {
    let (script, permits) = blocked();
    let running =
        run_with(&script, BatchLimits { batch: 4, requests: 2, min_batch: 4, pending: 20 });
    let arrivals = async {
        let second = Duration::from_secs(1);
        let mut seen = Vec::new();
        for events in [0..1, 1..4, 4..6] {
            let call = running.sink.deliver(events.map(event).collect());
            assert!(tokio::time::timeout(second, call).await.is_err(), "no outcome yet");
            seen.push(batches(&script).iter().map(Vec::len).collect::<Vec<_>>());
        }
        permits.add_permits(10);
        seen
    };
    assert_eq!(arrivals.await, [vec![1], vec![1], vec![1, 4]]);
    running.deliver(vec![event(6)]).await;
    let sent: Vec<String> = batches(&script).concat();
    assert_eq!(sent, (0..7).map(|n| format!("event-{n}")).collect::<Vec<_>>());
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_every_limit_returns_its_outcomes_in_order() {
    let script = Arc::new(Script::default());
    *script.results.lock() =
        [Sent::new(vec![Outcome::Delivered, rejected(), Outcome::Delivered, Outcome::Delivered])]
            .into();
    let running = run(&script);
    let outcomes = running.deliver((0..9).map(event).collect()).await;
    assert_eq!(outcomes.len(), 9);
    assert_eq!(outcomes[1], rejected());
    assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Delivered).count(), 8);
    assert_eq!(batches(&script).iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn only_failed_events_are_retried() {
    let script = Arc::new(Script::default());
    *script.results.lock() = [
        Sent::new(vec![Outcome::Delivered, retry(Code::SplunkUnavailable), rejected()]),
        Sent {
            retry_after: Some(Duration::from_secs(90)),
            ..Sent::new(vec![retry(Code::SplunkToken)])
        },
    ]
    .into();
    let running = run(&script);
    let started = Instant::now();
    let watch = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        running.sink.state()
    };
    let (outcomes, during) = running.deliver_while((0..3).map(event).collect(), watch).await;
    assert_eq!(outcomes, [Outcome::Delivered, Outcome::Delivered, rejected()]);
    assert!(matches!(during, SinkState::Paused(error) if error.code == Code::SplunkToken));
    assert_eq!(running.sink.state(), SinkState::Up);
    assert_eq!(batches(&script)[1..], [vec!["event-1"], vec!["event-1"]]);
    assert!(started.elapsed() >= Duration::from_secs(90), "the destination's delay was respected");
    let metrics = running.metrics.encode();
    assert!(
        metrics.contains(r#"sink_errors_total{sink="any",reason="splunk_unavailable"} 1"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"sink_pending_events{sink="any"} 0"#), "{metrics}");
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_caller_cancels_no_queued_event() {
    let (script, permits) = blocked();
    let running = run(&script);
    let dropped =
        tokio::time::timeout(Duration::from_secs(1), running.sink.deliver(vec![event(0)]));
    assert!(dropped.await.is_err());
    permits.add_permits(2);
    assert_eq!(running.deliver(vec![event(1)]).await, [Outcome::Delivered]);
    assert_eq!(batches(&script), [["event-0"], ["event-1"]]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_applies_backpressure() {
    let (script, permits) = blocked();
    let running = run(&script);
    let mut full = running.sink.deliver((0..6).map(event).collect());
    let more = running.sink.deliver(vec![event(6)]);
    let early =
        tokio::time::timeout(Duration::from_secs(1), futures_util::future::select(&mut full, more));
    assert!(early.await.is_err());
    assert!(running.metrics.encode().contains(r#"sink_pending_events{sink="any"} 6"#));
    permits.add_permits(9);
    assert_eq!(full.await.len(), 6);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn stop_completes_queued_events_and_accepts_no_more() {
    let (script, permits) = blocked();
    let running = run(&script);
    let deliver = running.sink.deliver((0..5).map(event).collect());
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.stop.by(Instant::now() + HOUR);
        tokio::task::yield_now().await;
        let late = running.deliver(vec![event(9)]).await;
        assert!(!running.has_ended());
        permits.add_permits(2);
        late
    };
    let (outcomes, late) = futures_util::future::join(deliver, stop).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(late, [stopped()]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn stop_during_an_outage_returns_retry_immediately() {
    let script = Arc::new(Script::default());
    let outage = || Sent {
        retry_after: Some(Duration::from_secs(900)),
        ..Sent::new(vec![retry(Code::SplunkUnavailable); 4])
    };
    *script.results.lock() = [outage(), outage()].into();
    let running = run(&script);
    let began = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        running.stop.by(Instant::now() + HOUR);
    };
    let (outcomes, ()) = running.deliver_while((0..6).map(event).collect(), stop).await;
    assert_eq!(outcomes, vec![stopped(); 6]);
    assert!(began.elapsed() < Duration::from_secs(6));
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_known_outcomes_and_retry_for_the_rest_are_returned() {
    let script = Arc::new(Script::default());
    let never = PendingAck { indexes: vec![1], outcome: Box::pin(std::future::pending()) };
    let sent = Sent { pending: vec![never], ..Sent::new(vec![Outcome::Delivered; 3]) };
    *script.results.lock() = [sent].into();
    let running = run(&script);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.stop.by(Instant::now() + Duration::from_secs(20));
        tokio::time::sleep(Duration::from_secs(19)).await;
        assert!(!running.has_ended(), "there is a second left");
    };
    let deliver = running.sink.deliver((0..3).map(event).collect());
    let ended = tokio::time::timeout(HOUR, futures_util::future::join(deliver, stop));
    let (outcomes, ()) = ended.await.expect("outcomes");
    assert_eq!(outcomes, [Outcome::Delivered, stopped(), Outcome::Delivered]);
    let metrics = running.metrics.clone();
    running.finish().await;
    let metrics = metrics.encode();
    assert!(metrics.contains(r#"sink_pending_events{sink="any"} 0"#), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_driver_returns_retry() {
    let script = Arc::new(Script::default());
    let running = Running::start(&any_config(), |context| {
        let built = start(context, script, LIMITS);
        Built { driver: Box::pin(async { drop(built.driver) }), ..built }
    });
    assert_eq!(running.deliver(vec![event(0)]).await, [stopped()]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_outcome_never_counts_as_delivered() {
    let script = Arc::new(Script::default());
    *script.results.lock() = [Sent::new(vec![Outcome::Delivered])].into();
    let running = run(&script);
    let outcomes = running.deliver(vec![event(0), event(1)]).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 2]);
    assert_eq!(batches(&script)[1], ["event-1"]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn pending_acks_do_not_block_other_requests() {
    let script = Arc::new(Script::default());
    let after = |seconds, outcome: Outcome| -> BoxFuture<'static, Outcome> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            outcome
        })
    };
    let sent = Sent {
        outcomes: vec![rejected()],
        pending: vec![
            PendingAck { indexes: vec![1, 3], outcome: after(60, Outcome::Delivered) },
            PendingAck { indexes: vec![2], outcome: after(5, retry(Code::SplunkAckLost)) },
        ],
        retry_after: None,
    };
    *script.results.lock() = [sent].into();
    let running = run(&script);
    let began = Instant::now();
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.deliver(vec![event(8)]).await;
        began.elapsed()
    };
    let (outcomes, meanwhile) = running.deliver_while((0..4).map(event).collect(), meanwhile).await;
    assert_eq!(outcomes[0], rejected());
    assert_eq!(outcomes[1..], vec![Outcome::Delivered; 3]);
    assert!(meanwhile < Duration::from_secs(2) && began.elapsed() >= Duration::from_secs(60));
    assert_eq!(batches(&script)[1..], [["event-8"], ["event-2"]]);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn acks_lost_together_count_as_one_failure_for_the_backoff() {
    const MANY: usize = 12;
    let script = Arc::new(Script::default());
    let lost = |at| PendingAck {
        indexes: vec![at],
        outcome: Box::pin(async { retry(Code::SplunkAckLost) }),
    };
    let pending = (0..MANY).map(lost).collect();
    let sent = Sent { pending, ..Sent::new(vec![Outcome::Delivered; MANY]) };
    *script.results.lock() = [sent].into();
    let running = run_with(&script, BatchLimits { batch: MANY, pending: 12, ..LIMITS });
    let began = Instant::now();
    let outcomes = running.deliver((0..MANY).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; MANY]);
    // Half a minute at most after twelve failures in a row.
    assert!(began.elapsed() <= Duration::from_millis(501), "{:?}", began.elapsed());
    let metrics = running.metrics.encode();
    assert!(metrics.contains(r#"reason="splunk_ack_lost"} 12"#), "{metrics}");
    assert_eq!(batches(&script).len(), 2);
    running.finish().await;
}

/// Returns how long events have waited, in seconds.
fn waited(running: &Running) -> Option<u64> {
    running.sink.undelivered_since().map(|since| since.elapsed().as_secs())
}

/// Whatever the destination does: it refuses, does not respond, or does not acknowledge.
#[tokio::test(start_paused = true)]
async fn events_wait_since_their_call_until_one_is_delivered() {
    let silent = || PendingAck { indexes: vec![0], outcome: Box::pin(std::future::pending()) };
    let refused = vec![Sent::new(vec![retry(Code::SplunkUnavailable)])];
    let unacknowledged =
        vec![Sent { pending: vec![silent()], ..Sent::new(vec![Outcome::Delivered]) }];
    for (permits, results) in [(1, refused), (0, Vec::new()), (1, unacknowledged)] {
        let (script, added) = blocked();
        added.add_permits(permits);
        *script.results.lock() = results.into();
        let running = run(&script);
        assert_eq!(waited(&running), None);
        let outcome = running.sink.deliver(vec![event(0)]);
        let watch = async {
            for minute in 1..=10 {
                tokio::time::sleep(Duration::from_secs(60)).await;
                assert_eq!(waited(&running), Some(60 * minute));
            }
        };
        let (_, ()) = futures_util::future::join(
            tokio::time::timeout(Duration::from_secs(601), outcome),
            watch,
        )
        .await;
        let metrics = running.metrics.clone();
        running.stop.by(Instant::now() + Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(waited(&running), None, "{}", metrics.encode());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_sink_that_delivers_does_not_let_events_wait() {
    let (script, permits) = blocked();
    let running = run(&script);
    let watch = async {
        for batch in 0..3 {
            tokio::time::sleep(Duration::from_secs(200)).await;
            assert_eq!(waited(&running), Some(200), "batch {batch}");
            permits.add_permits(1);
        }
    };
    let (outcomes, ()) = running.deliver_while((0..9).map(event).collect(), watch).await;
    assert_eq!((outcomes.len(), waited(&running)), (9, None));
    running.finish().await;
}

/// Rejects the events for which this returns true.
struct Judge(Mutex<fn(&str) -> bool>);

impl Transport for Arc<Judge> {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        let is_bad = *self.0.lock();
        let outcome =
            |event: Arc<Event>| if is_bad(&event.id) { rejected() } else { Outcome::Delivered };
        let outcomes = events.into_iter().map(outcome).collect();
        Box::pin(std::future::ready(Sent::new(outcomes)))
    }
}

fn judge(is_bad: fn(&str) -> bool) -> (Arc<Judge>, Running) {
    let judge = Arc::new(Judge(Mutex::new(is_bad)));
    let limits = BatchLimits { batch: 1000, pending: 10_000, ..LIMITS };
    let transport = judge.clone();
    (judge, Running::start(&any_config(), |context| start(context, transport, limits)))
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_rejects_every_event_is_at_fault_until_it_accepts_one() {
    let (judge, running) = judge(|_| true);
    let fix = async {
        let error = tokio::time::timeout(HOUR, running.failure()).await.expect("a failure");
        let paused = matches!(running.sink.state(), SinkState::Paused(_));
        *judge.0.lock() = |id| id == "event-99";
        (error.code, paused)
    };
    let (outcomes, failure) = running.deliver_while((0..600).map(event).collect(), fix).await;
    assert_eq!(failure, (Code::SinkRejectsAll, true));
    let delivered = outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count();
    assert_eq!((delivered, &outcomes[99]), (599, &rejected()));
    assert_eq!(running.sink.state(), SinkState::Up);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn bad_events_among_good_ones_are_rejected_at_once() {
    let (_, running) = judge(|id| id != "event-600");
    let outcomes = running.deliver((0..601).map(event).collect()).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == rejected()).count(), 600);
    running.finish().await;
}

#[tokio::test(start_paused = true)]
async fn few_bad_events_are_rejected_at_once_however_often_they_come() {
    let (_, running) = judge(|id| id != "event-100");
    for _ in 0..3 {
        for n in 0..MAX_REJECTED - 1 {
            assert_eq!(running.deliver(vec![event(n)]).await, [rejected()]);
        }
    }
    // One more waits, and is decided by the next event that is accepted.
    let good = async {
        tokio::time::timeout(HOUR, running.failure()).await.expect("a failure");
        running.deliver(vec![event(100)]).await
    };
    let (last, good) = running.deliver_while(vec![event(50)], good).await;
    assert_eq!((last, good), (vec![rejected()], vec![Outcome::Delivered]));
    running.finish().await;
}
