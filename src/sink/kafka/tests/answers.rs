//! What a broker may answer, one code after the other.

use rdkafka::types::RDKafkaRespErr::*;

use super::*;
use crate::config::{MappingKey, MappingTable};
use crate::error::Code;

/// Answers to a produce request after which the same record goes through.
const PASSING: [RDKafkaRespErr; 12] = [
    RD_KAFKA_RESP_ERR__TRANSPORT,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_INVALID_MSG,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
];

#[tokio::test]
async fn whatever_a_broker_answers_once_the_records_arrive_once() {
    for code in PASSING {
        let cluster = cluster();
        cluster.request_errors(RDKafkaApiKey::Produce, &[code]);
        let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
        let outcomes = running.built.deliver((0..3).map(event).collect()).await;
        assert_eq!(outcomes, vec![Outcome::Delivered; 3], "{code:?}");
        let mut ids: Vec<_> =
            consume(&cluster, 3).iter().map(|record| header(record, "event_id").unwrap()).collect();
        ids.sort();
        assert_eq!(ids, ["event-0", "event-1", "event-2"], "{code:?}");
        running.finish().await;
    }
}

#[tokio::test]
async fn a_producer_that_gives_up_in_the_middle_is_replaced_and_what_was_not_acknowledged_is_sent_again()
 {
    let cluster = cluster();
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    assert_eq!(running.built.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    // For the oldest request under way there is no innocent reason: librdkafka gives up for good.
    cluster
        .request_errors(RDKafkaApiKey::Produce, &[RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    let events = (1..6).map(event).collect();
    let (outcomes, error) = deliver_through_trouble(&running, events, || {}).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(error.code, Code::KafkaFatal, "{error}");
    assert_eq!(consume(&cluster, 6).len(), 6);
    running.finish().await;
}

#[tokio::test]
async fn a_table_of_topics_sends_each_event_to_its_own() {
    let cluster = cluster();
    cluster.create_topic("lab", PARTITIONS, 1).unwrap();
    let exact = [("444455556666".to_owned(), "lab".to_owned())].into();
    let topic = Mapping::Table(MappingTable {
        by: MappingKey::Account,
        exact,
        globs: Vec::new(),
        default: TOPIC.to_owned(),
    });
    let running = run(&KafkaConfig { topic, ..settings(&cluster) });
    let mut of_lab = Event::clone(&event(1));
    of_lab.fields.account = Some("444455556666".to_owned());
    let events = vec![event(0), Arc::new(of_lab), event(2)];
    assert_eq!(running.built.deliver(events).await, vec![Outcome::Delivered; 3]);
    assert_eq!(keys(&consume(&cluster, 2)), ["event-0", "event-2"]);
    assert_eq!(keys(&consume_from(&cluster, "lab", 1)), ["event-1"]);
    running.finish().await;
}

#[tokio::test]
async fn a_record_that_is_invalid_alone_is_refused_and_one_that_was_in_bad_company_is_not() {
    let cluster = cluster();
    // The batch, then each record alone: the first is to blame, the second only met a bad moment.
    let invalid = RD_KAFKA_RESP_ERR_INVALID_RECORD;
    cluster.request_errors(RDKafkaApiKey::Produce, &[invalid, invalid]);
    let running = run(&KafkaConfig { key: KafkaKey::Account, ..settings(&cluster) });
    let outcomes = running.built.deliver((0..2).map(event).collect()).await;
    assert!(
        matches!(&outcomes[0], Outcome::Rejected(error) if error.code == Code::KafkaInvalidRecord)
    );
    assert_eq!(outcomes[1], Outcome::Delivered);
    assert_eq!(consume(&cluster, 1).len(), 1);
    running.finish().await;
}

#[tokio::test]
async fn a_partition_that_moves_to_another_broker_is_followed() {
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 2).unwrap();
    let running = run(&settings(&cluster));
    for (broker, first) in [(1, 0), (2, 20), (1, 40)] {
        for partition in 0..PARTITIONS {
            cluster.partition_leader(TOPIC, partition, Some(broker)).unwrap();
        }
        let outcomes = running.built.deliver((first..first + 20).map(event).collect()).await;
        assert_eq!(outcomes, vec![Outcome::Delivered; 20]);
    }
    assert_eq!(consume(&cluster, 60).len(), 60);
    running.finish().await;
}
