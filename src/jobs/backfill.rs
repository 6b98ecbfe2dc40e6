//! `backfill`: history through the same path. The objects of a time range become the messages of a
//! finite queue here, or notifications in the source's own queue, for the whole fleet.
//!
//! The guarantees are those of the service: an object counts only when everything in it is final (or,
//! enqueued, when SQS has confirmed it), and what an interrupted run had not noted is done again.

mod plan;
mod resume;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{build, queue_and_store};
use crate::config::{Config, SourceConfig};
use crate::error::{Code, Error, backoff};
use crate::jobs::job_queue::{Counts, JobQueue, LEASE, Progress, Work};
use crate::pipeline::context::Source;
use crate::pipeline::run;
use crate::queue::{EntryError, MAX_BATCH, SqsQueue};
use crate::store::{Listed, Location, ObjectRef, S3Store, notification};
use resume::Notes;
use walk::walk;

pub use plan::{Plan, Span};
pub use resume::Resume;

/// How often an object is offered to the pipeline, and a refused notification to SQS. What is poison
/// goes to the dead letter at once; these are for faults that heal.
const ATTEMPTS: u32 = 5;

/// What a backfill needs besides its plan.
pub struct Backfill {
    /// The configuration of `run`.
    pub config: Config,
    /// AWS's configuration, if not the environment's.
    pub aws: Option<SdkConfig>,
    /// What an earlier run has noted, and where this one notes.
    pub resume: Resume,
    /// Called for each object that is done or given up.
    pub tick: Box<dyn Fn() + Send + Sync>,
}

/// The source whose rules hold for `bucket`: only an SQS source names the buckets it may read.
///
/// # Errors
/// None does.
pub fn source_of<'c>(config: &'c Config, bucket: &str) -> Result<&'c SourceConfig, Error> {
    config
        .sources
        .iter()
        .find(|source| source.buckets.iter().any(|own| own.name == bucket))
        .ok_or_else(|| {
            let text = format!("no [[source]] of this configuration allows the bucket {bucket}");
            Error::new(Code::BucketNotAllowed, text)
        })
}

/// Works on the plan in this process, until all of it has ended or `stop`.
///
/// # Errors
/// The pipeline cannot be built, or the bucket cannot be listed.
pub async fn backfill(
    job: Backfill,
    plan: &Plan,
    stop: CancellationToken,
) -> Result<Counts, Error> {
    let bucket = &plan.span.bucket;
    let source = source_of(&job.config, bucket)?;
    let (_, store) = queue_and_store(&job.config, source, job.aws.clone()).await?;
    let at = job.config.sources.iter().position(|one| std::ptr::eq(one, source)).unwrap_or(0);
    let mut parts = build(job.config, job.aws).await?;
    parts.delivery.visibility_timeout = LEASE;
    // Nobody asks whether this is ready, and what it sends says more.
    parts.looks.clear();
    let notes = Arc::new(Notes::new(job.resume, job.tick));
    let progress: Arc<dyn Progress> = Arc::clone(&notes) as _;
    let (list, sender) = JobQueue::new(format!("backfill of {bucket}"), ATTEMPTS, progress);
    let Source { store: objects, policy, .. } = parts.sources.swap_remove(at);
    parts.sources = vec![Source { queue: Arc::clone(&list) as _, store: objects, policy }];

    let finished = list.finished();
    let work = async {
        let fed = tokio::select! {
            fed = feed(&store, plan, &notes, sender) => fed,
            () = stop.cancelled() => Ok(()),
        };
        tokio::select! {
            biased;
            () = finished.cancelled() => {}
            () = stop.cancelled() => return fed.and(Err(interrupted())),
        }
        stop.cancel();
        fed
    };
    let (ended, fed) = tokio::join!(run(parts, stop.clone()), work);
    tracing::debug!(?ended, "end");
    notes.flush()?;
    fed.map(|()| list.counts())
}

fn interrupted() -> Error {
    Error::new(
        Code::Interrupted,
        "interrupted; the same command goes on where its --resume file says",
    )
}

/// Finds out what a backfill of `span` will do.
///
/// # Errors
/// No source allows the bucket, or it cannot be listed.
pub async fn plan_backfill(
    config: &Config,
    aws: Option<SdkConfig>,
    span: Span,
) -> Result<Plan, Error> {
    let source = source_of(config, &span.bucket)?;
    let (_, store) = queue_and_store(config, source, aws).await?;
    plan::plan(&store, span).await
}

/// Lists the plan's objects into the queue.
async fn feed(
    store: &S3Store,
    plan: &Plan,
    notes: &Notes,
    sender: mpsc::Sender<Work>,
) -> Result<(), Error> {
    let fed = walk(store, plan, notes.after(), async |listed| {
        let body = announcement(&plan.span.bucket, &listed);
        notes.listed(&listed.key);
        let work = Work { id: listed.key.clone(), body, place: listed.key };
        sender.send(work).await.map_err(|_| Error::new(Code::Stopping, "the pipeline has ended"))
    });
    fed.await.map(drop)
}

/// Sends the plan's objects to the source's queue as S3 would announce them.
///
/// # Errors
/// The bucket cannot be listed, or SQS refuses a notification several times.
pub async fn enqueue(job: Backfill, plan: &Plan, stop: CancellationToken) -> Result<Counts, Error> {
    let source = source_of(&job.config, &plan.span.bucket)?;
    let (queue, store) = queue_and_store(&job.config, source, job.aws).await?;
    let notes = Notes::new(job.resume, job.tick);
    let (mut batch, mut counts) = (Vec::new(), Counts::default());
    let listing = walk(&store, plan, notes.after(), async |listed| {
        let body = announcement(&plan.span.bucket, &listed);
        notes.listed(&listed.key);
        batch.push((listed.key, body));
        if batch.len() == MAX_BATCH {
            send(&queue, &mut batch, &notes, &mut counts).await?;
        }
        Ok(())
    });
    let listed = tokio::select! {
        listed = listing => listed,
        () = stop.cancelled() => Err(interrupted()),
    };
    let sent = match listed {
        Ok(_) => send(&queue, &mut batch, &notes, &mut counts).await,
        Err(error) => Err(error),
    };
    notes.flush()?;
    sent.map(|()| counts)
}

/// Sends a batch until every entry of it is confirmed.
async fn send(
    queue: &SqsQueue,
    batch: &mut Vec<(String, String)>,
    notes: &Notes,
    counts: &mut Counts,
) -> Result<(), Error> {
    let mut failed = None;
    for attempt in 1..=ATTEMPTS {
        if batch.is_empty() {
            return Ok(());
        }
        if attempt > 1 {
            tokio::time::sleep(backoff(attempt, 0.5).min(Duration::from_secs(60)) / 10).await;
        }
        let bodies: Vec<String> = batch.iter().map(|(_, body)| body.clone()).collect();
        let entries = match queue.send_batch(&bodies).await {
            Ok(entries) => entries,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let mut left = Vec::new();
        for ((key, body), entry) in batch.drain(..).zip(entries) {
            match entry {
                Ok(()) => {
                    counts.done += 1;
                    notes.done(&key);
                }
                Err(EntryError::Lost(error) | EntryError::Transient(error)) => {
                    failed = Some(error);
                    left.push((key, body));
                }
            }
        }
        *batch = left;
    }
    match failed {
        Some(error) if !batch.is_empty() => Err(error),
        _ => Ok(()),
    }
}

fn announcement(bucket: &str, listed: &Listed) -> String {
    let location =
        Location::S3 { bucket: bucket.to_owned(), key: listed.key.clone(), version: None };
    let object =
        ObjectRef { location, region: None, size: Some(listed.size), etag: listed.etag.clone() };
    notification::created(&object).unwrap_or_default()
}
