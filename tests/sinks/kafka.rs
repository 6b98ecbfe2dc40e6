//! The Kafka sink against Apache Kafka itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::config;
use certrelay::event::{Arrival, Event, Lane};
use certrelay::outcome::{Outcome, Why};
use certrelay::sink::{self, Sink, SinkState};
use certrelay::telemetry::Metrics;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::broker::{Broker, PASSWORD, ids};
use crate::support::tier;

/// A sink whose driver runs.
struct Running {
    sink: Arc<dyn Sink>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    async fn finish(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Waits until the sink is in trouble; brokers are other processes, so this looks again and again.
    async fn trouble(&self) -> Why {
        loop {
            match self.sink.state() {
                SinkState::Up => tokio::time::sleep(Duration::from_millis(10)).await,
                SinkState::Degraded(why) | SinkState::Paused(why) => return why,
            }
        }
    }
}

/// The sink as the configuration of an operator makes it; `password` is a file.
fn run(broker: &Broker, topic: &str, password: &std::path::Path) -> Running {
    let text = format!(
        r#"
        [[source]]
        directory = "."

        [[route]]
        name = "all"
        sinks = ["lake"]

        [sink.lake]
        type = "kafka"
        brokers = ["{}"]
        topic = "{topic}"
        key = "event_id"
        format = "raw"
        timeout = "3 s"
        auth = {{ mechanism = "SCRAM-SHA-512", username = "certrelay", password = {{ file = "{}" }} }}
        tls = {{ ca_file = "tests/support/tls/ca.pem" }}
        options = {{ "topic.metadata.propagation.max.ms" = "1000", "reconnect.backoff.max.ms" = "500" }}
        "#,
        broker.secured,
        password.display()
    );
    let config = config::parse("test", &text, tier::project()).unwrap_or_else(|e| panic!("{e:#?}"));
    let stop = CancellationToken::new();
    let built = sink::build(&config.sinks[0], None, &Arc::new(Metrics::new()), stop.clone());
    let built = built.expect("a sink");
    let mut tasks = JoinSet::new();
    tasks.spawn(built.driver);
    Running { sink: built.sink, stop, tasks }
}

fn event(id: &str, padding: usize) -> Arc<Event> {
    // Not compressible: brokers measure compressed batches.
    let noise: String = (0..padding).map(|_| fastrand::alphanumeric()).collect();
    let text = format!(
        r#"{{"eventID":"{id}","eventName":"UploadServerCertificate","eventSource":"iam.amazonaws.com","eventTime":"2026-09-21T14:13:20Z","recipientAccountId":"111122223333","awsRegion":"us-east-1","note":"{noise}"}}"#
    );
    let origin = Origin::Inline { message_id: "m".to_owned() };
    let seen = OffsetDateTime::UNIX_EPOCH;
    let arrival = Arrival { origin, lane: Lane::Inline, seen, delivered: None };
    let record = Record { bytes: Bytes::from(text), index: 0, offset: 0 };
    Arc::new(Event::read(record, arrival).expect("a record"))
}

fn events(count: usize) -> Vec<Arc<Event>> {
    (0..count).map(|n| event(&format!("event-{n:03}"), 200)).collect()
}

fn all_ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("event-{n:03}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secured_broker_is_written_to_through_every_trouble_that_an_operator_can_mend() {
    let Some(broker) = tokio::task::block_in_place(Broker::start) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");

    // A wrong password, mended in its file: no restart.
    std::fs::write(&password, "wrong").expect("written");
    broker.create_topic("login", "1048576").await;
    let running = run(&broker, "login", &password);
    let mend = async {
        let why = running.trouble().await;
        std::fs::write(&password, PASSWORD).expect("written");
        why
    };
    let (outcomes, why) = futures_util::future::join(running.sink.deliver(events(3)), mend).await;
    assert_eq!((outcomes, why.code), (vec![Outcome::Delivered; 3], "kafka_auth"), "{why}");
    assert!(!why.text.contains("wrong"), "{why}");
    assert_eq!(ids(&broker.consume("login", 3)), all_ids(3));
    running.finish().await;

    // A topic that is not there, created later.
    let running = run(&broker, "late", &password);
    let mend = async {
        let why = running.trouble().await;
        broker.create_topic("late", "1048576").await;
        why
    };
    let (outcomes, why) = futures_util::future::join(running.sink.deliver(events(3)), mend).await;
    assert_eq!((outcomes, why.code), (vec![Outcome::Delivered; 3], "kafka_topic"), "{why}");
    assert_eq!(ids(&broker.consume("late", 3)), all_ids(3));
    running.finish().await;

    // A record, and with it its batch, too large for the topic: it alone is refused.
    broker.create_topic("small", "3000").await;
    let running = run(&broker, "small", &password);
    let mut mixed = events(12);
    mixed[5] = event("huge", 6000);
    let outcomes = running.sink.deliver(mixed).await;
    assert!(
        matches!(&outcomes[5], Outcome::Refused(why) if why.code == "kafka_too_large"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count(), 11);
    let mut expected = all_ids(12);
    expected.remove(5);
    assert_eq!(ids(&broker.consume("small", 11)), expected);
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_and_away_for_longer_than_every_timeout_loses_nothing() {
    let Some(broker) = tokio::task::block_in_place(Broker::start) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).expect("written");
    broker.create_topic("killed", "1048576").await;
    let running = run(&broker, "killed", &password);
    assert_eq!(running.sink.deliver(events(50)).await, vec![Outcome::Delivered; 50]);
    // Frozen, it has batches that it has not answered; killed, it forgets or remembers them.
    broker.freeze();
    let kill = async {
        let why = running.trouble().await;
        broker.kill();
        tokio::time::sleep(Duration::from_secs(4)).await;
        broker.come_back();
        why
    };
    let flood = async {
        let calls = events(400).chunks(20).map(<[_]>::to_vec).collect::<Vec<_>>();
        let calls = calls.into_iter().map(|events| running.sink.deliver(events));
        futures_util::future::join_all(calls).await.concat()
    };
    let (why, outcomes) = futures_util::future::join(kill, flood).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 400]);
    assert!(matches!(why.code, "kafka_timeout" | "kafka_transport"), "{why}");
    let mut read = ids(&broker.consume("killed", 450));
    read.dedup();
    assert_eq!(read, all_ids(400));
    running.finish().await;
}
