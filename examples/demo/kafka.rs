//! Kafka for the demo: librdkafka's mock cluster, and a consumer that reads the events back.

use std::error::Error;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::report::Arrival;

/// Time without a record after which no more are expected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Partitions of the topic.
const PARTITIONS: i32 = 4;

/// One broker in this process.
pub(crate) struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Broker {
    pub(crate) fn start(topic: &str) -> Result<Self, Box<dyn Error>> {
        let cluster = MockCluster::new(1)?;
        cluster.create_topic(topic, PARTITIONS, 1)?;
        Ok(Self { cluster })
    }

    pub(crate) fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Reads everything in `topic`: waits for `expected` records, and a moment longer for any more.
    pub(crate) async fn read(
        &self,
        topic: &str,
        expected: usize,
    ) -> Result<Vec<Arrival>, Box<dyn Error>> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .set("group.id", "demo")
            .create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;
        let read = tokio::task::spawn_blocking(move || read_all(&consumer, expected)).await?;
        Ok(read)
    }
}

fn read_all(consumer: &BaseConsumer, expected: usize) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let mut idle = Duration::ZERO;
    while idle < IDLE_TIMEOUT {
        let timeout = if arrivals.len() < expected { IDLE_TIMEOUT } else { IDLE_TIMEOUT / 6 };
        match consumer.poll(timeout) {
            Some(Ok(record)) => {
                idle = Duration::ZERO;
                arrivals.push(arrival(&record));
            }
            Some(Err(_)) => {}
            None if arrivals.len() >= expected => return arrivals,
            None => idle += timeout,
        }
    }
    arrivals
}

fn arrival(record: &rdkafka::message::BorrowedMessage<'_>) -> Arrival {
    let headers =
        record.headers().map(|headers| headers.iter().collect::<Vec<_>>()).unwrap_or_default();
    let id = headers.iter().find(|header| header.key == "event_id").and_then(|header| header.value);
    Arrival {
        id: String::from_utf8_lossy(id.unwrap_or_default()).into_owned(),
        event: serde_json::from_slice(record.payload().unwrap_or_default()).unwrap_or_default(),
    }
}
