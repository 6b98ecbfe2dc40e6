//! `[[source]]`, checked: a queue or a folder, what may be read from it, and as whom.

use std::fmt;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobMatcher};
use url::Url;

/// One place that events come from.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// SQS or a folder.
    pub kind: SourceKind,
    /// Buckets that objects may come from. Whoever can send to the queue must not be able to point
    /// us at their own evidence. Not empty for SQS.
    pub buckets: Vec<Bucket>,
    /// Only objects of these CloudTrail regions are fetched; empty: all.
    pub regions: Vec<String>,
    /// Only objects with such keys are fetched.
    pub keys: KeyFilter,
    /// The fast lane: records that messages carry themselves are taken.
    pub inline_records: bool,
    /// Whose rights the queue and its buckets are read with; absent: the process's own.
    pub role: Option<Role>,
    /// What each fault of an object becomes.
    pub faults: FaultPolicies,
}

/// Where a source's messages come from.
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// An SQS queue that receives S3 object notifications.
    Sqs {
        /// The queue's URL.
        queue_url: Url,
        /// Its region: from the URL, or as configured.
        region: String,
    },
    /// A folder, each file one object: nothing of AWS is needed.
    Directory(PathBuf),
}

/// A bucket that objects may come from, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its bare name.
    pub name: String,
    /// Whose rights it is read with; absent: the source's.
    pub role: Option<Role>,
    /// Account that must own it, or S3 refuses: a name that somebody else took over is not read.
    pub expected_owner: Option<String>,
    /// We pay for requests to it.
    pub requester_pays: bool,
}

impl Bucket {
    /// A bucket without anything of its own.
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
    /// What its trust policy may ask for against the confused deputy. Not a secret, by AWS's own
    /// account of it (IAM User Guide, "Access to AWS accounts owned by third parties").
    pub external_id: Option<String>,
}

/// What a fault that may or may not heal becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPolicy {
    /// Released with backoff and tried again.
    Retry,
    /// Poison: dead-lettered by reference.
    DeadLetter,
}

/// `on_…` of a source: one policy a kind of fault. Everything else that S3 answers is always retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultPolicies {
    /// 404: it is not there (any more).
    pub missing: FaultPolicy,
    /// 403: we may not read it.
    pub forbidden: FaultPolicy,
    /// KMS refused its key.
    pub kms_denied: FaultPolicy,
    /// In an archive class, not readable until restored.
    pub archived: FaultPolicy,
    /// 412: rewritten while it was read.
    pub changed: FaultPolicy,
}

impl Default for FaultPolicies {
    /// What somebody is likely to correct is retried; what cannot come back is dead-lettered.
    fn default() -> Self {
        Self {
            missing: FaultPolicy::DeadLetter,
            forbidden: FaultPolicy::Retry,
            kms_denied: FaultPolicy::Retry,
            archived: FaultPolicy::DeadLetter,
            changed: FaultPolicy::Retry,
        }
    }
}

/// `keys`: which object keys are fetched. Nothing said: all.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// One of these must match; empty: any key.
    pub include: Vec<KeyPattern>,
    /// None of these may.
    pub exclude: Vec<KeyPattern>,
}

impl KeyFilter {
    /// Whether an object of this (decoded) key is wanted.
    #[must_use]
    pub fn wants(&self, key: &str) -> bool {
        let any = |patterns: &[KeyPattern]| patterns.iter().any(|pattern| pattern.matches(key));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// A glob of object keys: `*` and `?` stay within a segment, `**` crosses `/`.
#[derive(Clone)]
pub struct KeyPattern {
    text: String,
    glob: GlobMatcher,
}

impl KeyPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The glob's own words on what is wrong with it.
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
    /// As written; the compiled form would fill a page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// The region in whose log files the events of IAM stand, for a queue in `region`: IAM is one
/// service per partition. Source: AWS `CloudTrail` User Guide, "Global service events"; botocore's
/// `endpoints.json`, `partitionEndpoint` of `iam`.
#[must_use]
pub fn iam_region(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "cn-north-1"),
        ("us-gov-", "us-gov-west-1"),
        ("us-isob-", "us-isob-east-1"),
        ("us-isof-", "us-isof-south-1"),
        ("us-iso-", "us-iso-east-1"),
        ("eu-isoe-", "eu-isoe-west-1"),
        ("eusc-", "eusc-de-east-1"),
    ];
    let of = partitions.iter().find(|(prefix, _)| region.starts_with(prefix));
    of.map_or("us-east-1", |(_, iam)| iam)
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
    fn one_star_stays_within_a_segment_and_two_cross_it() {
        let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/08/01/a.json.gz";
        for (include, wanted) in [
            ("AWSLogs/**", true),
            ("AWSLogs/*", false),
            ("AWSLogs/*/CloudTrail/us-east-1/**", true),
            ("AWSLogs/{111122223333,444455556666}/**", true),
            ("**/*.json.gz", true),
            ("*.json.gz", false),
            ("awslogs/**", false),
        ] {
            assert_eq!(filter(&[include], &[]).wants(key), wanted, "{include}");
        }
    }

    #[test]
    fn an_exclusion_wins_and_nothing_said_wants_all() {
        let key = "AWSLogs/111122223333/x.json.gz";
        assert!(filter(&[], &[]).wants(key));
        assert!(!filter(&["AWSLogs/**"], &["AWSLogs/111122223333/**"]).wants(key));
        assert!(filter(&[], &["AWSLogs/444455556666/**"]).wants(key));
    }

    #[test]
    fn iam_logs_in_one_region_of_each_partition() {
        for (region, iam) in [
            ("eu-west-1", "us-east-1"),
            ("us-gov-east-1", "us-gov-west-1"),
            ("cn-northwest-1", "cn-north-1"),
            ("us-iso-west-1", "us-iso-east-1"),
            ("us-isob-east-1", "us-isob-east-1"),
        ] {
            assert_eq!(iam_region(region), iam, "{region}");
        }
    }
}
