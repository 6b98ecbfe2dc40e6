//! From a checked configuration to the real parts.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use time::OffsetDateTime;
use url::Url;

use crate::app::aws::Configurations;
use crate::app::enrichment::Enrichment;
use crate::app::secrets::secrets;
use crate::cloudtrail::{DecoderSettings, Selection};
use crate::config::{
    Aws, Config, DeadLetterConfig, DeadLetterLocation, Delivery, SinkConfig, SourceConfig,
    SourceKind,
};
use crate::error::{Code, Error};
use crate::pipeline::Executor;
use crate::pipeline::Parts;
use crate::pipeline::context::{Bodies, Source, SourcePolicy};
use crate::pipeline::dead_letter::{
    DeadLetterBucket, DeadLetterDirectory, DeadLetterPolicy, DeadLetterQueue, DeadLetterWriter,
    KeepBytes,
};
use crate::queue::{DirectoryQueue, Queue, SqsQueue};
use crate::route::Router;
use crate::sink;
use crate::store::{BucketAccess, FileStore, S3Store, Store};
use crate::telemetry::{Health, Metrics};

/// Makes every client and opens every file; reads what is to be known beside the records, and
/// connects to nothing else yet. AWS's own configuration
/// (credentials, endpoints) comes from the environment, unless `aws` brings it.
///
/// # Errors
/// The first part that cannot be made, with its name and setting. Credentials are not tried here.
pub async fn build(config: Config, aws: Option<SdkConfig>) -> Result<Parts, Error> {
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(Arc::clone(&metrics));
    for (_, read) in secrets(&config, aws.clone()).await? {
        read?;
    }
    config.sinks.iter().try_for_each(SinkConfig::read_secrets)?;
    let sinks_stop = sink::Stop::default();
    let mut sinks = Vec::with_capacity(config.sinks.len());
    let mut looks = Vec::with_capacity(config.sinks.len());
    for one in &config.sinks {
        let credentials = sink_credentials(&config, one, aws.clone()).await?;
        sinks.push(sink::build(one, credentials.clone(), &metrics, sinks_stop.clone())?);
        looks.push((one.clone(), credentials));
    }
    let sources = sources(&config, aws.clone()).await?;
    let graveyard = graveyard(&config, aws.clone()).await?;
    let surroundings = Enrichment::new(&config, aws).await?;
    surroundings.read_first(&metrics).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // What Kafka's queues may hold is not there for objects.
    let delivery =
        Delivery { memory_limit: config.memory_for_objects(), ..config.delivery.clone() };
    Ok(Parts {
        sources,
        sinks,
        looks,
        sinks_stop,
        options: Arc::new(config.options),
        surroundings: Arc::new(surroundings),
        router: Router::new(config.routes),
        graveyard,
        delivery,
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

/// Where AWS's own configuration starts from where no queue names a region; S3 names a bucket's.
pub(crate) const ANY_REGION: &str = "us-east-1";

/// Where poison goes, with the process's own rights.
async fn graveyard(config: &Config, aws: Option<SdkConfig>) -> Result<DeadLetterPolicy, Error> {
    let DeadLetterConfig::Write { location: place, keep_bytes } = &config.dead_letter else {
        return Ok(DeadLetterPolicy::Redrive);
    };
    let letters: Arc<dyn DeadLetterWriter> = match place {
        DeadLetterLocation::Directory(path) => Arc::new(DeadLetterDirectory::new(path.clone())),
        DeadLetterLocation::S3 { bucket, prefix } => {
            let store = Arc::new(own_store(config, aws).await?);
            Arc::new(DeadLetterBucket::new(store, bucket.clone(), prefix.clone()))
        }
        DeadLetterLocation::Sqs { queue_url, region } => {
            let region = region.as_deref().unwrap_or_else(|| first_region(config));
            let own = Configurations::new(aws).of(None, region, &config.aws).await?;
            Arc::new(DeadLetterQueue::new(queue(config, &own, queue_url, region)))
        }
    };
    Ok(DeadLetterPolicy::Write(letters, KeepBytes(*keep_bytes)))
}

/// The region of the first queue, where there is one.
pub(crate) fn first_region(config: &Config) -> &str {
    let region = config.sources.iter().find_map(|source| match &source.kind {
        SourceKind::Sqs { region, .. } => Some(region.as_str()),
        SourceKind::Directory(_) => None,
    });
    region.unwrap_or(ANY_REGION)
}

/// S3 with the process's own rights: for dead letters.
///
/// # Errors
/// As [`build`].
pub(crate) async fn own_store(config: &Config, aws: Option<SdkConfig>) -> Result<S3Store, Error> {
    let own = Configurations::new(aws).of(None, first_region(config), &config.aws).await?;
    Ok(S3Store::new(&own, config.aws.s3_endpoint.as_ref().map(Url::as_str)))
}

/// A source's own queue and objects, for a backfill.
///
/// # Errors
/// As [`build`]; or the source has no queue.
pub(crate) async fn queue_and_store(
    config: &Config,
    source: &SourceConfig,
    aws: Option<SdkConfig>,
) -> Result<(SqsQueue, S3Store), Error> {
    let SourceKind::Sqs { queue_url, region } = &source.kind else {
        return Err(Error::new(Code::NoQueue, "this needs a [[source]] with a queue"));
    };
    let mut aws = Configurations::new(aws);
    let own = aws.of(source.role.as_ref(), region, &config.aws).await?;
    let store = store(source, region, &own, &config.aws, &mut aws).await?;
    Ok((queue(config, &own, queue_url, region), store))
}

/// The credentials of a sink that logs in with AWS's; AWS's own configuration is loaded for no other.
///
/// # Errors
/// As [`build`].
pub async fn sink_credentials(
    config: &Config,
    one: &SinkConfig,
    aws: Option<SdkConfig>,
) -> Result<Option<SharedCredentialsProvider>, Error> {
    let Some((region, role)) = one.aws_login() else { return Ok(None) };
    let own = Configurations::new(aws).of(role, region, &config.aws).await?;
    Ok(own.credentials_provider())
}

pub(crate) fn queue(config: &Config, aws: &SdkConfig, url: &Url, region: &str) -> SqsQueue {
    let endpoint = config.aws.sqs_endpoint.as_ref().map(Url::as_str);
    SqsQueue::new(aws, url.as_str(), region, endpoint, config.delivery.visibility_timeout)
}

/// The sources of a configuration, in order, each with its own rights; connects to nothing yet. AWS's
/// configuration is loaded only if one of them needs it.
///
/// # Errors
/// As [`build`].
pub async fn sources(config: &Config, aws: Option<SdkConfig>) -> Result<Vec<Source>, Error> {
    let mut aws = Configurations::new(aws);
    let mut sources = Vec::new();
    for source in &config.sources {
        let (queue, store): (Arc<dyn Queue>, Arc<dyn Store>) = match &source.kind {
            SourceKind::Directory(path) => {
                let queue = DirectoryQueue::new(path, config.delivery.visibility_timeout);
                (Arc::new(queue), Arc::new(FileStore))
            }
            SourceKind::Sqs { queue_url, region } => {
                let own = aws.of(source.role.as_ref(), region, &config.aws).await?;
                let queue = queue(config, &own, queue_url, region);
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
) -> Result<S3Store, Error> {
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
        inline_records: source.eventbridge_records,
        faults: source.faults,
    }
}
