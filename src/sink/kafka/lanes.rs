//! A lane for each topic that a sink may write to: a driver with its own batches, waits and troubles, over one producer
//! for all. A topic that is missing holds its own events and nobody else's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;

use super::super::handle::{self, Bounds, Sent, Transmit};
use super::super::{Built, Sink, SinkState, Stop};
use super::{Kafka, reports};
use crate::config::{Mapping, SinkConfig};
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::Metrics;

/// Batches overlap, and are small, so that neither librdkafka nor the broker is idle while we render and answer.
const BOUNDS: Bounds = Bounds { batch: 500, parallel: 4, beside: 1, pending: 10_000 };

const _: () = assert!(BOUNDS.batch <= reports::MOST, "a record carries its place");

/// The sink, with one lane or several; the producer is flushed and let go when the last of them has ended.
pub(super) fn start(
    config: &SinkConfig,
    kafka: Kafka,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Built {
    let kafka = Arc::new(kafka);
    let topic = kafka.topic.clone();
    let mut by_topic: BTreeMap<String, Arc<dyn Sink>> = BTreeMap::new();
    let mut drivers: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    for name in topic.texts() {
        let lane = Lane { kafka: kafka.clone(), is_held: AtomicBool::new(false) };
        let built = handle::start(config, lane, BOUNDS, metrics, stop.clone());
        by_topic.insert(name.to_owned(), built.sink);
        drivers.push(built.driver);
    }
    let driver = async move {
        while drivers.next().await.is_some() {}
        kafka.client.close(stop.left()).await;
    };
    // With one topic there is nothing to sort.
    let only = if by_topic.len() == 1 { by_topic.pop_first() } else { None };
    Built {
        name: config.name.clone(),
        required: config.required,
        sink: only.map_or_else(|| Arc::new(Lanes { topic, by_topic }) as _, |(_, lane)| lane),
        driver: Box::pin(driver),
    }
}

/// The pipeline's end of all lanes.
struct Lanes {
    topic: Mapping,
    by_topic: BTreeMap<String, Arc<dyn Sink>>,
}

impl Sink for Lanes {
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = vec![unanswered(); events.len()];
            let mut parts: BTreeMap<&str, (Vec<usize>, Vec<Arc<Event>>)> = BTreeMap::new();
            for (at, event) in events.into_iter().enumerate() {
                let topic = event.choose(&self.topic);
                let (places, events) = parts.entry(topic).or_default();
                places.push(at);
                events.push(event);
            }
            let under_way = parts.into_iter().filter_map(|(topic, (places, events))| {
                let lane = self.by_topic.get(topic)?;
                Some(async move { (places, lane.deliver(events).await) })
            });
            for (places, answers) in join_all(under_way).await {
                for (at, answer) in places.into_iter().zip(answers) {
                    outcomes[at] = answer;
                }
            }
            outcomes
        })
    }

    /// That of the lane that is worst off.
    fn state(&self) -> SinkState {
        let rank = |state: &SinkState| match state {
            SinkState::Unverified => 0,
            SinkState::Up => 1,
            SinkState::Degraded(_) => 2,
            SinkState::Paused(_) => 3,
        };
        let states = self.by_topic.values().map(|lane| lane.state());
        states.max_by_key(rank).unwrap_or(SinkState::Unverified)
    }
}

fn unanswered() -> Outcome {
    Outcome::Retry(Error::new(Code::SinkInternal, "an event's topic has no lane"))
}

/// One topic's way to the producer.
struct Lane {
    kafka: Arc<Kafka>,
    /// The last answer was that an operator has to act: one event is sent ahead, so that the others take no room in
    /// the queue that other topics need.
    is_held: AtomicBool,
}

impl Transmit for Lane {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            let held = self.is_held.load(Ordering::Relaxed);
            let sent = self.kafka.deliver(&events, held).await.unwrap_or_else(|error| Sent {
                outcomes: vec![Outcome::Retry(error); events.len()],
                late: Vec::new(),
                wait: None,
                paused: true,
            });
            self.is_held.store(sent.paused, Ordering::Relaxed);
            sent
        })
    }
}
