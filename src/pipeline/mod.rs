//! The hot path: receive, process, decode, dispatch, settle, within limits; and shutdown. The only
//! place that spawns tasks.
//!
//! One message is one future: it fetches, decodes, verifies, routes and delivers, awaits the
//! outcomes and settles. That is the acknowledgement tree. Work that messages share belongs to
//! drivers (one that extends visibility and one that acknowledges per queue, one per sink), so that
//! dropping a message never cancels another's request.

mod access_monitor;
mod activity;
mod crash_guard;
pub(crate) mod dead_letter;
mod decode;
mod dedup;
mod dispatch;
mod init_metrics;
mod limits;
mod message;
mod object;
mod observers;
mod receive;
mod records;
mod replayed;
mod single_record;
mod sinks;
mod skip_monitor;
mod source;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cloudtrail::DecoderSettings;
use crate::config::{Alerts, Delivery, EventOptions};
use crate::error::Code;
use crate::queue::{Acknowledger, VisibilityExtender, VisibilitySettings};
use crate::route::Router;
use crate::sink::Stop;
use crate::telemetry::{Health, Metrics, SourceHealth};

use access_monitor::AccessMonitor;
use crash_guard::CrashGuard;
use decode::DecodeStage;
use dedup::DedupCache;
use dispatch::Dispatcher;
use limits::Limits;
use message::MessageHandler;
use object::ObjectProcessor;
use observers::{InFlight, Observers};
use receive::Receiver;
use sinks::Sinks;
use skip_monitor::{AccountLabels, SkipMonitor};
use source::RunningSource;

pub use dead_letter::{
    DeadLetter, DeadLetterBucket, DeadLetterDirectory, DeadLetterPolicy, DeadLetterQueue,
    DeadLetterWriter, KeepBytes,
};
pub use decode::Executor;
pub use observers::Now;
pub use records::EnrichmentSnapshot;
pub use sinks::{SinkEntry, SinkPart};
pub use source::{Bodies, Source, SourcePolicy};

/// Part of the shutdown grace period that is reserved for settling, flushing and ending the
/// drivers.
const SETTLE_MARGIN: Duration = Duration::from_secs(10);

/// How often the pipeline's own loop reports that it runs.
const BEAT: Duration = Duration::from_secs(10);

/// SQS's cap on one receive's visibility. Source: Amazon SQS Developer Guide, "Visibility timeout".
const VISIBILITY_CAP: Duration = Duration::from_secs(12 * 3600);

/// Everything that a pipeline is made of: real clients, or fakes.
pub struct Parts {
    /// At least one.
    pub sources: Vec<Source>,
    /// In the order of the configuration.
    pub sinks: Vec<SinkPart>,
    /// Checks of sources and sinks that only a service needs; dropped at shutdown.
    pub probes: Vec<BoxFuture<'static, ()>>,
    /// Other tasks, such as the refresh of `enrichment`; dropped at shutdown.
    pub background: Vec<BoxFuture<'static, ()>>,
    /// Ends the sinks' drivers, which were built with it.
    pub sinks_stop: Stop,
    /// How events are read and rendered.
    pub options: Arc<EventOptions>,
    /// The accounts and credential reports that events are read with.
    pub enrichment: EnrichmentSnapshot,
    /// The routes, resolved to positions in `sinks`.
    pub router: Router,
    /// What is done with poison.
    pub dead_letters: DeadLetterPolicy,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[alerts]`.
    pub alerts: Alerts,
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
    /// The health endpoints.
    pub health: Arc<Health>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Deliveries that were still in flight at the end; their messages are redelivered.
    pub abandoned: usize,
    /// Drivers that did not end in time.
    pub late: usize,
    /// A driver ended before shutdown: nothing does its work any more, so the run ended too.
    pub broken: bool,
}

/// Runs until `stop`, or until a driver fails, then shuts down within the grace period.
pub async fn run(mut parts: Parts, stop: CancellationToken) -> Ended {
    let grace_period = parts.delivery.shutdown_grace_period;
    let sinks_stop = parts.sinks_stop.clone();
    let mut tasks = std::mem::take(&mut parts.background);
    tasks.append(&mut parts.probes);
    let (queues_stop, mut drivers) = (CancellationToken::new(), JoinSet::new());
    let (handler, sources) = start(parts, &queues_stop, &mut drivers);
    let (health, sinks) = (&handler.objects.observers.health, &handler.objects.dispatcher.sinks);
    let batch = handler.limits.max_processing() / (2 * sources.len().max(1));
    let mut receivers = JoinSet::new();
    for task in tasks {
        let stop = stop.clone();
        receivers.spawn(async move {
            let _ = stop.run_until_cancelled(task).await;
        });
    }
    let names = |names: Vec<&str>| names.join(" ");
    tracing::info!(
        sources = names(sources.iter().map(|source| source.queue.name()).collect()),
        sinks = names(sinks.entries.iter().map(|entry| entry.name.as_str()).collect()),
        "processing started"
    );
    let activity = activity::log(Arc::clone(&handler));
    let activity_stop = stop.clone();
    receivers.spawn(async move {
        let _ = activity_stop.run_until_cancelled(activity).await;
    });
    for source in sources {
        let receiver = Receiver::new(Arc::clone(&handler), source, batch);
        receivers.spawn(receiver.run(stop.clone()));
    }
    let broken = !beat_until(&stop, health, sinks, &mut drivers).await;
    stop.cancel();

    health.set_shutting_down();
    let deadline = Instant::now() + grace_period;
    tracing::info!(grace_period_seconds = grace_period.as_secs(), "shutdown started");
    let margin = SETTLE_MARGIN.min(grace_period / 2);
    if !join_all(&mut receivers, deadline - margin).await {
        handler.grace_period_over.cancel();
        join_all(&mut receivers, deadline - margin / 2).await;
    }
    let abandoned = sinks.deliveries.len();
    // Each in time for the next: outcomes that sinks still return are settled, then the queues'
    // drivers end.
    sinks_stop.by(deadline - margin / 5);
    sinks.deliveries.close();
    let _ = tokio::time::timeout_at(deadline - margin / 10, sinks.deliveries.wait()).await;
    queues_stop.cancel();
    join_all(&mut drivers, deadline).await;
    let late = drivers.len();
    drivers.abort_all();
    tracing::info!(abandoned, late, "shutdown complete");
    Ended { abandoned, late, broken }
}

/// Connects the parts and spawns every driver.
fn start(
    parts: Parts,
    queues_stop: &CancellationToken,
    drivers: &mut JoinSet<()>,
) -> (Arc<MessageHandler>, Vec<Arc<RunningSource>>) {
    let (metrics, health, now) = (parts.metrics, parts.health, parts.now);
    let mut entries = Vec::new();
    for SinkPart { entry, driver } in parts.sinks {
        entries.push(entry);
        drivers.spawn(driver);
    }
    let visibility = VisibilitySettings {
        visibility_timeout: parts.delivery.visibility_timeout,
        extend_before: parts.delivery.visibility_timeout / 2,
        max_visibility: VISIBILITY_CAP,
    };
    let mut sources = Vec::new();
    for source in parts.sources {
        health.source(source.queue.name(), SourceHealth::Starting);
        sources.push(start_source(source, visibility, queues_stop, drivers));
    }
    let sinks = Sinks {
        entries,
        router: parts.router,
        dedup: DedupCache::new(parts.delivery.dedup_window),
        overdue_after: parts.alerts.sink_after,
        deliveries: TaskTracker::new(),
    };
    init_metrics::init(&metrics, &sinks);
    let dispatcher = Dispatcher {
        options: parts.options,
        enrichment: parts.enrichment,
        sinks,
        dead_letters: parts.dead_letters,
        metrics: Arc::clone(&metrics),
        now: Arc::clone(&now),
        large_record: Semaphore::new(1),
    };
    let (in_flight, digest_accounts) = (InFlight::default(), AccountLabels::default());
    let handler = Arc::new(MessageHandler {
        limits: Arc::new(Limits::new(&parts.delivery)),
        objects: ObjectProcessor {
            decode: Arc::new(DecodeStage::new(parts.decoder, parts.executor)),
            dispatcher: Arc::new(dispatcher),
            observers: Observers { metrics, health, in_flight, digest_accounts, now },
        },
        delivery_timeout: parts.delivery.delivery_timeout,
        crash_guard: CrashGuard::new(parts.delivery.visibility_timeout),
        jitter: Mutex::new(fastrand::Rng::with_seed(parts.seed)),
        grace_period_over: CancellationToken::new(),
    });
    connect_health(&handler);
    (handler, sources)
}

fn start_source(
    source: Source,
    visibility: VisibilitySettings,
    stop: &CancellationToken,
    drivers: &mut JoinSet<()>,
) -> Arc<RunningSource> {
    let Source { queue, store, policy } = source;
    let (extender, extending) =
        VisibilityExtender::new(Arc::clone(&queue), visibility, stop.clone());
    let (acknowledger, acknowledging) = Acknowledger::new(Arc::clone(&queue), stop.clone());
    drivers.spawn(extending);
    drivers.spawn(acknowledging);
    let (skips, access) = (SkipMonitor::default(), AccessMonitor::default());
    Arc::new(RunningSource { queue, store, policy, extender, acknowledger, skips, access })
}

/// Lets the health endpoints read sinks and gauges without keeping the pipeline alive.
fn connect_health(handler: &Arc<MessageHandler>) {
    let health = &handler.objects.observers.health;
    let weak = Arc::downgrade(handler);
    health.set_sinks(Box::new(move || {
        let Some(handler) = weak.upgrade() else { return Vec::new() };
        let Sinks { entries, overdue_after, .. } = &handler.objects.dispatcher.sinks;
        entries.iter().map(|entry| entry.health(*overdue_after)).collect()
    }));
    let weak = Arc::downgrade(handler);
    health.before_metrics(Box::new(move || {
        let Some(handler) = weak.upgrade() else { return };
        let Observers { metrics, in_flight, now, .. } = &handler.objects.observers;
        let in_use = handler.limits.in_use();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.messages_processing.set(gauge(in_use.processing as u64));
        metrics.messages_in_flight.set(gauge(in_use.in_flight as u64));
        metrics.memory_reserved.set(gauge(in_use.memory));
        metrics.dedup_entries.set(gauge(handler.objects.dispatcher.sinks.dedup.len() as u64));
        metrics.oldest_message_age.set(gauge(in_flight.oldest(now().into())));
    }));
}

/// Reports liveness and overdue sinks until `stop`, or until a driver ends before shutdown: then
/// returns `false`. Without it the process would receive messages that it can only release, until
/// their queue moves them to its dead-letter queue.
async fn beat_until(
    stop: &CancellationToken,
    health: &Health,
    sinks: &Sinks,
    drivers: &mut JoinSet<()>,
) -> bool {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return true,
            Some(ended) = drivers.join_next() => {
                let cause = ended.map_or_else(|cause| cause.to_string(), |()| "ended".to_owned());
                let code = Code::DriverFailed.as_str();
                tracing::error!(code, error = cause, "driver task failed, shutting down");
                return false;
            }
            _ = beat.tick() => {
                health.beat();
                sinks.entries.iter().for_each(|entry| entry.log_overdue(sinks.overdue_after));
            }
        }
    }
}

/// Waits for all tasks of `set`; returns `false` if the deadline came first.
async fn join_all(set: &mut JoinSet<()>, deadline: Instant) -> bool {
    let all = async { while set.join_next().await.is_some() {} };
    tokio::time::timeout_at(deadline, all).await.is_ok()
}
