//! `[dead_letter]`, checked.

use std::path::PathBuf;

use url::Url;

/// `[dead_letter]`: what becomes of what can never be processed.
#[derive(Debug, Clone)]
pub enum DeadLetterConfig {
    /// A letter is written, and its message deleted.
    Write {
        /// Where to.
        place: DeadLetterLocation,
        /// Keep the bytes of bad records, not only references.
        keep_bytes: bool,
    },
    /// Released until the queue's own redrive policy moves the message. An event refused by a sink
    /// holds its message.
    Redrive,
}

/// Where letters are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterLocation {
    /// A folder, one JSON file each; created if absent.
    Directory(PathBuf),
    /// One object each, below `prefix` and their day.
    S3 {
        /// Bucket.
        bucket: String,
        /// Empty, or ending in `/`.
        prefix: String,
    },
    /// One message each.
    Sqs {
        /// The queue's URL.
        queue_url: Url,
        /// Its region, from the URL; absent: that of the environment.
        region: Option<String>,
    },
}
