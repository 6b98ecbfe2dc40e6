//! A source: its queue, its objects and its policy.

use std::sync::Arc;

use crate::config::{FaultPolicies, KeyFilter};
use crate::pipeline::access_monitor::AccessMonitor;
use crate::pipeline::skip_monitor::SkipMonitor;
use crate::queue::{Acknowledger, Queue, VisibilityExtender};
use crate::store::Store;

/// How a source's message bodies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// As notifications, in any of AWS's formats. Never as a path: whoever can send to a queue must
    /// not be able to make us read our own files.
    Notifications,
    /// As paths of local files, from a folder queue.
    Paths,
    /// As dead letters of the kinds `record` and `event`, from `replay`.
    DeadLetters,
}

/// A source's checked policy.
#[derive(Debug, Clone)]
pub struct SourcePolicy {
    /// How bodies are read.
    pub bodies: Bodies,
    /// Buckets that objects may come from.
    pub buckets: Vec<String>,
    /// CloudTrail regions that are fetched; empty: all.
    pub regions: Vec<String>,
    /// Object keys that are fetched.
    pub keys: KeyFilter,
    /// Whether EventBridge events, which carry the record themselves, are accepted.
    pub eventbridge_records: bool,
    /// What each fault of an object becomes.
    pub faults: FaultPolicies,
}

/// A source, before the pipeline runs it.
pub struct Source {
    /// Its queue.
    pub queue: Arc<dyn Queue>,
    /// Its objects.
    pub store: Arc<dyn Store>,
    /// Its policy.
    pub policy: SourcePolicy,
}

/// A source whose queue's two drivers run.
pub(super) struct RunningSource {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) store: Arc<dyn Store>,
    pub(super) policy: SourcePolicy,
    pub(super) extender: VisibilityExtender,
    pub(super) acknowledger: Acknowledger,
    pub(super) skips: SkipMonitor,
    pub(super) access: AccessMonitor,
}
