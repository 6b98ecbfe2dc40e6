//! Creates the pipeline's parts from a checked configuration.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use url::Url;

use crate::app::aws::AwsConfigs;
use crate::app::enrichment::Enrichment;
use crate::app::secrets::secrets;
use crate::app::{queue_check, sink_probe};
use crate::cloudtrail::{DecoderSettings, Selection};
use crate::config::{
    Aws, Config, DeadLetterConfig, DeadLetterLocation, Delivery, SinkConfig, SourceConfig,
    SourceKind,
};
use crate::error::{Code, Error};
use crate::pipeline::{
    Bodies, DeadLetterBucket, DeadLetterDirectory, DeadLetterPolicy, DeadLetterQueue,
    DeadLetterWriter, Executor, KeepBytes, Parts, SinkPart, Source, SourcePolicy,
};
use crate::queue::{DirectoryQueue, Queue, SqsQueue};
use crate::route::Router;
use crate::sink;
use crate::store::{BucketAccess, FileStore, S3Store, Store};
use crate::telemetry::{Health, Metrics};

/// Creates every client, opens every file, reads the secrets and the enrichment data, and connects
/// to nothing else yet. AWS's SDK configuration (credentials, endpoints) is `aws`, or else the
/// environment's.
///
/// # Errors
/// The first part that cannot be created, with its name and setting. AWS credentials are not
/// verified here.
pub async fn build(config: Config, aws: Option<SdkConfig>) -> Result<Parts, Error> {
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(Arc::clone(&metrics));
    for (_, result) in secrets(&config, aws.clone()).await? {
        result?;
    }
    config.sinks.iter().try_for_each(SinkConfig::read_secrets)?;
    let sinks_stop = sink::Stop::default();
    let mut sinks = Vec::with_capacity(config.sinks.len());
    let mut probes: Vec<BoxFuture<'static, ()>> = Vec::new();
    for one in &config.sinks {
        let credentials = sink_credentials(&config, one, aws.clone()).await?;
        let built = sink::build(one, credentials.clone(), &metrics, sinks_stop.clone())?;
        let part = SinkPart::from(built);
        let entry = Arc::clone(&part.entry);
        probes.push(Box::pin(sink_probe::probe_sink(entry, one.clone(), credentials)));
        sinks.push(part);
    }
    let sources = sources(&config, aws.clone()).await?;
    for source in &sources {
        probes.push(Box::pin(queue_check::log_attributes(Arc::clone(&source.queue))));
    }
    let dead_letters = dead_letter_policy(&config, aws.clone()).await?;
    let enrichment = Arc::new(Enrichment::new(&config, aws).await?);
    enrichment.load(&metrics).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Memory that Kafka's queues may use is not available to objects.
    let delivery =
        Delivery { memory_limit: config.memory_for_objects(), ..config.delivery.clone() };
    let router = Router::new(config.routes, config.sinks.iter().map(|sink| sink.name.as_str()))?;
    Ok(Parts {
        sources,
        sinks,
        probes,
        sinks_stop,
        options: Arc::new(config.options),
        enrichment: enrichment.snapshot(),
        background: vec![Box::pin(enrichment.refresh(Arc::clone(&metrics)))],
        router,
        dead_letters,
        delivery,
        alerts: config.alerts,
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

/// Region of the SDK configuration where neither a queue nor the environment names one; S3
/// redirects to the bucket's own, within the partition.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// Creates the writer of dead letters, with the process's own credentials.
async fn dead_letter_policy(
    config: &Config,
    aws: Option<SdkConfig>,
) -> Result<DeadLetterPolicy, Error> {
    let DeadLetterConfig::Write { location: place, keep_bytes } = &config.dead_letter else {
        return Ok(DeadLetterPolicy::Redrive);
    };
    let writer: Arc<dyn DeadLetterWriter> = match place {
        DeadLetterLocation::Directory(path) => Arc::new(DeadLetterDirectory::new(path.clone())),
        DeadLetterLocation::S3 { bucket, prefix, .. } => {
            let store = Arc::new(own_store(config, aws).await?);
            Arc::new(DeadLetterBucket::new(store, bucket.clone(), prefix.clone()))
        }
        DeadLetterLocation::Sqs { queue_url, region } => {
            let region = region.clone().unwrap_or_else(|| first_region(config));
            let own = AwsConfigs::new(aws).get(None, &region, &config.aws).await?;
            Arc::new(DeadLetterQueue::new(queue(config, &own, queue_url, &region)))
        }
    };
    Ok(DeadLetterPolicy::Write(writer, KeepBytes(*keep_bytes)))
}

/// Returns the region of the first queue, or else the environment's, or else a default.
pub(crate) fn first_region(config: &Config) -> String {
    let region = config.sources.iter().find_map(|source| match &source.kind {
        SourceKind::Sqs { region, .. } => Some(region.clone()),
        SourceKind::Directory(_) => None,
    });
    let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    let region = region.or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"));
    region.unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// Creates the S3 client with the process's own credentials, for dead letters and enrichment data.
///
/// # Errors
/// As [`build`].
pub(crate) async fn own_store(config: &Config, aws: Option<SdkConfig>) -> Result<S3Store, Error> {
    let own = AwsConfigs::new(aws).get(None, &first_region(config), &config.aws).await?;
    let store = S3Store::new(&own, config.aws.s3_endpoint.as_ref().map(Url::as_str));
    let DeadLetterConfig::Write {
        location: DeadLetterLocation::S3 { bucket, expected_owner, .. },
        ..
    } = &config.dead_letter
    else {
        return Ok(store);
    };
    let expected_owner = expected_owner.clone();
    Ok(store.with_bucket(bucket, BucketAccess { expected_owner, ..BucketAccess::default() }))
}

/// Creates a source's queue and object store, for a backfill.
///
/// # Errors
/// As [`build`], or the source has no queue.
pub(crate) async fn queue_and_store(
    config: &Config,
    source: &SourceConfig,
    aws: Option<SdkConfig>,
) -> Result<(SqsQueue, S3Store), Error> {
    let SourceKind::Sqs { queue_url, region } = &source.kind else {
        return Err(Error::new(Code::NoQueue, "a [[source]] with a queue is required"));
    };
    let mut aws = AwsConfigs::new(aws);
    let own = aws.get(source.role.as_ref(), region, &config.aws).await?;
    let store = store(source, region, &own, &config.aws, &mut aws).await?;
    Ok((queue(config, &own, queue_url, region), store))
}

/// Returns the AWS credentials of a sink that authenticates with them; no SDK configuration is
/// loaded for any other.
///
/// # Errors
/// As [`build`].
pub(crate) async fn sink_credentials(
    config: &Config,
    one: &SinkConfig,
    aws: Option<SdkConfig>,
) -> Result<Option<SharedCredentialsProvider>, Error> {
    let Some((region, role)) = one.aws_login() else { return Ok(None) };
    let own = AwsConfigs::new(aws).get(role, region, &config.aws).await?;
    Ok(own.credentials_provider())
}

pub(crate) fn queue(config: &Config, aws: &SdkConfig, url: &Url, region: &str) -> SqsQueue {
    let endpoint = config.aws.sqs_endpoint.as_ref().map(Url::as_str);
    SqsQueue::new(aws, url.as_str(), region, endpoint, config.delivery.visibility_timeout)
}

/// Creates the sources of a configuration, in order, each with its own credentials; connects to
/// nothing yet. AWS's SDK configuration is loaded only if one of them needs it.
///
/// # Errors
/// As [`build`].
pub(crate) async fn sources(config: &Config, aws: Option<SdkConfig>) -> Result<Vec<Source>, Error> {
    let mut aws = AwsConfigs::new(aws);
    let mut sources = Vec::new();
    for source in &config.sources {
        let (queue, store): (Arc<dyn Queue>, Arc<dyn Store>) = match &source.kind {
            SourceKind::Directory(path) => {
                let queue = DirectoryQueue::new(path, config.delivery.visibility_timeout);
                (Arc::new(queue), Arc::new(FileStore))
            }
            SourceKind::Sqs { queue_url, region } => {
                let own = aws.get(source.role.as_ref(), region, &config.aws).await?;
                let queue = queue(config, &own, queue_url, region);
                let store = store(source, region, &own, &config.aws, &mut aws).await?;
                (Arc::new(queue), Arc::new(store))
            }
        };
        sources.push(Source { queue, store, policy: policy(source) });
    }
    Ok(sources)
}

/// Creates a source's object store, each bucket with the role that it names.
async fn store(
    source: &SourceConfig,
    region: &str,
    own: &SdkConfig,
    settings: &Aws,
    aws: &mut AwsConfigs,
) -> Result<S3Store, Error> {
    let endpoint = settings.s3_endpoint.as_ref().map(Url::as_str);
    let mut store = S3Store::new(own, endpoint);
    for bucket in &source.buckets {
        let config = match &bucket.role {
            Some(role) => Some(aws.get(Some(role), region, settings).await?),
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
        eventbridge_records: source.eventbridge_records,
        faults: source.faults,
    }
}
