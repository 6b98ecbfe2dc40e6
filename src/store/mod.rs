//! Room 2: what arrived, and an object's bytes.
//!
//! [`notification`] turns a message body, in any of the formats AWS uses, into [`ObjectRef`]s;
//! a [`Store`] turns one of those into bytes. Nothing here knows what is in the bytes.

mod classify;
mod files;
pub mod notification;
mod s3;

use crate::error::Code;
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use files::FileStore;
pub use s3::{Ask, BucketAccess, Listed, Listing, S3Store};

/// Where an object lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// An S3 object; the key is decoded already, exactly once, by its notification's rule.
    S3 {
        /// Bucket name.
        bucket: String,
        /// Object key, decoded.
        key: String,
        /// Version, where the notification names one.
        version: Option<String>,
    },
    /// A local file, from `source.directory` or `scan`.
    File(PathBuf),
}

impl fmt::Display for Location {
    /// `s3://bucket/key` or the path: how every error and log names the object.
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
    /// Where it lies.
    pub location: Location,
    /// The bucket's region, where the notification says it (CloudTrail's own SNS message does not).
    pub region: Option<String>,
    /// Compressed size in bytes: a hint for admission, never a guard.
    pub size: Option<u64>,
    /// `ETag`, without quotes.
    pub etag: Option<String>,
}

/// An opened object: what the service said of it, and its bytes as they come.
pub struct Body {
    /// `ETag` for `If-Match` on a second read.
    pub etag: Option<String>,
    /// Bytes announced; a body that ends sooner is an error, not an end.
    pub length: Option<u64>,
    /// `Last-Modified`, seconds since the epoch: when CloudTrail delivered the file.
    pub last_modified: Option<i64>,
    /// The service's request id, for the log.
    pub request_id: Option<String>,
    /// The bytes, stored form (gzip stays gzip).
    pub chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// Objects by reference. One plain GET whatever the size.
pub trait Store: Send + Sync + 'static {
    /// Opens `object`; with `if_match`, only if its `ETag` still is that one.
    ///
    /// # Errors
    /// Classified by [`StoreErrorKind`], with the service's code and request id in the text.
    fn open<'a>(
        &'a self,
        object: &'a ObjectRef,
        if_match: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Body, StoreError>>;
}

/// What went wrong with an object, by what can be done about it. The policy is the pipeline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// 404 `NoSuchKey`, `NoSuchVersion`, `NoSuchBucket`: it is not there (any more).
    Missing,
    /// 403 `AccessDenied`; without `s3:ListBucket` also what a missing key answers.
    Forbidden,
    /// KMS refused the key: disabled, denied, pending deletion.
    KmsDenied,
    /// `InvalidObjectState`: archived, not readable until restored.
    Archived,
    /// 412: changed since its notification or since the first read.
    Changed,
    /// 429 or `SlowDown`.
    Throttled,
    /// 5xx.
    Server,
    /// The body ended before its announced length, or the connection was cut.
    ShortBody,
    /// Nothing came in time.
    Timeout,
    /// AWS gives us no credentials, or S3 does not take them: nothing is known of the object.
    Credentials,
    /// Anything else: DNS, TLS, an unknown code. Retried.
    Other,
}

impl StoreErrorKind {
    /// The stable label of this kind, for metrics and the runbook.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Missing => Code::ObjectMissing,
            Self::Forbidden => Code::ObjectForbidden,
            Self::KmsDenied => Code::KmsDenied,
            Self::Archived => Code::ObjectArchived,
            Self::Changed => Code::ObjectChanged,
            Self::Throttled => Code::S3Throttled,
            Self::Server => Code::S3ServerError,
            Self::ShortBody => Code::ShortBody,
            Self::Timeout => Code::S3Timeout,
            Self::Credentials => Code::S3Credentials,
            Self::Other => Code::S3Other,
        }
    }
}

/// An object could not be read. The text names location, service code, HTTP status and request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct StoreError {
    /// What can be done about it.
    pub kind: StoreErrorKind,
    /// A sentence for the operator.
    pub text: String,
}
