//! A queue for each topic that a sink may write to: each has its own driver with batches, retries
//! and backoff, over one producer for all. A missing topic delays its own events and no others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::produce::KafkaSink;
use super::reports;
use crate::config::Mapping;
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::sink::driver::{self, BatchLimits, Sent, Transport, needs_operator};
use crate::sink::types::{BuildContext, Built, Sink, SinkState};

/// Batches overlap and are small, so that neither librdkafka nor the broker idles while events are
/// rendered.
const LIMITS: BatchLimits = BatchLimits { batch: 500, requests: 4, min_batch: 1, pending: 10_000 };

const _: () = assert!(LIMITS.batch <= reports::MAX_RECORDS, "a record's opaque holds its index");

/// Creates the sink with one queue or several; the producer is flushed and closed when the last
/// driver has ended.
pub(super) fn start(
    BuildContext { config, metrics, stop, .. }: BuildContext<'_>,
    kafka: KafkaSink,
) -> Built {
    let kafka = Arc::new(kafka);
    let topic = kafka.topic.clone();
    let mut by_topic: BTreeMap<String, Arc<dyn Sink>> = BTreeMap::new();
    let mut drivers: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    for name in topic.texts() {
        let queue = TopicQueue { kafka: kafka.clone(), blocked: AtomicBool::new(false) };
        let built = driver::start(
            BuildContext { config, aws: None, metrics, stop: stop.clone() },
            queue,
            LIMITS,
        );
        by_topic.insert(name.to_owned(), built.sink);
        drivers.push(built.driver);
    }
    let driver = async move {
        while drivers.next().await.is_some() {}
        kafka.client.close(stop.left()).await;
    };
    // One topic needs no distribution.
    let only = if by_topic.len() == 1 { by_topic.pop_first() } else { None };
    Built {
        name: config.name.clone(),
        required: config.required,
        sink: only.map_or_else(|| Arc::new(TopicQueues { topic, by_topic }) as _, |(_, sink)| sink),
        driver: Box::pin(driver),
    }
}

/// The handle of all queues.
struct TopicQueues {
    topic: Mapping,
    by_topic: BTreeMap<String, Arc<dyn Sink>>,
}

impl Sink for TopicQueues {
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = vec![no_queue(); events.len()];
            let mut parts: BTreeMap<&str, (Vec<usize>, Vec<Arc<Event>>)> = BTreeMap::new();
            for (at, event) in events.into_iter().enumerate() {
                let topic = event.choose(&self.topic);
                let (indexes, events) = parts.entry(topic).or_default();
                indexes.push(at);
                events.push(event);
            }
            let deliveries = parts.into_iter().filter_map(|(topic, (indexes, events))| {
                let queue = self.by_topic.get(topic)?;
                Some(async move { (indexes, queue.deliver(events).await) })
            });
            for (indexes, part) in join_all(deliveries).await {
                for (at, outcome) in indexes.into_iter().zip(part) {
                    outcomes[at] = outcome;
                }
            }
            outcomes
        })
    }

    /// Returns the worst state of the queues.
    fn state(&self) -> SinkState {
        let rank = |state: &SinkState| match state {
            SinkState::Unverified => 0,
            SinkState::Up => 1,
            SinkState::Degraded(_) => 2,
            SinkState::Paused(_) => 3,
        };
        let states = self.by_topic.values().map(|queue| queue.state());
        states.max_by_key(rank).unwrap_or(SinkState::Unverified)
    }

    /// Returns the time of the queue that has waited longest.
    fn undelivered_since(&self) -> Option<Instant> {
        self.by_topic.values().filter_map(|queue| queue.undelivered_since()).min()
    }
}

fn no_queue() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkInternal, "the event's topic has no queue"))
}

/// The queue of one topic.
struct TopicQueue {
    kafka: Arc<KafkaSink>,
    /// The last attempt needs an operator: the next one sends a single event first, so that the
    /// others take no space in the producer's queue, which all topics share.
    blocked: AtomicBool,
}

impl Transport for TopicQueue {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            let blocked = self.blocked.load(Ordering::Relaxed);
            let outcomes = self.kafka.deliver(&events, blocked).await;
            let outcomes =
                outcomes.unwrap_or_else(|error| vec![Outcome::Retry(error); events.len()]);
            self.blocked.store(outcomes.iter().any(needs_operator), Ordering::Relaxed);
            Sent::new(outcomes)
        })
    }
}
