//! Several topics behind one producer: what one of them lacks is no trouble of the others.

use super::*;
use crate::config::{MappingKey, MappingTable, Secret};
use crate::error::Code;
use crate::telemetry::BySink;

const LAB: &str = "lab";

/// Events of the laboratory's account go to a topic of their own.
fn two_topics(cluster: &Cluster) -> KafkaConfig {
    let exact = [("444455556666".to_owned(), LAB.to_owned())].into();
    let topic = Mapping::Table(MappingTable {
        by: MappingKey::Account,
        exact,
        globs: Vec::new(),
        default: TOPIC.to_owned(),
    });
    let hasty = &[("topic.metadata.propagation.max.ms", "300")];
    with_options(KafkaConfig { topic, ..settings(cluster) }, hasty)
}

fn of_lab(n: usize) -> Arc<Event> {
    let mut event = Event::clone(&event(n));
    event.fields.account = Some("444455556666".to_owned());
    Arc::new(event)
}

fn producers(running: &Running) -> u64 {
    running.metrics.kafka_producers.get_or_create(&BySink::new("lake")).get()
}

/// Waits until the sink has failed so many times.
async fn failures(running: &Running, count: u64) {
    let failed = |text: String| {
        let lines = text.lines().filter(|line| line.starts_with("certrelay_sink_errors_total{"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    while failed(running.metrics.encode()) < count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_topic_that_is_missing_holds_its_own_events_and_no_others() {
    let cluster = cluster();
    cluster.create_topic(LAB, PARTITIONS, 1).unwrap();
    let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error(LAB, missing).unwrap();
    let running = run(&two_topics(&cluster));
    let held = running.built.deliver((100..150).map(of_lab).collect());
    let others = async {
        for round in 0..3 {
            failures(&running, round + 1).await;
            let SinkState::Paused(error) = running.built.state() else { panic!("not paused") };
            assert_eq!(
                (error.code, error.text.contains("topic lab")),
                (Code::KafkaTopic, true),
                "{error}"
            );
            let first = usize::try_from(round).unwrap() * 10;
            let outcomes = running.built.deliver((first..first + 10).map(event).collect()).await;
            assert_eq!(outcomes, vec![Outcome::Delivered; 10]);
        }
        assert_eq!(producers(&running), 1, "the other topics' producer was replaced");
        cluster.topic_error(LAB, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    };
    let (outcomes, ()) = futures_util::future::join(held, others).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 50]);
    // While it was missing, one of its events at a time was tried: the queue belongs to all topics.
    let bytes = running.metrics.sink_bytes.get_or_create(&BySink::new("lake")).get();
    assert!(bytes < 150 * event(100).record().bytes.len() as u64, "{bytes}");
    assert_eq!(consume(&cluster, 30).len(), 30);
    assert_eq!(consume_from(&cluster, LAB, 50).len(), 50);
    assert_eq!((producers(&running), running.built.state()), (1, SinkState::Up));
    running.finish().await;
}

#[tokio::test]
async fn one_call_with_events_for_several_topics_is_answered_in_its_own_order() {
    let cluster = cluster();
    cluster.create_topic(LAB, PARTITIONS, 1).unwrap();
    let running = run(&with_options(two_topics(&cluster), &[("message.max.bytes", "2000")]));
    let mut huge = Event::clone(&event_with("huge", &"x".repeat(5000)));
    huge.fields.account = Some("444455556666".to_owned());
    let events = vec![event(0), Arc::new(huge), of_lab(1), event(2)];
    let outcomes = running.built.deliver(events).await;
    assert!(matches!(&outcomes[1], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge));
    for at in [0, 2, 3] {
        assert_eq!(outcomes[at], Outcome::Delivered, "{at}");
    }
    running.finish().await;
}

#[tokio::test]
async fn a_right_to_a_topic_that_is_missing_replaces_no_producer() {
    let cluster = cluster();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(TOPIC, denied).unwrap();
    let running = run(&settings(&cluster));
    let mend = async {
        failures(&running, 3).await;
        cluster.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    };
    let deliver = running.built.deliver((0..5).map(event).collect());
    let (outcomes, ()) = futures_util::future::join(deliver, mend).await;
    assert_eq!((outcomes, producers(&running)), (vec![Outcome::Delivered; 5], 1));
    running.finish().await;
}

#[tokio::test]
async fn a_secret_that_changed_is_used_when_its_time_has_come_and_one_that_did_not_changes_nothing()
{
    let cluster = cluster();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "one").unwrap();
    let auth = KafkaAuth::Sasl {
        mechanism: "PLAIN",
        username: "relay".to_owned(),
        password: Secret::File { path: ca.clone(), refresh: Duration::ZERO },
    };
    let client =
        Client::new("lake", &KafkaConfig { auth, ..settings(&cluster) }, None, &Arc::default());
    let client = client.unwrap();
    let first = client.live().await.unwrap();
    assert!(Arc::ptr_eq(&first, &client.live().await.unwrap()));
    std::fs::write(&ca, "two").unwrap();
    let second = client.live().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    // One that cannot be read now says nothing about the one in use.
    std::fs::remove_file(&ca).unwrap();
    assert!(Arc::ptr_eq(&second, &client.live().await.unwrap()));
    client.close(HOUR).await;
}
