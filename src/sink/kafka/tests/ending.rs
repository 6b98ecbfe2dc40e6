//! The end of a sink with records under way: finished while there is time, handed back then.

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::*;
use crate::error::Code;

/// Longer than the tests that are about a record without an answer.
const SLOW: Duration = Duration::from_secs(8);

#[tokio::test]
async fn dropping_the_caller_does_not_cancel_its_records() {
    let cluster = cluster();
    cluster.broker_round_trip_time(-1, Duration::from_millis(200)).unwrap();
    let running = run(&settings(&cluster));
    let deliver = running.built.deliver(vec![event(0)]);
    assert!(tokio::time::timeout(Duration::from_millis(50), deliver).await.is_err());
    running.finish().await;
    assert_eq!(keys(&consume(&cluster, 1)), ["event-0"]);
}

#[tokio::test]
async fn stop_during_an_outage_hands_everything_back() {
    let cluster = cluster();
    cluster.broker_down(-1).unwrap();
    let running = run(&KafkaConfig { timeout: Duration::from_millis(300), ..settings(&cluster) });
    let events = (0..5).map(event).collect();
    let stop = || running.stop.by(Instant::now() + HOUR);
    let (outcomes, _) = deliver_through_trouble(&running, events, stop).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Retry(_))), "{outcomes:?}");
    running.finish().await;
}

#[tokio::test]
async fn a_record_without_an_answer_at_the_deadline_is_handed_back() {
    let cluster = cluster();
    let running = run(&settings(&cluster));
    assert_eq!(running.built.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    cluster.broker_round_trip_time(-1, SLOW).unwrap();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        running.stop.by(Instant::now() + Duration::from_millis(200));
    };
    let deliver = running.built.deliver(vec![event(1)]);
    let (outcomes, ()) = futures_util::future::join(deliver, stop).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Retry(error)] if error.code == Code::SinkStopped),
        "{outcomes:?}"
    );
    running.finish().await;
}

/// What becomes of a record that nobody waits for, if the client is closed with so much time left.
async fn report_after_close(left: Duration) -> Report {
    let cluster = cluster();
    let client = Client::new("lake", &settings(&cluster), None, &Arc::default()).unwrap();
    let live = client.live().await.unwrap();
    cluster.broker_round_trip_time(-1, Duration::from_millis(300)).unwrap();
    let batch = live.open(1);
    let record = BaseRecord::<str, str, _>::with_opaque_to(TOPIC, batch.record(0)).payload("x");
    live.producer().send(record).map_err(drop).unwrap();
    drop(live);
    client.close(left).await;
    batch.all().now_or_never().expect("the producer answered before it went")[0]
}

#[tokio::test]
async fn the_last_flush_takes_what_is_left_of_the_deadline_and_no_more() {
    assert_eq!(report_after_close(HOUR).await, Ok(()));
    let report = report_after_close(Duration::ZERO).await;
    assert!(
        matches!(report, Err(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)),
        "{report:?}"
    );
}
