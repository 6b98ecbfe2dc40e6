//! `[[source]]`, checked: a queue or a folder, its buckets and keys, its role and fault policies.

use std::fmt;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobMatcher};
use url::Url;

/// One source of events.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// SQS or a folder.
    pub kind: SourceKind,
    /// Buckets that objects may come from. Whoever can send to the queue must not be able to point
    /// us at their own evidence. Not empty for SQS.
    pub buckets: Vec<Bucket>,
    /// Only objects of these CloudTrail regions are fetched; empty: all.
    pub regions: Vec<String>,
    /// Only objects with matching keys are fetched.
    pub keys: KeyFilter,
    /// Records in EventBridge events are accepted.
    pub eventbridge_records: bool,
    /// The role that reads the queue and its buckets; absent: the process's credentials.
    pub role: Option<Role>,
    /// What each kind of failure of an object leads to.
    pub faults: FaultPolicies,
}

/// A queue or a folder.
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// An SQS queue that receives S3 object notifications.
    Sqs {
        /// The queue's URL.
        queue_url: Url,
        /// Its region: from the URL, or as configured.
        region: String,
    },
    /// A folder, each file one object; needs no AWS.
    Directory(PathBuf),
}

/// A bucket that objects may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its bare name.
    pub name: String,
    /// The role that reads it; absent: the source's.
    pub role: Option<Role>,
    /// Account that must own it; otherwise S3 denies access: a bucket name that another account
    /// took over is not read.
    pub expected_owner: Option<String>,
    /// Requests are charged to us.
    pub requester_pays: bool,
}

impl Bucket {
    /// Returns a bucket with the source's role and without further conditions.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), role: None, expected_owner: None, requester_pays: false }
    }
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy may require against the confused deputy. Not a secret
    /// according to AWS (IAM User Guide, "Access to AWS accounts owned by third parties").
    pub external_id: Option<String>,
}

/// What a failure leads to that may or may not be temporary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPolicy {
    /// Release with backoff; the message is redelivered.
    Retry,
    /// The object is dead-lettered by reference.
    DeadLetter,
}

/// `on_…` of a source: one policy for each kind of failure. Any other failure of S3 is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultPolicies {
    /// 404: the object does not exist.
    pub missing: FaultPolicy,
    /// 403: access denied.
    pub forbidden: FaultPolicy,
    /// KMS denied access to its key.
    pub kms_denied: FaultPolicy,
    /// In an archive class, not readable until restored.
    pub archived: FaultPolicy,
    /// 412: changed while it was read.
    pub changed: FaultPolicy,
}

/// `keys`: which object keys are fetched. By default all.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// One of these must match; empty: any key.
    pub include: Vec<KeyPattern>,
    /// None of these may.
    pub exclude: Vec<KeyPattern>,
}

impl KeyFilter {
    /// Returns whether an object with this (decoded) key is fetched.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        let any = |patterns: &[KeyPattern]| patterns.iter().any(|pattern| pattern.matches(key));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// A glob of object keys: `*` and `?` match within a segment, `**` crosses `/`.
#[derive(Clone)]
pub struct KeyPattern {
    text: String,
    glob: GlobMatcher,
}

impl KeyPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Describes what is wrong with the glob.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .build()
            .map_err(|cause| cause.kind().to_string())?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher() })
    }

    fn matches(&self, key: &str) -> bool {
        self.glob.is_match(key)
    }
}

impl fmt::Debug for KeyPattern {
    /// Shows it as written; the compiled form is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Returns whether it is an account's id: 12 digits.
pub(super) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns whether a part of an ARN or a key is an account's id with a digit too few or too many.
pub(super) fn has_mistyped_account(text: &str) -> bool {
    let is_near = |part: &str| {
        matches!(part.len(), 11 | 13) && part.bytes().all(|digit| digit.is_ascii_digit())
    };
    text.split([':', '/']).any(is_near)
}

/// Returns whether it has only characters that a bucket's name can have.
pub(super) fn is_bucket(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    !name.is_empty() && name.chars().all(plain)
}

/// Returns bucket and key of `s3://bucket/key`; the key may be empty.
pub(super) fn s3_url(text: &str) -> Option<(String, String)> {
    let rest = text.strip_prefix("s3://")?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    is_bucket(bucket).then(|| (bucket.to_owned(), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> KeyFilter {
        let patterns =
            |texts: &[&str]| texts.iter().map(|text| KeyPattern::new(text).unwrap()).collect();
        KeyFilter { include: patterns(include), exclude: patterns(exclude) }
    }

    #[test]
    fn one_star_matches_within_a_segment_and_two_cross_it() {
        let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/08/01/a.json.gz";
        for (include, matches) in [
            ("AWSLogs/**", true),
            ("AWSLogs/*", false),
            ("AWSLogs/*/CloudTrail/us-east-1/**", true),
            ("AWSLogs/{111122223333,444455556666}/**", true),
            ("**/*.json.gz", true),
            ("*.json.gz", false),
            ("awslogs/**", false),
        ] {
            assert_eq!(filter(&[include], &[]).matches(key), matches, "{include}");
        }
    }

    #[test]
    fn an_exclusion_wins_and_the_default_matches_all() {
        let key = "AWSLogs/111122223333/x.json.gz";
        assert!(filter(&[], &[]).matches(key));
        assert!(!filter(&["AWSLogs/**"], &["AWSLogs/111122223333/**"]).matches(key));
        assert!(filter(&[], &["AWSLogs/444455556666/**"]).matches(key));
    }
}
