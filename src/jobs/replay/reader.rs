//! Where letters lie: folders, files and S3 prefixes. Found once, read one by one, removed when final.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::error::{Code, Error};
use crate::jobs::job_queue::{Progress, Work};
use crate::store::{ListRequest, Location, ObjectRef, S3Store, Store};
use crate::telemetry::escape;

/// A letter holds at most a record or a message; what is larger is none.
const MAX_LETTER: usize = 16 << 20;

/// What the operator names on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterSource {
    /// One letter, or a folder of them.
    Path(PathBuf),
    /// All objects below a prefix.
    S3 {
        /// Bucket.
        bucket: String,
        /// Prefix; empty: all.
        prefix: String,
    },
}

impl DeadLetterSource {
    /// `s3://bucket/prefix`, or a path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
            }
            None => Self::Path(text.into()),
        }
    }
}

/// The letters that were found, by their places: a path, or `s3://bucket/key`.
pub(super) struct Drawer {
    letters: Vec<String>,
    store: Option<Arc<S3Store>>,
}

impl Drawer {
    /// Lists `places`, in order of their names.
    pub(super) async fn open(
        places: &[DeadLetterSource],
        store: Option<Arc<S3Store>>,
    ) -> Result<Self, Error> {
        let mut letters = Vec::new();
        for place in places {
            match (place, &store) {
                (DeadLetterSource::Path(path), _) if path.is_dir() => {
                    letters.extend(in_folder(path)?);
                }
                (DeadLetterSource::Path(path), _) => {
                    std::fs::metadata(path).map_err(|cause| unlisted_path(path, &cause))?;
                    letters.push(path.display().to_string());
                }
                (DeadLetterSource::S3 { bucket, prefix }, Some(store)) => {
                    letters.extend(in_bucket(store, bucket, prefix).await?);
                }
                (DeadLetterSource::S3 { .. }, None) => {}
            }
        }
        if letters.is_empty() {
            let text = "there is no letter at the places named; letters are `.json` files";
            return Err(Error::new(Code::NoDeadLetters, text));
        }
        Ok(Self { letters, store })
    }

    pub(super) fn letters(&self) -> &[String] {
        &self.letters
    }

    /// The letter's text.
    pub(super) async fn read(&self, place: &str) -> Result<String, Error> {
        let bytes = match (in_s3(place), &self.store) {
            (Some((bucket, key)), Some(store)) => fetch(store, bucket, key).await?,
            _ => tokio::fs::read(place).await.map_err(|cause| unread(&cause.to_string()))?,
        };
        String::from_utf8(bytes).map_err(|_| unread("it is not UTF-8"))
    }
}

impl Progress for Drawer {
    fn done<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let removed = match (in_s3(&work.place), &self.store) {
                (Some((bucket, key)), Some(store)) => {
                    store.delete(bucket, key).await.map_err(|cause| cause.text)
                }
                _ => tokio::fs::remove_file(&work.place).await.map_err(|cause| cause.to_string()),
            };
            removed.map_err(|cause| {
                let text = format!("delivered, but the letter cannot be removed: {cause}");
                Error::new(Code::DeadLetterNotDeleted, text)
            })?;
            tracing::info!(letter = %escape(&work.place), "final; the letter is removed");
            Ok(())
        })
    }

    fn kept(&self, work: &Work) {
        tracing::warn!(letter = %escape(&work.place), "not final; the letter stays");
    }
}

fn in_s3(place: &str) -> Option<(&str, &str)> {
    place.strip_prefix("s3://")?.split_once('/')
}

/// The letters below a folder, a copy of those in S3 lies in folders by day. What is hidden, as half-written
/// letters are, is left alone; links to folders are not followed.
fn in_folder(root: &Path) -> Result<Vec<String>, Error> {
    let (mut letters, mut folders) = (Vec::new(), vec![root.to_owned()]);
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
                letters.push(path.display().to_string());
            }
        }
    }
    letters.sort();
    Ok(letters)
}

async fn in_bucket(store: &S3Store, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
    let (mut letters, mut page) = (Vec::new(), None::<String>);
    loop {
        let ask = ListRequest { prefix, page: page.as_deref(), ..ListRequest::default() };
        let listing = store.list(bucket, ask).await.map_err(|cause| unlisted(&cause.text))?;
        let keys = listing.objects.into_iter().map(|object| object.key);
        let keys = keys.filter(|key| key.ends_with(".json"));
        letters.extend(keys.map(|key| format!("s3://{bucket}/{key}")));
        page = listing.next;
        if page.is_none() {
            return Ok(letters);
        }
    }
}

async fn fetch(store: &S3Store, bucket: &str, key: &str) -> Result<Vec<u8>, Error> {
    let location = Location::S3 { bucket: bucket.to_owned(), key: key.to_owned(), version: None };
    let object = ObjectRef { location, region: None, size: None, etag: None };
    let mut body = store.open(&object, None).await.map_err(|cause| unread(&cause.text))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|cause| unread(&cause.text))?);
        if bytes.len() > MAX_LETTER {
            return Err(unread("it is too large for a letter"));
        }
    }
    Ok(bytes)
}

fn unlisted_path(path: &Path, cause: &std::io::Error) -> Error {
    unlisted(&format!("{}: {cause}", escape(&path.display().to_string())))
}

fn unlisted(cause: &str) -> Error {
    Error::new(Code::DeadLettersNotListed, format!("the dead letters cannot be listed: {cause}"))
}

fn unread(cause: &str) -> Error {
    Error::new(Code::DeadLetterUnreadable, format!("the letter cannot be read: {cause}"))
}
