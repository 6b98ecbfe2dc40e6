//! Local files as objects, for folder sources and `scan`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{Body, Location, ObjectRef, Store, StoreError, StoreErrorKind};

/// Bytes per read: few trips to the blocking pool, little memory.
const CHUNK_SIZE: usize = 256 * 1024;

/// Reads [`Location::File`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileStore;

impl Store for FileStore {
    fn open<'a>(
        &'a self,
        object: &'a ObjectRef,
        if_match: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(async move {
            match &object.location {
                Location::File(path) => open(path, if_match).await,
                s3 @ Location::S3 { .. } => Err(StoreError {
                    kind: StoreErrorKind::Other,
                    text: format!("{s3} is not a local file; this source reads files only"),
                }),
            }
        })
    }
}

async fn open(path: &Path, if_match: Option<&str>) -> Result<Body, StoreError> {
    let file = File::open(path).await.map_err(|error| failed(path, &error))?;
    let metadata = file.metadata().await.map_err(|error| failed(path, &error))?;
    if metadata.is_dir() {
        return Err(failed(path, &io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    // Differs whenever a file is replaced or appended to, like an ETag.
    let etag = format!("{}-{}", metadata.len(), modified.map_or(0, |since| since.as_nanos()));
    if if_match.is_some_and(|expected| expected != etag) {
        return Err(StoreError {
            kind: StoreErrorKind::Changed,
            text: format!("{} changed since it was first read", path.display()),
        });
    }
    Ok(Body {
        etag: Some(etag),
        length: Some(metadata.len()),
        last_modified: modified.and_then(|since| i64::try_from(since.as_secs()).ok()),
        request_id: None,
        chunks: chunks(FileReader { path: path.to_owned(), file, left: metadata.len() }),
    })
}

struct FileReader {
    path: PathBuf,
    file: File,
    left: u64,
}

/// Streams the announced bytes: anything appended meanwhile belongs to the next read.
fn chunks(reader: FileReader) -> BoxStream<'static, Result<Bytes, StoreError>> {
    stream::try_unfold(reader, |mut reader| async move {
        if reader.left == 0 {
            return Ok(None);
        }
        let bytes = next_chunk(&mut reader).await?;
        Ok(Some((bytes, reader)))
    })
    .boxed()
}

async fn next_chunk(reader: &mut FileReader) -> Result<Bytes, StoreError> {
    let want = usize::try_from(reader.left).unwrap_or(usize::MAX).min(CHUNK_SIZE);
    let mut buffer = BytesMut::zeroed(want);
    let read = reader.file.read(&mut buffer).await.map_err(|error| failed(&reader.path, &error))?;
    if read == 0 {
        return Err(StoreError {
            kind: StoreErrorKind::ShortBody,
            text: format!("{} ended {} bytes early", reader.path.display(), reader.left),
        });
    }
    reader.left -= read as u64;
    buffer.truncate(read);
    Ok(buffer.freeze())
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => StoreErrorKind::Missing,
        io::ErrorKind::PermissionDenied => StoreErrorKind::Forbidden,
        _ => StoreErrorKind::Other,
    };
    StoreError { kind, text: format!("cannot read {}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(path: &Path) -> ObjectRef {
        let location = Location::File(path.to_owned());
        ObjectRef { location, region: None, size: None, etag: None }
    }

    async fn read(body: Body) -> Result<Vec<u8>, StoreError> {
        let chunks: Vec<_> = body.chunks.collect().await;
        let mut all = Vec::new();
        for chunk in chunks {
            let chunk = chunk?;
            assert!(chunk.len() <= CHUNK_SIZE);
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_file_is_streamed_completely_with_its_length() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.json");
        let content: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        std::fs::write(&path, &content).expect("write");
        let body = FileStore.open(&reference(&path), None).await.expect("open");
        assert_eq!(body.length, Some(700_000));
        assert!(body.last_modified.is_some());
        assert_eq!(read(body).await, Ok(content));
        std::fs::write(&path, b"").expect("write");
        let body = FileStore.open(&reference(&path), None).await.expect("open");
        assert_eq!(read(body).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_rewritten_file_does_not_match_its_first_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.json");
        std::fs::write(&path, b"one").expect("write");
        let etag = FileStore.open(&reference(&path), None).await.expect("open").etag;
        assert!(FileStore.open(&reference(&path), etag.as_deref()).await.is_ok());
        std::fs::write(&path, b"longer").expect("write");
        let again = FileStore.open(&reference(&path), etag.as_deref()).await;
        assert_eq!(again.err().map(|error| error.kind), Some(StoreErrorKind::Changed));
    }

    #[tokio::test]
    async fn a_file_truncated_while_it_is_read_is_a_short_body() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.json");
        std::fs::write(&path, vec![7; 10]).expect("write");
        let body = FileStore.open(&reference(&path), None).await.expect("open");
        File::options().write(true).open(&path).await.expect("open").set_len(4).await.expect("cut");
        let error = read(body).await.expect_err("short");
        assert_eq!(error.kind, StoreErrorKind::ShortBody);
        assert!(error.text.contains("6 bytes early"), "{error}");
    }

    #[tokio::test]
    async fn errors_are_classified() {
        let folder = tempfile::tempdir().expect("folder");
        let kind = async |object: &ObjectRef| {
            FileStore.open(object, None).await.err().map(|error| error.kind)
        };
        let missing = reference(&folder.path().join("no.json"));
        assert_eq!(kind(&missing).await, Some(StoreErrorKind::Missing));
        assert_eq!(kind(&reference(folder.path())).await, Some(StoreErrorKind::Other));
        let mut s3 = missing;
        s3.location = Location::S3 { bucket: "b".into(), key: "k".into(), version: None };
        assert_eq!(kind(&s3).await, Some(StoreErrorKind::Other));
    }
}
