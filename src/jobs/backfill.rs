//! `backfill`: history through the same path. The objects of a time range become the messages of a
//! finite queue in this process, or notifications in the source's own queue, for all running
//! services.
//!
//! The guarantees are those of the service: an object is complete only when everything in it is
//! final (or, enqueued, when SQS has confirmed its notification), and what an interrupted run had
//! not recorded is processed again.

mod plan;
mod resume_file;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{build, queue_and_store};
use crate::config::{Config, SourceConfig};
use crate::error::{Code, Error, backoff};
use crate::jobs::job_queue::{Job, JobCounts, JobHandler, JobQueue, VISIBILITY_TIMEOUT};
use crate::pipeline::{Source, run};
use crate::queue::{EntryError, MAX_BATCH, SqsQueue};
use crate::store::{Listed, Location, ObjectRef, S3Store, notification};
use plan::{list_objects, plan};
use resume_file::Progress;

pub use plan::{Plan, Scope};
pub use resume_file::ResumeFile;

/// Attempts for each object in the pipeline, and for each notification to SQS. What can never be
/// processed is dead-lettered at once; the attempts are for transient failures.
const MAX_ATTEMPTS: u32 = 5;

/// What a backfill needs besides its plan.
pub struct Backfill {
    /// The configuration of `run`.
    pub config: Config,
    /// AWS's SDK configuration, if not the environment's.
    pub aws: Option<SdkConfig>,
    /// What an earlier run has recorded, and where this one records.
    pub resume: ResumeFile,
    /// Called for each object that has completed or failed.
    pub tick: Box<dyn Fn() + Send + Sync>,
}

/// Returns the source whose rules apply to `bucket`: only an SQS source names the buckets it may
/// read.
///
/// # Errors
/// No source does.
pub fn source_of<'c>(config: &'c Config, bucket: &str) -> Result<&'c SourceConfig, Error> {
    let allows = |source: &&SourceConfig| source.buckets.iter().any(|own| own.name == bucket);
    config.sources.iter().find(allows).ok_or_else(|| {
        let text = format!("no [[source]] of this configuration allows the bucket {bucket}");
        Error::new(Code::BucketNotAllowed, text)
    })
}

/// Lists what a backfill of `scope` will process.
///
/// # Errors
/// No source allows the bucket, or it cannot be listed.
pub async fn plan_backfill(
    config: &Config,
    aws: Option<SdkConfig>,
    scope: Scope,
) -> Result<Plan, Error> {
    let source = source_of(config, &scope.bucket)?;
    let (_, store) = queue_and_store(config, source, aws).await?;
    plan(&store, scope).await
}

/// Processes the plan in this process, until every object has completed or failed, or `stop`.
///
/// # Errors
/// The pipeline cannot be built, the bucket cannot be listed, or `stop` came first.
pub async fn backfill(
    job: Backfill,
    plan: &Plan,
    stop: CancellationToken,
) -> Result<JobCounts, Error> {
    let bucket = &plan.scope.bucket;
    let source = source_of(&job.config, bucket)?;
    let (_, store) = queue_and_store(&job.config, source, job.aws.clone()).await?;
    let at = job.config.sources.iter().position(|one| std::ptr::eq(one, source)).unwrap_or(0);
    let mut parts = build(job.config, job.aws).await?;
    parts.delivery.visibility_timeout = VISIBILITY_TIMEOUT;
    // A job has no readiness, and the outcomes of its events are more precise than probes.
    parts.probes.clear();
    let progress = Arc::new(Progress::new(job.resume, job.tick));
    let handler: Arc<dyn JobHandler> = Arc::clone(&progress) as _;
    let (queue, sender) = JobQueue::new(format!("backfill of {bucket}"), MAX_ATTEMPTS, handler);
    let Source { store: objects, policy, .. } = parts.sources.swap_remove(at);
    parts.sources = vec![Source { queue: Arc::clone(&queue) as _, store: objects, policy }];

    let finished = queue.finished();
    let feed = async {
        let fed = tokio::select! {
            fed = add_jobs(&store, plan, &progress, sender) => fed,
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
    let (ended, fed) = tokio::join!(run(parts, stop.clone()), feed);
    tracing::debug!(?ended, "pipeline stopped");
    progress.flush()?;
    fed.map(|()| queue.counts())
}

fn interrupted() -> Error {
    let text = "interrupted; the same command continues from its --resume file";
    Error::new(Code::Interrupted, text)
}

/// Lists the plan's objects and adds a job for each.
async fn add_jobs(
    store: &S3Store,
    plan: &Plan,
    progress: &Progress,
    sender: mpsc::Sender<Job>,
) -> Result<(), Error> {
    let listing = list_objects(store, plan, progress.after(), async |listed| {
        let body = notification_of(&plan.scope.bucket, &listed);
        progress.add(&listed.key);
        let job = Job { id: listed.key.clone(), body, key: listed.key };
        sender.send(job).await.map_err(|_| Error::new(Code::Stopping, "the pipeline has stopped"))
    });
    listing.await.map(drop)
}

/// Sends the plan's objects to the source's queue, as notifications of S3.
///
/// # Errors
/// The bucket cannot be listed, or SQS rejects a notification several times.
pub async fn enqueue(
    job: Backfill,
    plan: &Plan,
    stop: CancellationToken,
) -> Result<JobCounts, Error> {
    let source = source_of(&job.config, &plan.scope.bucket)?;
    let (queue, store) = queue_and_store(&job.config, source, job.aws).await?;
    let progress = Progress::new(job.resume, job.tick);
    let (mut batch, mut counts) = (Vec::new(), JobCounts::default());
    let listing = list_objects(&store, plan, progress.after(), async |listed| {
        let body = notification_of(&plan.scope.bucket, &listed);
        progress.add(&listed.key);
        batch.push((listed.key, body));
        if batch.len() == MAX_BATCH {
            send_batch(&queue, &mut batch, &progress, &mut counts).await?;
        }
        Ok(())
    });
    let listed = tokio::select! {
        listed = listing => listed,
        () = stop.cancelled() => Err(interrupted()),
    };
    let sent = match listed {
        Ok(_) => send_batch(&queue, &mut batch, &progress, &mut counts).await,
        Err(error) => Err(error),
    };
    progress.flush()?;
    sent.map(|()| counts)
}

/// Sends a batch of keys and notifications until SQS has confirmed every entry.
async fn send_batch(
    queue: &SqsQueue,
    batch: &mut Vec<(String, String)>,
    progress: &Progress,
    counts: &mut JobCounts,
) -> Result<(), Error> {
    let mut failed = None;
    for attempt in 1..=MAX_ATTEMPTS {
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
        let mut unconfirmed = Vec::new();
        for ((key, body), entry) in batch.drain(..).zip(entries) {
            match entry {
                Ok(()) => {
                    counts.completed += 1;
                    progress.complete(&key);
                }
                Err(EntryError::Lost(error) | EntryError::Transient(error)) => {
                    failed = Some(error);
                    unconfirmed.push((key, body));
                }
            }
        }
        *batch = unconfirmed;
    }
    match failed {
        Some(error) if !batch.is_empty() => Err(error),
        _ => Ok(()),
    }
}

fn notification_of(bucket: &str, listed: &Listed) -> String {
    let (bucket, key) = (bucket.to_owned(), listed.key.clone());
    let location = Location::S3 { bucket, key, version: None };
    let object =
        ObjectRef { location, region: None, size: Some(listed.size), etag: listed.etag.clone() };
    notification::created(&object).unwrap_or_default()
}
