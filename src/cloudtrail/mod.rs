//! Decodes CloudTrail log files into the selected records. Pure: no clock, no I/O, no logging.
//!
//! A CloudTrail log file is one line of JSON, `{"Records":[…]}`, in gzip. [`Decoder`] takes the
//! file's stored bytes as they arrive and returns the few records that match the [`Selection`],
//! each as a copy of the file's own bytes. None of them may be delivered before [`Decoder::finish`]
//! has returned that the file passed its checks.

mod block;
mod brackets;
mod decoder;
mod document;
mod gzip;
mod header_fields;
mod key;
#[cfg(feature = "fast-inflate")]
mod one_shot;
mod other_format;
mod prefilter;
mod selection;
mod selector;
mod structural_index;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::error::Code;

pub use decoder::{Decoder, DecoderSettings};
pub use key::{KeyKind, LogFileName, LogKey, is_account, is_region};
pub use selection::Selection;

/// The origin of a record: carried by every event, so that an auditor can find the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A record of an S3 object.
    Object {
        /// Bucket.
        bucket: String,
        /// Key, decoded.
        key: String,
        /// Version, where known.
        version: Option<String>,
        /// 0-based index in the file.
        index: u64,
    },
    /// A record inside an EventBridge event.
    Message {
        /// SQS message id.
        message_id: String,
    },
    /// A record of a local file.
    File {
        /// Path as given.
        path: PathBuf,
        /// 0-based index in the file.
        index: u64,
    },
}

impl fmt::Display for Origin {
    /// `s3://bucket/key#index`, `sqs:message-id` or `path#index`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { bucket, key, version: None, index } => {
                write!(f, "s3://{bucket}/{key}#{index}")
            }
            Self::Object { bucket, key, version: Some(v), index } => {
                write!(f, "s3://{bucket}/{key}?versionId={v}#{index}")
            }
            Self::Message { message_id } => write!(f, "sqs:{message_id}"),
            Self::File { path, index } => write!(f, "{}#{index}", path.display()),
        }
    }
}

/// A selected record, unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record as CloudTrail wrote it: a JSON object, UTF-8, surrounding white space removed.
    pub bytes: Bytes,
    /// 0-based index in the file.
    pub index: u64,
    /// Byte offset of the record in the uncompressed document.
    pub offset: u64,
}

/// A record that cannot be parsed, with all that is needed to find it. The rest of its file is
/// decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRecord {
    /// 0-based index in the file.
    pub index: u64,
    /// Byte offset in the uncompressed document.
    pub offset: u64,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Why it cannot be parsed.
    pub reason: String,
    /// Its bytes, for a dead letter that keeps them.
    pub bytes: Bytes,
}

/// A result of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A record that matches the selection.
    Record(Record),
    /// A record that had to be parsed and could not be.
    Invalid(InvalidRecord),
}

/// The record counts of an object: `read = filtered + bad + selected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecodeStats {
    /// Records in the file.
    pub read: u64,
    /// Records that match the selection.
    pub selected: u64,
    /// Records that cannot be parsed.
    pub bad: u64,
    /// Stored (compressed) bytes.
    pub stored_bytes: u64,
    /// Uncompressed bytes.
    pub bytes: u64,
    /// SHA-256 of the uncompressed document, as in CloudTrail digest files; set if `[decode] hash`
    /// is.
    pub sha256: Option<String>,
}

impl DecodeStats {
    /// Returns the records that neither match the selection nor are invalid.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.read - self.selected - self.bad
    }
}

/// Why nothing of a file is delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The object has no content.
    #[error("the object is empty")]
    Empty,
    /// The gzip stream is corrupt: invalid header, CRC or size, or truncated.
    #[error("corrupt gzip at stored byte {at}: {reason}")]
    Gzip {
        /// Stored bytes consumed before the error; approximate within compressed data.
        at: u64,
        /// The cause.
        reason: String,
    },
    /// The document is not JSON of the expected structure.
    #[error("corrupt JSON at uncompressed byte {at}: {reason}")]
    Json {
        /// Uncompressed offset.
        at: u64,
        /// The cause.
        reason: String,
    },
    /// Well-formed, but not CloudTrail log data: a digest file, for example.
    #[error("not a CloudTrail log file: {0}")]
    NotCloudTrail(String),
    /// A limit was exceeded.
    #[error("over the limit {name} = {limit}")]
    OverLimit {
        /// The limit's name in the configuration; `invalid_records` is fixed.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
}

impl DecodeError {
    /// Returns the stable code, for metrics and the runbook.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Empty => Code::EmptyObject,
            Self::Gzip { .. } => Code::CorruptGzip,
            Self::Json { .. } => Code::CorruptJson,
            Self::NotCloudTrail(_) => Code::NotCloudtrail,
            Self::OverLimit { .. } => Code::OverLimit,
        }
    }
}
