//! Room 3: bytes → records → the selected ones. Pure: no clock, no I/O, no logging.
//!
//! A CloudTrail log file is gzip over one line of JSON, `{"Records":[…]}`. [`Decoder`] is pushed the
//! file's stored bytes as they come and answers with the few records that the [`Selection`] names,
//! each as a slice of the file's own bytes. Nothing that it hands out may be delivered before
//! [`Decoder::finish`] has said that the file passed its checks.

mod checksum;
mod decoder;
mod document;
mod gzip;
mod head;
mod key;
mod nesting;
#[cfg(feature = "fast-inflate")]
mod one_shot;
mod outline;
mod pen;
mod picker;
mod place;
mod prefilter;
mod run;
mod scalar;
mod selection;
mod simd;
mod syntax;
#[cfg(test)]
mod tests;

use crate::error::Code;
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

pub use decoder::{Decoder, DecoderSettings};
pub use key::{KeyKind, LogKey};
pub use selection::Selection;

/// Where a record comes from: carried by every event, so that an auditor can find the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A record of an S3 object, by its place in `Records`.
    Object {
        /// Bucket.
        bucket: String,
        /// Key, decoded.
        key: String,
        /// Version, where known.
        version: Option<String>,
        /// 0-based place in the file.
        index: u64,
    },
    /// A record inside a message (the fast lane).
    Inline {
        /// The queue's id of that message.
        message_id: String,
    },
    /// A record of a local file.
    File {
        /// Path as given.
        path: PathBuf,
        /// 0-based place in the file.
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
            Self::Inline { message_id } => write!(f, "sqs:{message_id}"),
            Self::File { path, index } => write!(f, "{}#{index}", path.display()),
        }
    }
}

/// One selected record: a slice of the file's own bytes, untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record as CloudTrail wrote it: a JSON object, UTF-8, surrounding white space removed.
    pub bytes: Bytes,
    /// 0-based place in the file.
    pub index: u64,
    /// Byte offset of the record in the uncompressed document.
    pub offset: u64,
}

/// A record that cannot be read, named so that it can be found again. The rest of its file goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRecord {
    /// 0-based place in the file.
    pub index: u64,
    /// Byte offset in the uncompressed document.
    pub offset: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Why it is bad.
    pub reason: String,
    /// Its bytes, for a dead letter that keeps them.
    pub bytes: Bytes,
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A record that the selection names.
    Record(Record),
    /// A record that should be looked at and cannot be read.
    Invalid(InvalidRecord),
}

/// The accounting of one object: `read = filtered + bad + selected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecodeStats {
    /// Records in the file.
    pub read: u64,
    /// Records that the selection names.
    pub selected: u64,
    /// Records that cannot be read.
    pub bad: u64,
    /// Stored (compressed) bytes.
    pub stored_bytes: u64,
    /// Uncompressed bytes.
    pub bytes: u64,
    /// SHA-256 of the uncompressed document as CloudTrail digests carry it, if asked for.
    pub sha256: Option<String>,
}

impl DecodeStats {
    /// Records that are none of ours.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.read - self.selected - self.bad
    }
}

/// Why a file delivers nothing. Each limit names itself and its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all: nothing to deliver, counted.
    #[error("the object is empty")]
    Empty,
    /// The gzip stream is broken: bad header, CRC, length, or it ends early.
    #[error("gzip is damaged at stored byte {at}: {reason}")]
    Gzip {
        /// Stored bytes consumed before the fault; within compressed data, give or take a few.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// The document is not JSON of the expected structure.
    #[error("JSON is damaged at uncompressed byte {at}: {reason}")]
    Json {
        /// Uncompressed offset.
        at: u64,
        /// What was expected.
        reason: String,
    },
    /// Well-formed, but not CloudTrail log data (a digest, an insight list, something else).
    #[error("not a CloudTrail log file: {0}")]
    NotCloudTrail(String),
    /// A configured limit was passed.
    #[error("over the limit {name} = {limit}")]
    OverLimit {
        /// The configuration's name of the limit; `bad_records` is fixed.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
}

impl DecodeError {
    /// The stable label, for metrics and the runbook.
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
