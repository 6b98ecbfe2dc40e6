//! Notifications, and the bytes of the objects that they announce.
//!
//! [`notification`] parses a message body, in any of the formats AWS uses, into [`ObjectRef`]s; a
//! [`Store`] opens one of those as bytes. Nothing here knows what is in the bytes.

mod error;
mod files;
pub mod notification;
mod s3;

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use error::{StoreError, StoreErrorKind};
pub(crate) use files::FileStore;
pub(crate) use s3::{BucketAccess, ListPage, ListRequest, Listed, S3Store};

/// The location of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// An S3 object; the key is decoded, exactly once, by its notification's rule.
    S3 {
        /// Bucket name.
        bucket: String,
        /// Object key, decoded.
        key: String,
        /// Version, if the notification names one.
        version: Option<String>,
    },
    /// A local file, from `source.directory` or `scan`.
    File(PathBuf),
}

impl fmt::Display for Location {
    /// Writes `s3://bucket/key` or the path, the object's name in every error and log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key, version: None } => write!(f, "s3://{bucket}/{key}"),
            Self::S3 { bucket, key, version: Some(v) } => {
                write!(f, "s3://{bucket}/{key}?versionId={v}")
            }
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One object that a notification announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// Its location.
    pub location: Location,
    /// The bucket's region, if the notification has it (CloudTrail's own SNS message does not). It
    /// may be forged: a store uses it only within its own partition.
    pub region: Option<String>,
    /// Compressed size in bytes: a hint, never a limit.
    pub size: Option<u64>,
    /// `ETag`, without quotes.
    pub etag: Option<String>,
}

/// An opened object: its metadata, and its bytes as they arrive.
pub struct Body {
    /// `ETag` for `If-Match` on a second read.
    pub etag: Option<String>,
    /// Announced length; a body that ends before it is an error.
    pub length: Option<u64>,
    /// `Last-Modified` in seconds since the Unix epoch: when CloudTrail delivered the file.
    pub last_modified: Option<i64>,
    /// The service's request id, for the log.
    pub request_id: Option<String>,
    /// The bytes as stored (gzip is not decompressed).
    pub chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// Reads objects: one plain GET whatever the size.
pub trait Store: Send + Sync + 'static {
    /// Opens `object`; with `if_match`, only if its `ETag` is still that one.
    ///
    /// # Errors
    /// Of every [`StoreErrorKind`], with the service's code and request id in the text.
    fn open<'a>(
        &'a self,
        object: &'a ObjectRef,
        if_match: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Body, StoreError>>;
}
