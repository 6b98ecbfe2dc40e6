//! Finds dead letters in folders, files and S3 prefixes; reads them one by one and deletes those
//! that succeed.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::app::{list_keys, read_text};
use crate::error::{Code, Error};
use crate::jobs::job_queue::{Job, JobHandler};
use crate::store::{Location, S3Store};

/// Largest dead letter: it has at most one record or one message.
const MAX_BYTES: usize = 16 << 20;

/// The dead letters that were found, each by its name: a path, or `s3://bucket/key`.
pub(super) struct DeadLetterReader {
    names: Vec<String>,
    s3: Option<Arc<S3Store>>,
}

impl DeadLetterReader {
    /// Lists the dead letters of `sources`, in order of their names. `s3` is needed for
    /// `s3://bucket/prefix`.
    ///
    /// # Errors
    /// A source cannot be listed, or there are none.
    pub(super) async fn open(sources: &[String], s3: Option<Arc<S3Store>>) -> Result<Self, Error> {
        let mut names = Vec::new();
        for source in sources {
            let path = Path::new(source);
            match (source.strip_prefix("s3://"), &s3) {
                (Some(rest), Some(s3)) => {
                    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                    let is_json = |key: &str| key.ends_with(".json");
                    let keys = list_keys(s3, bucket, prefix, is_json, usize::MAX).await;
                    let keys = keys.map_err(|cause| unlisted(&cause))?.into_iter();
                    names.extend(keys.map(|key| format!("s3://{bucket}/{key}")));
                }
                _ if path.is_dir() => names.extend(list_folder(path)?),
                _ => {
                    std::fs::metadata(path).map_err(|cause| unlisted_path(path, &cause))?;
                    names.push(source.clone());
                }
            }
        }
        if names.is_empty() {
            let text = "no dead letters found; dead letters are `.json` files";
            return Err(Error::new(Code::NoDeadLetters, text));
        }
        Ok(Self { names, s3 })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the text of a dead letter.
    pub(super) async fn read(&self, name: &str) -> Result<String, Error> {
        let read = read_text(self.s3.as_deref(), location(name), MAX_BYTES).await;
        read.map(|(text, _)| text).map_err(|cause| {
            let text = format!("the dead letter cannot be read: {cause}");
            Error::new(Code::DeadLetterUnreadable, text)
        })
    }

    async fn delete(&self, name: &str) -> Result<(), String> {
        match (location(name), &self.s3) {
            (Location::S3 { bucket, key, .. }, Some(s3)) => {
                s3.delete(&bucket, &key).await.map_err(|error| error.text)
            }
            _ => tokio::fs::remove_file(name).await.map_err(|cause| cause.to_string()),
        }
    }
}

impl JobHandler for DeadLetterReader {
    fn completed<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.delete(&job.key).await.map_err(|cause| {
                let text = format!("delivered, but the dead letter cannot be deleted: {cause}");
                Error::new(Code::DeadLetterNotDeleted, text)
            })?;
            tracing::info!(dead_letter = job.key, "dead letter delivered and deleted");
            Ok(())
        })
    }

    fn failed(&self, job: &Job) {
        tracing::warn!(dead_letter = job.key, "dead letter not delivered, keeping it");
    }
}

fn location(name: &str) -> Location {
    match name.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        Some((bucket, key)) => {
            Location::S3 { bucket: bucket.to_owned(), key: key.to_owned(), version: None }
        }
        None => Location::File(name.into()),
    }
}

/// Lists the dead letters below a folder: a copy of those in S3 has folders by day. Skips hidden
/// files, such as half-written dead letters, and does not follow links to folders.
fn list_folder(root: &Path) -> Result<Vec<String>, Error> {
    let (mut names, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        let unlisted = |cause| unlisted_path(&folder, &cause);
        for entry in std::fs::read_dir(&folder).map_err(unlisted)? {
            let entry = entry.map_err(unlisted)?;
            let (path, name) = (entry.path(), entry.file_name());
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().map_err(unlisted)?.is_dir() {
                folders.push(path);
            } else if name.as_encoded_bytes().ends_with(b".json") && path.is_file() {
                names.push(path.display().to_string());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn unlisted_path(path: &Path, cause: &std::io::Error) -> Error {
    unlisted(&format!("{}: {cause}", path.display()))
}

fn unlisted(cause: &str) -> Error {
    Error::new(Code::DeadLettersNotListed, format!("the dead letters cannot be listed: {cause}"))
}
