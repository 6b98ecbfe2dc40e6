//! From a checked configuration to the real parts.

use std::sync::Arc;

use aws_config::SdkConfig;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::dead_letter::{DirectoryDeadLetter, Graveyard, KeepBytes};
use super::decode::Executor;
use super::wire::{Bodies, Source, SourcePolicy};
use crate::cloudtrail::{DecoderSettings, Selection};
use crate::config::{Config, DeadLetterConfig, SourceConfig, SourceKind};
use crate::outcome::Why;
use crate::queue::{DirectoryQueue, Queue, SqsQueue};
use crate::route::Router;
use crate::sink;
use crate::store::{FileStore, S3Store, Store};
use crate::telemetry::{Health, Metrics};

/// Makes every client and opens every file; connects to nothing yet. AWS's own configuration
/// (credentials, endpoints) comes from the environment, unless `aws` brings it.
///
/// # Errors
/// The first part that cannot be made, with its name and setting.
pub async fn build(config: Config, aws: Option<SdkConfig>) -> Result<Parts, Why> {
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(Arc::clone(&metrics));
    let sinks_stop = CancellationToken::new();
    let sinks = config
        .sinks
        .iter()
        .map(|one| sink::build(one, &metrics, sinks_stop.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let sources = sources(&config, aws).await;
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

/// The sources; AWS's configuration is loaded only if one of them needs it.
async fn sources(config: &Config, mut aws: Option<SdkConfig>) -> Vec<Source> {
    let mut sources = Vec::new();
    for source in &config.sources {
        let (queue, store): (Arc<dyn Queue>, Arc<dyn Store>) = match &source.kind {
            SourceKind::Directory(path) => {
                let queue = DirectoryQueue::new(path, config.delivery.visibility);
                (Arc::new(queue), Arc::new(FileStore))
            }
            SourceKind::Sqs { queue_url, region } => {
                if aws.is_none() {
                    let region = aws_config::Region::new(region.clone());
                    aws = Some(aws_config::from_env().region(region).load().await);
                }
                let Some(aws) = &aws else { continue };
                let endpoint = config.aws.sqs_endpoint.as_ref().map(url::Url::as_str);
                let queue = SqsQueue::new(
                    aws,
                    queue_url.as_str(),
                    region,
                    endpoint,
                    config.delivery.visibility,
                );
                let endpoint = config.aws.s3_endpoint.as_ref().map(url::Url::as_str);
                (Arc::new(queue), Arc::new(S3Store::new(aws, endpoint)))
            }
        };
        sources.push(Source { queue, store, policy: policy(source) });
    }
    sources
}

fn policy(source: &SourceConfig) -> SourcePolicy {
    SourcePolicy {
        bodies: match source.kind {
            SourceKind::Directory(_) => Bodies::Paths,
            SourceKind::Sqs { .. } => Bodies::Notifications,
        },
        buckets: source.buckets.clone(),
        regions: source.regions.clone(),
        on_missing: source.on_missing,
        on_forbidden: source.on_forbidden,
    }
}
