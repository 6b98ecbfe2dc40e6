//! `replay`: dead letters back through the same path, until each is final and removed.
//!
//! A letter is a message of a finite queue whose delete removes the letter, so that all that holds for
//! messages holds for letters: what is not final at every sink stays. What turns out to be dead still
//! keeps its letter too; a new fault met on the way is written as a letter of its own.

mod reader;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::{build, own_store};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::jobs::job_queue::{Counts, JobQueue, LEASE, Progress, Work};
use crate::pipeline::context::{Bodies, Source, SourcePolicy};
use crate::pipeline::dead_letter::parse::{self, Content, Read};
use crate::pipeline::dead_letter::{DeadLetter, DeadLetterPolicy, DeadLetterWriter, KeepBytes};
use crate::pipeline::{Parts, run};
use crate::store::Location;
use crate::telemetry::escape;
use reader::Drawer;

pub use reader::DeadLetterSource;

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Letters found.
    pub letters: u64,
    /// Final now, and removed.
    pub done: u64,
}

/// A letter is offered once: what is still dead or still failing stays for the next replay.
const ATTEMPTS: u32 = 1;

/// Offers every letter of `places` to the pipeline of `config`, until all have ended or `stop`.
///
/// # Errors
/// The pipeline cannot be built, or the letters cannot be listed. What is wrong with one letter is
/// logged, and the letter stays.
pub async fn replay(
    config: Config,
    aws: Option<SdkConfig>,
    places: &[DeadLetterSource],
    stop: CancellationToken,
) -> Result<Replayed, Error> {
    let in_s3 = places.iter().any(|place| matches!(place, DeadLetterSource::S3 { .. }));
    let store = if in_s3 { Some(Arc::new(own_store(&config, aws.clone()).await?)) } else { None };
    let drawer = Arc::new(Drawer::open(places, store).await?);
    let mut parts = build(config, aws).await?;
    parts.delivery.visibility_timeout = LEASE;
    // Nobody asks whether this is ready, and what it sends says more.
    parts.looks.clear();
    let replayed: Names = Arc::default();
    parts.graveyard = DeadLetterPolicy::Write(
        Arc::new(Again { graveyard: parts.graveyard.clone(), replayed: Arc::clone(&replayed) }),
        keeps(&parts.graveyard),
    );
    let desks = desks(&mut parts, &drawer);
    let lists: Vec<_> = desks.iter().flat_map(Desk::lists).collect();
    let letters = drawer.letters().len() as u64;
    let work = async {
        let all = async {
            sort(&drawer, desks, &replayed, &stop).await;
            for list in &lists {
                list.finished().cancelled().await;
            }
        };
        tokio::select! {
            () = all => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run(parts, stop.clone()), work);
    tracing::debug!(?ended, "end");
    let counts = lists.iter().map(|list| list.counts());
    let done = counts.map(|Counts { done, .. }| done).sum();
    Ok(Replayed { letters, done })
}

/// Names of the letters under replay.
type Names = Arc<Mutex<BTreeSet<String>>>;

/// The dead letter, but for what is being replayed: writing that letter again and then removing it as
/// final would lose it.
struct Again {
    graveyard: DeadLetterPolicy,
    replayed: Names,
}

impl DeadLetterWriter for Again {
    fn put(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        let dead =
            self.replayed.lock().unwrap_or_else(PoisonError::into_inner).contains(&letter.name);
        match &self.graveyard {
            _ if dead => {
                let reason = &letter.body["reason"];
                let said = |member: &str| reason[member].as_str().unwrap_or_default();
                let text =
                    format!("{} is still dead: {} [{}]", letter.name, said("text"), said("code"));
                Box::pin(async move { Err(Error::new(Code::StillRejected, text)) })
            }
            DeadLetterPolicy::Write(letters, _) => letters.put(letter),
            DeadLetterPolicy::Redrive => Box::pin(async move {
                let text = format!("{} is dead, and there is no place for letters", letter.name);
                Err(Error::new(Code::StillRejected, text))
            }),
        }
    }
}

fn keeps(graveyard: &DeadLetterPolicy) -> KeepBytes {
    match graveyard {
        DeadLetterPolicy::Write(_, keep) => *keep,
        DeadLetterPolicy::Redrive => KeepBytes(false),
    }
}

/// One configured source, with a list for what its queue would bring and one for letters.
struct Desk {
    /// As the source's queue is called.
    name: String,
    policy: SourcePolicy,
    bodies: (Arc<JobQueue>, mpsc::Sender<Work>),
    letters: (Arc<JobQueue>, mpsc::Sender<Work>),
}

impl Desk {
    fn lists(&self) -> [Arc<JobQueue>; 2] {
        [Arc::clone(&self.bodies.0), Arc::clone(&self.letters.0)]
    }

    fn reads_files(&self) -> bool {
        self.policy.bodies == Bodies::Paths
    }
}

/// Puts lists in the place of the sources' queues.
fn desks(parts: &mut Parts, drawer: &Arc<Drawer>) -> Vec<Desk> {
    let mut desks = Vec::new();
    for source in std::mem::take(&mut parts.sources) {
        let name = source.queue.name().to_owned();
        let list = |name| {
            let progress: Arc<dyn Progress> = Arc::clone(drawer) as _;
            JobQueue::new(name, ATTEMPTS, progress)
        };
        let bodies = list(name.clone());
        let letters = list(format!("dead letters of {name}"));
        let policy = source.policy;
        parts.sources.push(Source {
            queue: Arc::clone(&bodies.0) as _,
            store: Arc::clone(&source.store),
            policy: policy.clone(),
        });
        parts.sources.push(Source {
            queue: Arc::clone(&letters.0) as _,
            store: source.store,
            policy: SourcePolicy { bodies: Bodies::Letters, ..policy.clone() },
        });
        desks.push(Desk { name, policy, bodies, letters });
    }
    desks
}

/// Reads every letter and hands it to the source it belongs to; what cannot be read is logged.
async fn sort(drawer: &Drawer, desks: Vec<Desk>, replayed: &Names, stop: &CancellationToken) {
    for place in drawer.letters() {
        if stop.is_cancelled() {
            return;
        }
        let read = drawer.read(place).await.and_then(|text| parse::parse(&text));
        let handed = match read {
            Ok(read) => {
                let name = read.name.clone();
                replayed.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
                hand(&desks, read, place).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = handed {
            tracing::error!(letter = %escape(place), code = error.code.as_str(), "{error}");
        }
    }
}

async fn hand(desks: &[Desk], read: Read, place: &str) -> Result<(), Error> {
    let desk = desk(desks, &read)?;
    let (list, id, body) = match read.content {
        Content::Message { id, body, .. } => (&desk.bodies, id, body),
        Content::Object { body, .. } => (&desk.bodies, read.name, body),
        Content::DeadLetter { body, .. } => (&desk.letters, read.name, body),
    };
    let work = Work { id, body, place: place.to_owned() };
    list.1.send(work).await.map_err(|_| Error::new(Code::Stopping, "the pipeline has ended"))
}

/// Whose rules a letter is read by: those of the queue it came from, or of the bucket it speaks of.
fn desk<'d>(desks: &'d [Desk], read: &Read) -> Result<&'d Desk, Error> {
    let location = match &read.content {
        Content::Message { queue, .. } => {
            return desks.iter().find(|desk| desk.name == *queue).ok_or_else(|| {
                let text = format!("no [[source]] of this configuration reads {}", escape(queue));
                Error::new(Code::NoSource, text)
            });
        }
        Content::Object { location, .. } => Some(location),
        Content::DeadLetter { location, .. } => location.as_ref(),
    };
    let allows = |desk: &&Desk, bucket: &String| desk.policy.buckets.contains(bucket);
    let found = match location {
        Some(Location::File(_)) => desks.iter().find(|desk| desk.reads_files()),
        Some(Location::S3 { bucket, .. }) => desks
            .iter()
            .find(|desk| allows(desk, bucket))
            .or_else(|| desks.iter().find(|desk| !desk.reads_files())),
        None => desks.first(),
    };
    found.ok_or_else(|| {
        let text = "no [[source]] of this configuration reads where its object lies";
        Error::new(Code::NoSource, text)
    })
}
