//! The wire: gates, ledger, dead letter, drain. The only place where the rooms meet, and the only
//! one that spawns.
//!
//! One message is one future: fetch, decode, verify, route, hand over, await the outcomes, settle.
//! That is the acknowledgement tree. Work that messages share belongs to drivers (a lease keeper and a
//! settler per queue, one per sink), so that dropping a message never cancels another's request.

mod access_monitor;
pub(crate) mod context;
pub(crate) mod dead_letter;
mod decode;
mod dedup;
mod dispatch;
mod eventbridge;
mod in_flight;
mod init_metrics;
mod limits;
mod message;
mod object;
mod receive;
mod record_counts;
mod replayed;
mod skip_monitor;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{Enrichment, SinkProbe, queue_check, sink_probe};
use crate::cloudtrail::DecoderSettings;
use crate::config::{Delivery, EventOptions};
use crate::queue::{Acknowledger, MAX_BATCH, VisibilityExtender, VisibilitySettings};
use crate::route::Router;
use crate::sink::{Built, SinkState, Stop};
use crate::telemetry::{Health, Metrics, SourceHealth};

use access_monitor::Refusals;
use context::{Post, RunningSource, Wire};
use decode::DecodeStage;
use dedup::Ledger;
use in_flight::InHand;
use limits::Gates;
use receive::Receiver;
use skip_monitor::{Accounts, Filtering};

pub use context::{Bodies, Now, Source, SourcePolicy};
pub use dead_letter::{
    DeadLetter, DeadLetterBucket, DeadLetterDirectory, DeadLetterPolicy, DeadLetterQueue,
    DeadLetterWriter, KeepBytes,
};
pub use decode::Executor;

/// Kept back from the drain deadline for settling, flushing and ending the drivers.
const SETTLE_MARGIN: Duration = Duration::from_secs(10);

/// How often the pipeline's own loop shows that it turns.
const BEAT: Duration = Duration::from_secs(10);

/// SQS's cap on one receive's visibility. Source: Amazon SQS Developer Guide, "Visibility timeout".
const LEASE_CAP: Duration = Duration::from_secs(12 * 3600);

/// Everything that a pipeline is made of: real clients, or honest fakes.
pub struct Parts {
    /// At least one.
    pub sources: Vec<Source>,
    /// In the order of the configuration.
    pub sinks: Vec<Built>,
    /// Those sinks that can be tried without an event.
    pub looks: Vec<SinkProbe>,
    /// Ends the sinks' drivers, which were built with it.
    pub sinks_stop: Stop,
    /// How events are read and rendered.
    pub options: Arc<EventOptions>,
    /// What is known beside the records.
    pub surroundings: Arc<Enrichment>,
    /// The routes.
    pub router: Router,
    /// Where poison goes.
    pub graveyard: DeadLetterPolicy,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// Selection and limits.
    pub decoder: DecoderSettings,
    /// Where larger objects are decoded.
    pub executor: Executor,
    /// The wall clock.
    pub now: Now,
    /// Seed of the jitter.
    pub seed: u64,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Probes.
    pub health: Arc<Health>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Deliveries that were still in hand when the process let go; their messages come again.
    pub abandoned: usize,
    /// Drivers that did not end in time.
    pub late: usize,
    /// A driver ended before it was told to: what it did nobody does any more, so the run ended too.
    pub broken: bool,
}

/// Runs until `stop`, or until a driver fails, then drains under `[delivery] drain`.
pub async fn run(mut parts: Parts, stop: CancellationToken) -> Ended {
    let drain = parts.delivery.shutdown_grace_period;
    let (sinks_stop, looks) = (parts.sinks_stop.clone(), std::mem::take(&mut parts.looks));
    let queues_stop = CancellationToken::new();
    let mut drivers = JoinSet::new();
    let (wire, sources) = assemble(parts, &queues_stop, &mut drivers);
    let batch = (wire.gates.work_size() / (2 * sources.len().max(1))).clamp(1, MAX_BATCH);
    let mut receivers = JoinSet::new();
    let surroundings = Arc::clone(&wire.surroundings);
    receivers.spawn(surroundings.keep_fresh(Arc::clone(&wire.metrics), stop.clone()));
    receivers.spawn(sink_probe::at_sinks(Arc::clone(&wire), looks, stop.clone()));
    for source in sources {
        receivers.spawn(queue_check::look_at(Arc::clone(&source.queue), stop.clone()));
        receivers.spawn(Receiver::new(Arc::clone(&wire), source, batch).run(stop.clone()));
    }
    let broken = !beat_until(&stop, &wire.health, &mut drivers).await;
    stop.cancel();

    wire.health.drain();
    let deadline = Instant::now() + drain;
    tracing::info!(drain_seconds = drain.as_secs(), "stopping: no message is received any more");
    let margin = SETTLE_MARGIN.min(drain / 2);
    let finished = join_all(&mut receivers, deadline - margin).await;
    if !finished {
        wire.expire.cancel();
        join_all(&mut receivers, deadline - margin / 2).await;
    }
    let abandoned = wire.deliveries.len();
    // Each in time for the next: what sinks hand back is still heard, and then the queues' drivers end.
    sinks_stop.by(deadline - margin / 5);
    wire.deliveries.close();
    let _ = tokio::time::timeout_at(deadline - margin / 10, wire.deliveries.wait()).await;
    queues_stop.cancel();
    join_all(&mut drivers, deadline).await;
    let late = drivers.len();
    drivers.abort_all();
    tracing::info!(abandoned, late, "stopped");
    Ended { abandoned, late, broken }
}

/// Wires the rooms together and spawns every driver.
fn assemble(
    parts: Parts,
    queues_stop: &CancellationToken,
    drivers: &mut JoinSet<()>,
) -> (Arc<Wire>, Vec<Arc<RunningSource>>) {
    let lease = VisibilitySettings {
        visibility: parts.delivery.visibility_timeout,
        renew_before: parts.delivery.visibility_timeout / 2,
        cap: LEASE_CAP,
    };
    let mut posts = Vec::new();
    for built in parts.sinks {
        posts.push(Post::new(&built));
        drivers.spawn(built.driver);
    }
    let mut sources = Vec::new();
    for source in parts.sources {
        parts.health.source(source.queue.name(), SourceHealth::Starting);
        let (keeper, keeping) =
            VisibilityExtender::new(Arc::clone(&source.queue), lease, queues_stop.clone());
        let (settler, settling) = Acknowledger::new(Arc::clone(&source.queue), queues_stop.clone());
        drivers.spawn(keeping);
        drivers.spawn(settling);
        let Source { queue, store, policy } = source;
        let (filtering, refusals) = (Filtering::default(), Refusals::default());
        let source = RunningSource { queue, store, policy, filtering, refusals, keeper, settler };
        sources.push(Arc::new(source));
    }
    let wire = Arc::new(Wire {
        gates: Gates::new(&parts.delivery),
        stage: Arc::new(DecodeStage::new(parts.decoder, parts.executor)),
        options: parts.options,
        surroundings: parts.surroundings,
        router: parts.router,
        posts,
        ledger: Ledger::new(parts.delivery.dedup_window),
        in_hand: InHand::default(),
        digests: Accounts::default(),
        graveyard: parts.graveyard,
        metrics: parts.metrics,
        health: parts.health,
        now: parts.now,
        jitter: Mutex::new(fastrand::Rng::with_seed(parts.seed)),
        patience: parts.delivery.delivery_timeout,
        deliveries: TaskTracker::new(),
        expire: CancellationToken::new(),
    });
    connect_probes(&wire);
    init_metrics::begin(&wire);
    (wire, sources)
}

/// Lets the probes see sinks and gauges without keeping the wire alive.
fn connect_probes(wire: &Arc<Wire>) {
    let weak = Arc::downgrade(wire);
    wire.health.watch_sinks(Box::new(move || {
        let Some(wire) = weak.upgrade() else { return Vec::new() };
        let state = |post: &Post| match post.sink.state() {
            SinkState::Unverified => Ok(post.untried()),
            SinkState::Up => Ok("up".to_owned()),
            SinkState::Degraded(error) => Ok(format!("degraded: {error}")),
            SinkState::Paused(error) => Err(error),
        };
        wire.posts.iter().map(|post| (post.name.clone(), post.required, state(post))).collect()
    }));
    let weak = Arc::downgrade(wire);
    wire.health.before_metrics(Box::new(move || {
        let Some(wire) = weak.upgrade() else { return };
        let (work, unacknowledged, memory) = wire.gates.in_use();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        wire.metrics.messages_processing.set(gauge(work as u64));
        wire.metrics.messages_in_flight.set(gauge(unacknowledged as u64));
        wire.metrics.memory_reserved.set(gauge(memory));
        wire.metrics.dedup_entries.set(gauge(wire.ledger.len() as u64));
        wire.metrics.oldest_message_age.set(gauge(wire.in_hand.oldest((wire.now)().into())));
    }));
}

/// Shows a sign of life until `stop`, or until a driver ends before its time: `false`. Without it the
/// process would receive messages that it can only give back, until their queue gives them up.
async fn beat_until(stop: &CancellationToken, health: &Health, drivers: &mut JoinSet<()>) -> bool {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return true,
            Some(ended) = drivers.join_next() => {
                let cause = ended.map_or_else(|cause| cause.to_string(), |()| "it ended".to_owned());
                tracing::error!("a driver failed, so the process ends, to be started anew: {cause}");
                return false;
            }
            _ = beat.tick() => health.beat(),
        }
    }
}

/// Waits for all tasks of `set`; `false` if the deadline came first.
async fn join_all(set: &mut JoinSet<()>, deadline: Instant) -> bool {
    let all = async { while set.join_next().await.is_some() {} };
    tokio::time::timeout_at(deadline, all).await.is_ok()
}
