//! `replay`: dead letters through the same path again; those that become final are deleted.
//!
//! A dead letter is a message of a finite queue whose deletion deletes the dead letter, so that
//! every guarantee for messages holds for dead letters: what is not final at every sink is kept.
//! What is rejected again is kept too; another failure met on the way is written as a dead letter
//! of its own.

mod reader;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_config::SdkConfig;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{build, own_store};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::jobs::job_queue::{Job, JobCounts, JobHandler, JobQueue, VISIBILITY_TIMEOUT};
use crate::pipeline::dead_letter::parse::{self, Content, Read};
use crate::pipeline::{
    Bodies, DeadLetter, DeadLetterPolicy, DeadLetterWriter, KeepBytes, Parts, Source, SourcePolicy,
    run,
};
use crate::store::Location;
use reader::DeadLetterReader;

/// The result of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Dead letters found.
    pub found: u64,
    /// Dead letters that became final and were deleted.
    pub deleted: u64,
}

/// One attempt for each dead letter: what fails or is rejected again is kept for the next replay.
const MAX_ATTEMPTS: u32 = 1;

/// Processes every dead letter of `sources` (files, folders or `s3://bucket/prefix`) in the
/// pipeline of `config`, until all have ended, or `stop`.
///
/// # Errors
/// The pipeline cannot be built, or the dead letters cannot be listed. A failure of one dead letter
/// is logged, and the dead letter is kept.
pub async fn replay(
    config: Config,
    aws: Option<SdkConfig>,
    sources: &[String],
    stop: CancellationToken,
) -> Result<Replayed, Error> {
    let in_s3 = sources.iter().any(|source| source.starts_with("s3://"));
    let s3 = if in_s3 { Some(Arc::new(own_store(&config, aws.clone()).await?)) } else { None };
    let reader = Arc::new(DeadLetterReader::open(sources, s3).await?);
    let mut parts = build(config, aws).await?;
    parts.delivery.visibility_timeout = VISIBILITY_TIMEOUT;
    // A job has no readiness, and the outcomes of its events are more precise than probes.
    parts.probes.clear();
    let replayed: Names = Arc::default();
    let keep_bytes = match &parts.dead_letters {
        DeadLetterPolicy::Write(_, keep_bytes) => *keep_bytes,
        DeadLetterPolicy::Redrive => KeepBytes(false),
    };
    let writer =
        ReplayWriter { policy: parts.dead_letters.clone(), replayed: Arc::clone(&replayed) };
    parts.dead_letters = DeadLetterPolicy::Write(Arc::new(writer), keep_bytes);
    let sources = replace_queues(&mut parts, &reader);
    let queues: Vec<_> = sources.iter().flat_map(SourceQueues::both).collect();
    let feed = async {
        let all = async {
            add_jobs(&reader, sources, &replayed, &stop).await;
            for queue in &queues {
                queue.finished().cancelled().await;
            }
        };
        tokio::select! {
            () = all => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run(parts, stop.clone()), feed);
    tracing::debug!(?ended, "pipeline stopped");
    let counts = queues.iter().map(|queue| queue.counts());
    let deleted = counts.map(|JobCounts { completed, .. }| completed).sum();
    Ok(Replayed { found: reader.names().len() as u64, deleted })
}

/// Names of the dead letters that are being replayed.
type Names = Arc<Mutex<BTreeSet<String>>>;

/// Writes dead letters, except those that are being replayed: to write such a one again and then
/// delete it as final would lose it.
struct ReplayWriter {
    policy: DeadLetterPolicy,
    replayed: Names,
}

impl DeadLetterWriter for ReplayWriter {
    fn put(&self, dead_letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        let name = &dead_letter.name;
        let text = match &self.policy {
            _ if self.replayed.lock().contains(name) => {
                let reason = &dead_letter.body["reason"];
                let member = |name: &str| reason[name].as_str().unwrap_or_default();
                format!("{name} is rejected again: {} [{}]", member("text"), member("code"))
            }
            DeadLetterPolicy::Write(writer, _) => return writer.put(dead_letter),
            DeadLetterPolicy::Redrive => {
                format!("{name} is rejected, and no location for dead letters is configured")
            }
        };
        Box::pin(async move { Err(Error::new(Code::StillRejected, text)) })
    }
}

/// The job queues of one configured source: for what its queue would receive, and for dead letters
/// of its events.
struct SourceQueues {
    /// The name of the source's queue.
    name: String,
    policy: SourcePolicy,
    bodies: (Arc<JobQueue>, mpsc::Sender<Job>),
    dead_letters: (Arc<JobQueue>, mpsc::Sender<Job>),
}

impl SourceQueues {
    fn both(&self) -> [Arc<JobQueue>; 2] {
        [Arc::clone(&self.bodies.0), Arc::clone(&self.dead_letters.0)]
    }

    fn reads_files(&self) -> bool {
        self.policy.bodies == Bodies::Paths
    }
}

/// Replaces the queue of each source by two job queues.
fn replace_queues(parts: &mut Parts, reader: &Arc<DeadLetterReader>) -> Vec<SourceQueues> {
    let mut sources = Vec::new();
    for source in std::mem::take(&mut parts.sources) {
        let name = source.queue.name().to_owned();
        let queue = |name| {
            let handler: Arc<dyn JobHandler> = Arc::clone(reader) as _;
            JobQueue::new(name, MAX_ATTEMPTS, handler)
        };
        let bodies = queue(name.clone());
        let dead_letters = queue(format!("dead letters of {name}"));
        let policy = source.policy;
        parts.sources.push(Source {
            queue: Arc::clone(&bodies.0) as _,
            store: Arc::clone(&source.store),
            policy: policy.clone(),
        });
        parts.sources.push(Source {
            queue: Arc::clone(&dead_letters.0) as _,
            store: source.store,
            policy: SourcePolicy { bodies: Bodies::DeadLetters, ..policy.clone() },
        });
        sources.push(SourceQueues { name, policy, bodies, dead_letters });
    }
    sources
}

/// Reads every dead letter and adds a job to the source it belongs to; what cannot be read is
/// logged.
async fn add_jobs(
    reader: &DeadLetterReader,
    sources: Vec<SourceQueues>,
    replayed: &Names,
    stop: &CancellationToken,
) {
    for name in reader.names() {
        if stop.is_cancelled() {
            return;
        }
        let parsed = reader.read(name).await.and_then(|text| parse::parse(&text));
        let added = match parsed {
            Ok(dead_letter) => {
                replayed.lock().insert(dead_letter.name.clone());
                add_job(&sources, dead_letter, name).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = added {
            let code = error.code.as_str();
            tracing::error!(
                dead_letter = name,
                code,
                error = error.text,
                "dead letter not replayed"
            );
        }
    }
}

async fn add_job(sources: &[SourceQueues], dead_letter: Read, key: &str) -> Result<(), Error> {
    let source = find_source(sources, &dead_letter)?;
    let (queue, id, body) = match dead_letter.content {
        Content::Message { id, body, .. } => (&source.bodies, id, body),
        Content::Object { body, .. } => (&source.bodies, dead_letter.name, body),
        Content::DeadLetter { body, .. } => (&source.dead_letters, dead_letter.name, body),
    };
    let job = Job { id, body, key: key.to_owned() };
    queue.1.send(job).await.map_err(|_| Error::new(Code::Stopping, "the pipeline has stopped"))
}

/// Returns the source whose rules apply to a dead letter: that of its queue, or of its object's
/// bucket.
fn find_source<'s>(
    sources: &'s [SourceQueues],
    dead_letter: &Read,
) -> Result<&'s SourceQueues, Error> {
    let location = match &dead_letter.content {
        Content::Message { queue, .. } => {
            return sources.iter().find(|source| source.name == *queue).ok_or_else(|| {
                let text = format!("no [[source]] of this configuration reads {queue}");
                Error::new(Code::NoSource, text)
            });
        }
        Content::Object { location, .. } => Some(location),
        Content::DeadLetter { location, .. } => location.as_ref(),
    };
    let found = match location {
        Some(Location::File(_)) => sources.iter().find(|source| source.reads_files()),
        Some(Location::S3 { bucket, .. }) => sources
            .iter()
            .find(|source| source.policy.buckets.contains(bucket))
            .or_else(|| sources.iter().find(|source| !source.reads_files())),
        None => sources.first(),
    };
    found.ok_or_else(|| {
        let text = "no [[source]] of this configuration may read the object of this dead letter";
        Error::new(Code::NoSource, text)
    })
}
