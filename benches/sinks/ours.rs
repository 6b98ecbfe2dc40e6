//! certrelay's sinks as the pipeline uses them: many messages deliver a few events each and await
//! their outcomes.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use certrelay::config;
use certrelay::error::Outcome;
use certrelay::event::Event;
use certrelay::sink::{self, Sink, Stop};
use certrelay::telemetry::Metrics;
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::records::{self, DISTINCT};
use super::{Report, TOPIC, Task, begin};

/// Events of a message.
const EACH: usize = 20;
/// Messages in flight: enough to fill the batches that are built meanwhile.
const WAITING: usize = 200;

/// Splunk's settings; `records` sends the record, `events` CIM.
pub(crate) fn splunk(url: &str, mode: &str) -> String {
    format!("type = \"splunk_hec\"\nendpoints = [{url:?}]\ntoken = \"bench\"\nmode = {mode:?}")
}

/// Kafka's settings.
pub(crate) fn kafka(brokers: &str, format: &str) -> String {
    format!("type = \"kafka\"\nbrokers = [{brokers:?}]\ntopic = {TOPIC:?}\nformat = {format:?}")
}

pub(crate) async fn run(task: &Task, sink: &str) -> Result<Report, Box<dyn Error>> {
    let text = format!(
        "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"one\"]\n[sink.one]\n{sink}\n"
    );
    let config = config::parse("bench", &text, Path::new("."))?;
    let one = config.sinks.first().ok_or("no sink")?;
    let stop = Stop::default();
    let built = sink::build(one, None, &Arc::new(Metrics::new()), stop.clone());
    let built = built.map_err(|error| error.to_string())?;
    let mut driver = JoinSet::new();
    driver.spawn(built.driver);
    let known = records::all();
    let events = known.iter().map(|known| known.event().map(Arc::new));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    // The first event opens the connection.
    let first = deliver(&*built.sink, events[..1].to_vec()).await?;
    let begun = begin();
    let latencies = match task.trickle {
        true => trickle(&*built.sink, &events[1..], task.events).await?,
        false => flood(&built.sink, &events, task.events).await?,
    };
    let report = Report { first: first.as_secs_f64() * 1000.0, ..begun.end(latencies) };
    stop.by(Instant::now() + Duration::from_secs(60));
    driver.join_all().await;
    Ok(report)
}

async fn deliver(sink: &dyn Sink, events: Vec<Arc<Event>>) -> Result<Duration, String> {
    let begun = Instant::now();
    let outcomes = sink.deliver(events).await;
    match outcomes.iter().find(|outcome| **outcome != Outcome::Delivered) {
        Some(outcome) => Err(format!("{outcome:?}")),
        None => Ok(begun.elapsed()),
    }
}

async fn flood(
    sink: &Arc<dyn Sink>,
    events: &[Arc<Event>],
    count: usize,
) -> Result<Vec<Duration>, String> {
    let messages = (0..count).step_by(EACH).map(|first| {
        let place = first % DISTINCT;
        let events = events[place..(place + EACH.min(count - first))].to_vec();
        async move { deliver(&**sink, events).await }
    });
    let answers = futures_util::stream::iter(messages).buffer_unordered(WAITING);
    answers.collect::<Vec<_>>().await.into_iter().collect()
}

async fn trickle(
    sink: &dyn Sink,
    events: &[Arc<Event>],
    count: usize,
) -> Result<Vec<Duration>, String> {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut latencies = Vec::new();
    for event in events.iter().cycle().take(count) {
        second.tick().await;
        latencies.push(deliver(sink, vec![event.clone()]).await?);
    }
    Ok(latencies)
}
