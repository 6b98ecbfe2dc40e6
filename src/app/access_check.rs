//! Whether the buckets and the dead-letter place of a configuration are there, for `check --connect`: nothing is
//! written. The service itself needs no right to list or to describe, so being refused that is no fault.

use std::io::ErrorKind;
use std::path::Path;

use aws_config::SdkConfig;

use crate::app::aws::Configurations;
use crate::app::build::{first_region, own_store, queue, queue_and_store};
use crate::config::{Config, DeadLetterConfig, DeadLetterLocation, SourceKind};
use crate::error::{Code, Error};
use crate::queue::Queue as _;
use crate::store::{Ask, S3Store, StoreErrorKind};

/// What a place answers: a warning where no more can be told.
type Answer = Result<Option<String>, Error>;

/// Asks every bucket that is read and the place of dead letters.
///
/// # Errors
/// What the environment asks of AWS's clients and cannot be had.
pub async fn places(
    config: &Config,
    aws: Option<SdkConfig>,
) -> Result<Vec<(String, Answer)>, Error> {
    let mut answers = Vec::new();
    for source in &config.sources {
        if let SourceKind::Sqs { .. } = source.kind {
            let (_, store) = queue_and_store(config, source, aws.clone()).await?;
            for bucket in &source.buckets {
                let answer = listed(&store, &bucket.name, "").await;
                answers.push((format!("bucket {}", bucket.name), answer));
            }
        }
    }
    let DeadLetterConfig::Write { location: place, .. } = &config.dead_letter else {
        return Ok(answers);
    };
    let (name, answer) = match place {
        DeadLetterLocation::Directory(path) => (path.display().to_string(), folder(path)),
        DeadLetterLocation::S3 { bucket, prefix } => {
            let store = own_store(config, aws).await?;
            (format!("s3://{bucket}/{prefix}"), listed(&store, bucket, prefix).await)
        }
        DeadLetterLocation::Sqs { queue_url, region } => {
            let region = region.as_deref().unwrap_or_else(|| first_region(config));
            let own = Configurations::new(aws).of(None, region, &config.aws).await?;
            let answer = match queue(config, &own, queue_url, region).attributes().await {
                Err(error) if error.code == Code::SqsAccessDenied => Ok(Some(unknown(&error.text))),
                answer => answer.map(|_| None),
            };
            (queue_url.to_string(), answer)
        }
    };
    answers.push((format!("dead letters {name}"), answer));
    Ok(answers)
}

async fn listed(store: &S3Store, bucket: &str, prefix: &str) -> Answer {
    match store.list(bucket, Ask { prefix, folders: true, ..Ask::default() }).await {
        Ok(_) => Ok(None),
        Err(cause) if cause.kind == StoreErrorKind::Forbidden => Ok(Some(unknown(&cause.text))),
        Err(cause) => Err(Error::new(cause.kind.code(), cause.text)),
    }
}

fn unknown(refusal: &str) -> String {
    format!("we may not ask, so nothing is known of it ({refusal})")
}

/// Made with the first letter, if something does not stand in its way.
fn folder(path: &Path) -> Answer {
    let failed = |above: &Path, how: &str| {
        Err(Error::new(Code::DeadLetterFailed, format!("{} {how}", above.display())))
    };
    let is_above = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    for above in path.ancestors().filter(|above| !above.as_os_str().is_empty()) {
        return match above.metadata() {
            Err(cause) if is_above(cause.kind()) => continue,
            Err(cause) => failed(above, &format!("cannot be looked at: {cause}")),
            Ok(found) if !found.is_dir() => failed(above, "is no folder"),
            Ok(found) if found.permissions().readonly() => failed(above, "is read-only"),
            Ok(_) => Ok(None),
        };
    }
    Ok(None)
}
