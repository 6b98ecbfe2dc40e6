//! Checks for `check --connect` that the buckets and the dead-letter location of a configuration
//! exist; writes nothing. The service itself needs no permission to list or describe, so being
//! denied that is no failure.

use std::io::ErrorKind;
use std::path::Path;

use aws_config::SdkConfig;

use crate::app::aws::AwsConfigs;
use crate::app::build::{first_region, own_store, queue, queue_and_store};
use crate::config::{Config, DeadLetterConfig, DeadLetterLocation, SourceKind};
use crate::error::{Code, Error};
use crate::queue::Queue as _;
use crate::store::{ListRequest, S3Store, StoreErrorKind};

/// The result of one check: a warning where access could not be checked.
type CheckResult = Result<Option<String>, Error>;

/// Checks every bucket that is read and the location of dead letters; returns each result with its
/// target's name.
///
/// # Errors
/// AWS's clients cannot be configured as the environment asks.
pub(crate) async fn check_access(
    config: &Config,
    aws: Option<SdkConfig>,
) -> Result<Vec<(String, CheckResult)>, Error> {
    let mut results = Vec::new();
    for source in &config.sources {
        if let SourceKind::Sqs { .. } = source.kind {
            let (_, store) = queue_and_store(config, source, aws.clone()).await?;
            for bucket in &source.buckets {
                let result = check_bucket(&store, &bucket.name, "").await;
                results.push((format!("bucket {}", bucket.name), result));
            }
        }
    }
    let DeadLetterConfig::Write { location: place, .. } = &config.dead_letter else {
        return Ok(results);
    };
    let (name, result) = match place {
        DeadLetterLocation::Directory(path) => (path.display().to_string(), check_directory(path)),
        DeadLetterLocation::S3 { bucket, prefix, .. } => {
            let store = own_store(config, aws).await?;
            (format!("s3://{bucket}/{prefix}"), check_bucket(&store, bucket, prefix).await)
        }
        DeadLetterLocation::Sqs { queue_url, region } => {
            let region = region.clone().unwrap_or_else(|| first_region(config));
            let own = AwsConfigs::new(aws).get(None, &region, &config.aws).await?;
            let result = match queue(config, &own, queue_url, &region).attributes().await {
                Err(error) if error.code == Code::SqsAccessDenied => Ok(Some(denied(&error.text))),
                result => result.map(|_| None),
            };
            (queue_url.to_string(), result)
        }
    };
    results.push((format!("dead letters {name}"), result));
    Ok(results)
}

async fn check_bucket(store: &S3Store, bucket: &str, prefix: &str) -> CheckResult {
    match store.list(bucket, ListRequest { prefix, folders: true, ..ListRequest::default() }).await
    {
        Ok(_) => Ok(None),
        Err(error) if error.kind == StoreErrorKind::Forbidden => Ok(Some(denied(&error.text))),
        Err(error) => Err(Error::new(error.kind.code(), error.text)),
    }
}

fn denied(text: &str) -> String {
    format!("access not checked, the role may not list or describe it ({text})")
}

/// Checks that the directory exists or can be created, as the first dead letter does.
fn check_directory(path: &Path) -> CheckResult {
    let failed = |parent: &Path, how: &str| {
        Err(Error::new(Code::DeadLetterFailed, format!("{} {how}", parent.display())))
    };
    let is_absent = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    for parent in path.ancestors().filter(|parent| !parent.as_os_str().is_empty()) {
        return match parent.metadata() {
            Err(cause) if is_absent(cause.kind()) => continue,
            Err(cause) => failed(parent, &format!("cannot be read: {cause}")),
            Ok(metadata) if !metadata.is_dir() => failed(parent, "is not a directory"),
            Ok(metadata) if metadata.permissions().readonly() => failed(parent, "is read-only"),
            Ok(_) => Ok(None),
        };
    }
    Ok(None)
}
