//! Where dead letters are written: a folder, a bucket or a queue.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{DeadLetter, DeadLetterWriter};
use crate::error::{Code, Error};
use crate::queue::{MAX_BODY, SqsQueue};
use crate::store::S3Store;

/// A folder of dead letters: one JSON file each, complete or absent.
#[derive(Debug, Clone)]
pub struct DeadLetterDirectory {
    path: PathBuf,
}

impl DeadLetterDirectory {
    /// Creates a writer to `path`; the folder is created with the first dead letter.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl DeadLetterWriter for DeadLetterDirectory {
    fn put(&self, dead_letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        let folder = self.path.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&folder, &dead_letter)).await;
            written.unwrap_or_else(|cause| Err(std::io::Error::other(cause))).map_err(|cause| {
                let text =
                    format!("cannot write to the dead letter folder {}", self.path.display());
                Error::caused(Code::DeadLetterFailed, text, cause)
            })
        })
    }
}

/// Writes a temporary file, syncs, renames: a crash leaves the old state or the new one.
fn write(folder: &Path, dead_letter: &DeadLetter) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut text = serde_json::to_vec_pretty(&dead_letter.body)?;
    text.push(b'\n');
    let (temporary, mut file) = create_temporary(folder, &dead_letter.name)?;
    let target = folder.join(format!("{}.json", dead_letter.name));
    let written = file
        .write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, target));
    if written.is_err() {
        // Each attempt would leave another one, and on a full disk there are many.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    std::fs::File::open(folder)?.sync_all()
}

fn create_temporary(folder: &Path, name: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
    let path = folder.join(format!(".{name}.{}.{}", std::process::id(), fastrand::u64(..)));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    Ok((path, file))
}

/// A prefix of dead letters in a bucket: one object each, below the day they belong to. Encryption
/// and retention are the bucket's.
pub struct DeadLetterBucket {
    store: Arc<S3Store>,
    bucket: String,
    prefix: String,
}

impl DeadLetterBucket {
    /// Creates a writer below `prefix`, which is empty or ends in `/`.
    #[must_use]
    pub(crate) fn new(store: Arc<S3Store>, bucket: String, prefix: String) -> Self {
        Self { store, bucket, prefix }
    }
}

impl DeadLetterWriter for DeadLetterBucket {
    fn put(&self, dead_letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        let (year, month, day) = dead_letter.day.to_calendar_date();
        let day = format!("{year:04}/{:02}/{day:02}", u8::from(month));
        let key = format!("{}{day}/{}.json", self.prefix, dead_letter.name);
        Box::pin(async move {
            let text = dead_letter.body.to_string().into();
            let put = self.store.put(&self.bucket, &key, text).await;
            put.map_err(|cause| Error::new(Code::DeadLetterFailed, cause.text))
        })
    }
}

/// A queue of dead letters: one message each.
pub struct DeadLetterQueue {
    queue: SqsQueue,
}

impl DeadLetterQueue {
    /// Creates a writer to `queue`.
    #[must_use]
    pub(crate) fn new(queue: SqsQueue) -> Self {
        Self { queue }
    }
}

impl DeadLetterWriter for DeadLetterQueue {
    fn put(&self, dead_letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let failed = |text| Error::new(Code::DeadLetterFailed, text);
            let text = bounded(dead_letter.body, MAX_BODY).map_err(failed)?;
            self.queue.send(&text).await.map_err(|cause| failed(cause.text))
        })
    }
}

/// Members that a dead letter can omit if it also refers to an object that has them.
const OMITTABLE: [&str; 3] = ["body", "bytes", "record"];

/// Returns the dead letter's text. Above `limit` bytes without the members of [`OMITTABLE`]: then
/// `omitted` names them.
///
/// # Errors
/// It is too large, and nothing else has these bytes: the message must stay in its queue.
fn bounded(mut body: Value, limit: usize) -> Result<String, String> {
    let text = body.to_string();
    // Characters that are escaped on the way are rare; the margin for them is not needed often.
    if text.len() <= limit - limit / 64 {
        return Ok(text);
    }
    let at = |name: &str| body.pointer(&format!("/at/{name}")).is_some();
    if !at("bucket") && !at("path") {
        return Err(format!(
            "the dead letter has {} bytes, SQS accepts {limit}, and there is no other copy; \
             configure a bucket or a folder in [dead_letter] instead of a queue",
            text.len()
        ));
    }
    if let Value::Object(members) = &mut body {
        let omitted: Vec<Value> = OMITTABLE
            .iter()
            .filter_map(|name| members.remove(*name).map(|_| (*name).into()))
            .collect();
        members.insert("omitted".to_owned(), omitted.into());
    }
    Ok(body.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::date;

    use super::*;

    #[tokio::test]
    async fn a_dead_letter_that_cannot_be_written_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        // In the way of the dead letter, so that the last step fails.
        std::fs::create_dir(folder.path().join("object-1.json")).expect("a folder");
        let writer = DeadLetterDirectory::new(folder.path().to_owned());
        let dead_letter = DeadLetter {
            kind: "object",
            name: "object-1".to_owned(),
            code: Code::CorruptGzip,
            day: date!(2026 - 03 - 01),
            body: json!({"kind": "object"}),
        };
        let error = writer.put(dead_letter).await.expect_err("it cannot be written");
        assert_eq!(error.code, Code::DeadLetterFailed);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_dead_letter_that_is_too_large_is_sent_as_a_reference() {
        let at = json!({"bucket": "b", "key": "k"});
        let body = json!({"kind": "event", "at": at, "record": "x".repeat(2000)});
        assert_eq!(bounded(body.clone(), 1 << 20).unwrap(), body.to_string());
        let short: Value = serde_json::from_str(&bounded(body, 1000).unwrap()).unwrap();
        assert_eq!(short, json!({"kind": "event", "at": at, "omitted": ["record"]}));
    }

    #[test]
    fn a_dead_letter_that_is_the_only_copy_is_never_truncated() {
        for body in [
            json!({"kind": "message", "body": "x".repeat(2000)}),
            json!({"kind": "event", "at": {"message_id": "m"}, "record": "x".repeat(2000)}),
        ] {
            let error = bounded(body.clone(), 1000).unwrap_err();
            assert!(error.contains("no other copy"), "{error}");
            assert!(bounded(body, 1 << 20).is_ok());
        }
    }
}
