//! From a checked configuration to the real parts.

use std::sync::Arc;

use aws_config::SdkConfig;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Parts;
use super::aws::Configurations;
use super::dead_letter::{DirectoryDeadLetter, Graveyard, KeepBytes};
use super::decode::Executor;
use super::wire::{Bodies, Source, SourcePolicy};
use crate::cloudtrail::{DecoderSettings, Selection};
use crate::config::{Aws, Config, DeadLetterConfig, SourceConfig, SourceKind};
use crate::outcome::Why;
use crate::queue::{DirectoryQueue, Queue, SqsQueue};
use crate::route::Router;
use crate::sink;
use crate::store::{BucketAccess, FileStore, S3Store, Store};
use crate::telemetry::{Health, Metrics};

/// Makes every client and opens every file; connects to nothing yet. AWS's own configuration
/// (credentials, endpoints) comes from the environment, unless `aws` brings it.
///
/// # Errors
/// The first part that cannot be made, with its name and setting. Credentials are not tried here.
pub async fn build(config: Config, aws: Option<SdkConfig>) -> Result<Parts, Why> {
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(Arc::clone(&metrics));
    let sinks_stop = CancellationToken::new();
    let sinks = config
        .sinks
        .iter()
        .map(|one| sink::build(one, &metrics, sinks_stop.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let sources = sources(&config, aws).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Parts {
        sources,
        sinks,
        sinks_stop,
        options: Arc::new(config.options),
        router: Router::new(config.routes),
        graveyard: graveyard(config.dead_letter),
        delivery: config.delivery,
        decoder: DecoderSettings {
            selection: Arc::new(Selection::new(config.events)),
            limits: config.decode,
        },
        executor: Executor::Workers(cores),
        now: Arc::new(OffsetDateTime::now_utc),
        seed: fastrand::u64(..),
        metrics,
        health,
    })
}

fn graveyard(config: DeadLetterConfig) -> Graveyard {
    match config {
        DeadLetterConfig::Redrive => Graveyard::Redrive,
        DeadLetterConfig::Directory { path, keep_bytes } => {
            Graveyard::Letters(Arc::new(DirectoryDeadLetter::new(path)), KeepBytes(keep_bytes))
        }
    }
}

/// The sources of a configuration, in order, each with its own rights; connects to nothing yet. AWS's
/// configuration is loaded only if one of them needs it.
///
/// # Errors
/// As [`build`].
pub async fn sources(config: &Config, aws: Option<SdkConfig>) -> Result<Vec<Source>, Why> {
    let mut aws = Configurations::new(aws);
    let mut sources = Vec::new();
    for source in &config.sources {
        let (queue, store): (Arc<dyn Queue>, Arc<dyn Store>) = match &source.kind {
            SourceKind::Directory(path) => {
                let queue = DirectoryQueue::new(path, config.delivery.visibility);
                (Arc::new(queue), Arc::new(FileStore))
            }
            SourceKind::Sqs { queue_url, region } => {
                let own = aws.of(source.role.as_ref(), region, &config.aws).await?;
                let endpoint = config.aws.sqs_endpoint.as_ref().map(Url::as_str);
                let visibility = config.delivery.visibility;
                let queue = SqsQueue::new(&own, queue_url.as_str(), region, endpoint, visibility);
                let store = store(source, region, &own, &config.aws, &mut aws).await?;
                (Arc::new(queue), Arc::new(store))
            }
        };
        sources.push(Source { queue, store, policy: policy(source) });
    }
    Ok(sources)
}

/// The source's objects, each bucket with the rights that it asks for.
async fn store(
    source: &SourceConfig,
    region: &str,
    own: &SdkConfig,
    settings: &Aws,
    aws: &mut Configurations,
) -> Result<S3Store, Why> {
    let endpoint = settings.s3_endpoint.as_ref().map(Url::as_str);
    let mut store = S3Store::new(own, endpoint);
    for bucket in &source.buckets {
        let config = match &bucket.role {
            Some(role) => Some(aws.of(Some(role), region, settings).await?),
            None => None,
        };
        let access = BucketAccess {
            config,
            expected_owner: bucket.expected_owner.clone(),
            requester_pays: bucket.requester_pays,
        };
        store = store.with_bucket(&bucket.name, access);
    }
    Ok(store)
}

fn policy(source: &SourceConfig) -> SourcePolicy {
    SourcePolicy {
        bodies: match source.kind {
            SourceKind::Directory(_) => Bodies::Paths,
            SourceKind::Sqs { .. } => Bodies::Notifications,
        },
        buckets: source.buckets.iter().map(|bucket| bucket.name.clone()).collect(),
        regions: source.regions.clone(),
        keys: source.keys.clone(),
        inline_records: source.inline_records,
        faults: source.faults,
    }
}
