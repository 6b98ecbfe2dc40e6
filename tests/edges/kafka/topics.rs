//! Several topics over one producer, which fail independently; and secrets that change.

use parking_lot::Mutex;

use super::*;
use crate::config::{AwsSecret, Secret, Stage, Version, Versions};
use crate::sink;
use crate::telemetry::BySink;

/// Events of the laboratory's account go to their own topic.
fn two_topics(cluster: &Cluster) -> KafkaConfig {
    let fast = &[("topic.metadata.propagation.max.ms", "300")];
    with_options(KafkaConfig { topic: by_account(), ..settings(cluster) }, fast)
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
async fn a_missing_topic_delays_only_its_own_events() {
    let cluster = cluster();
    cluster.create_topic(LAB, PARTITIONS, 1).unwrap();
    let missing = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error(LAB, missing).unwrap();
    let running = run(&two_topics(&cluster));
    let delayed = running.sink.deliver((100..150).map(of_lab).collect());
    let others = async {
        for round in 0..3 {
            failures(&running, round + 1).await;
            let SinkState::Paused(error) = running.sink.state() else { panic!("not paused") };
            assert_eq!(
                (error.code, error.text.contains("topic lab")),
                (Code::KafkaTopic, true),
                "{error}"
            );
            let first = usize::try_from(round).unwrap() * 10;
            let outcomes = running.deliver((first..first + 10).map(event).collect()).await;
            assert_eq!(outcomes, vec![Outcome::Delivered; 10]);
        }
        assert_eq!(producers(&running), 1, "the shared producer was replaced");
        cluster.topic_error(LAB, RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    };
    let (outcomes, ()) = futures_util::future::join(delayed, others).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 50]);
    // While the topic was missing, one event at a time was sent: all topics share the queue.
    let bytes = running.metrics.sink_bytes.get_or_create(&BySink::new("lake")).get();
    assert!(bytes < 150 * event(100).record().bytes.len() as u64, "{bytes}");
    assert_eq!(consume(&cluster, 30).len(), 30);
    assert_eq!(consume_from(&cluster, LAB, 50).len(), 50);
    assert_eq!((producers(&running), running.sink.state()), (1, SinkState::Up));
    running.finish().await;
}

#[tokio::test]
async fn outcomes_of_a_call_for_several_topics_are_in_order() {
    let cluster = cluster();
    cluster.create_topic(LAB, PARTITIONS, 1).unwrap();
    let running = run(&with_options(two_topics(&cluster), &[("message.max.bytes", "2000")]));
    let mut huge = Event::clone(&event_with("huge", &"x".repeat(5000)));
    huge.fields.account = Some("444455556666".to_owned());
    let events = vec![event(0), Arc::new(huge), of_lab(1), event(2)];
    let outcomes = running.deliver(events).await;
    assert!(matches!(&outcomes[1], Outcome::Rejected(error) if error.code == Code::KafkaTooLarge));
    for at in [0, 2, 3] {
        assert_eq!(outcomes[at], Outcome::Delivered, "{at}");
    }
    running.finish().await;
}

#[tokio::test]
async fn a_missing_topic_permission_replaces_no_producer() {
    let cluster = cluster();
    let denied = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(TOPIC, denied).unwrap();
    let running = run(&settings(&cluster));
    let fix = async {
        failures(&running, 3).await;
        cluster.topic_error(TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    };
    let (outcomes, ()) = running.deliver_while((0..5).map(event).collect(), fix).await;
    assert_eq!((outcomes, producers(&running)), (vec![Outcome::Delivered; 5], 1));
    running.finish().await;
}

#[tokio::test]
async fn a_changed_secret_replaces_the_producer_and_an_unchanged_one_does_not() {
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
    let first = client.active().await.unwrap();
    assert!(Arc::ptr_eq(&first, &client.active().await.unwrap()));
    std::fs::write(&ca, "two").unwrap();
    let second = client.active().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    // A secret that cannot be read does not replace the producer.
    std::fs::remove_file(&ca).unwrap();
    assert!(Arc::ptr_eq(&second, &client.active().await.unwrap()));
    client.close(HOUR).await;
}

/// A secret with one value for each stage; records the requested stages.
#[derive(Default)]
struct Requested(Mutex<Vec<Stage>>);

impl Versions for Requested {
    fn get<'a>(
        &'a self,
        _: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
        self.0.lock().push(stage);
        let text = if stage == Stage::Current { "new" } else { "old" };
        Box::pin(async move { Ok(Some(Version { text: text.into(), age: None })) })
    }
}

/// A login with a password in AWS that has two versions.
fn login(cluster: &Cluster) -> (KafkaConfig, Arc<Requested>) {
    let requested = Arc::new(Requested::default());
    let secret = Arc::new(AwsSecret::new("prod/kafka".to_owned(), None, HOUR));
    secret.connect(requested.clone());
    let (mechanism, username) = ("PLAIN", "relay".to_owned());
    let auth = KafkaAuth::Sasl { mechanism, username, password: Secret::Aws(secret) };
    let timeout = Duration::from_millis(500);
    (KafkaConfig { auth, timeout, ..settings(cluster) }, requested)
}

#[tokio::test]
async fn a_failed_probe_reads_the_password_from_aws_again() {
    let cluster = cluster();
    let (own, requested) = login(&cluster);
    let sink = config("lake", SinkKind::Kafka(own));
    for _ in 0..2 {
        let result = sink::probe(&sink, None, ProbeScope::AnyEndpoint).await;
        assert!(result.is_err(), "the mock cluster supports no authentication");
    }
    // And the previous one, if librdkafka had the time to report a rejected login.
    assert_eq!(requested.0.lock()[..2], [Stage::Current, Stage::Current]);
}

#[tokio::test]
async fn after_a_rejected_password_the_previous_version_is_read() {
    let (own, requested) = login(&cluster());
    let password = own.auth.password().unwrap();
    password.renew().await.unwrap();
    client::secrets_rejected(&own, true);
    password.renew().await.unwrap();
    assert_eq!(*requested.0.lock(), [Stage::Current, Stage::Current, Stage::Previous]);
}
