//! What an object's key says about it, by CloudTrail's naming.

/// What kind of object a key names. Told apart by path segment, never by substring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// A log file, in CloudTrail's layout.
    Log(LogKey),
    /// `CloudTrail-Digest`: a sign of life of the account, nothing to deliver.
    Digest(LogKey),
    /// `CloudTrail-Insight`.
    Insight,
    /// A folder marker (`…/`).
    Folder,
    /// Some other service's segment of the layout (`Config`, `elasticloadbalancing` …).
    OtherService(String),
    /// No known layout: a copy, a custom prefix. Worth a look inside.
    Unknown,
}

/// The parts of a log or digest key. Never trusted as identity: a record says its own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// Account id in the path.
    pub account: String,
    /// CloudTrail region in the path.
    pub region: String,
}

impl KeyKind {
    /// Reads a decoded key: plain, organisation (`o-…`) and Control Tower layouts.
    /// Source: AWS CloudTrail User Guide, "Finding your CloudTrail log files".
    #[must_use]
    pub fn of(_key: &str) -> Self {
        todo!("cloudtrail helper")
    }
}
