//! One object, from its reference to the outcomes of its events.
//!
//! Verify before deliver: matches are buffered until the end of the file has verified them. If they
//! do not fit, the object is read again with `If-Match` for the next buffer, so that no S3 body
//! ever waits for a sink and no event of a damaged file is ever sent.

use std::borrow::Cow;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::cloudtrail::{DecodeError, KeyKind};
use crate::config::FaultPolicy;
use crate::error::{Code, Disposition, Error};
use crate::pipeline::dead_letter;
use crate::pipeline::decode::{DecodeStage, MatchBuffer, ReadError, Verified};
use crate::pipeline::dispatch::{self, Batch, Dispatcher, MessageDeliveries};
use crate::pipeline::limits::MessagePermits;
use crate::pipeline::observers::Observers;
use crate::pipeline::records::{RecordCounts, RecordSelection, RecordSource};
use crate::pipeline::skip_monitor::SkipReason;
use crate::pipeline::source::{Bodies, RunningSource, SourcePolicy};
use crate::store::{Body, Location, ObjectRef, StoreError, StoreErrorKind};
use crate::telemetry::{ByAccount, ByReason};

/// Fetches, decodes and dispatches objects.
pub(super) struct ObjectProcessor {
    pub(super) decode: Arc<DecodeStage>,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) observers: Observers,
}

/// The result of one attempt to read an object.
enum Read {
    /// Sound, with these matches.
    Verified(Verified, ObjectAttributes),
    /// Without matches.
    Ended(Disposition),
    /// To be read again from the start, once.
    Again,
}

/// What the store returned with the object's bytes.
struct ObjectAttributes {
    etag: Option<String>,
    delivered: Option<OffsetDateTime>,
    request_id: Option<String>,
}

impl ObjectAttributes {
    fn of(body: &Body) -> Self {
        let delivered = body.last_modified;
        Self {
            request_id: body.request_id.clone(),
            etag: body.etag.clone(),
            delivered: delivered.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
        }
    }
}

impl ObjectProcessor {
    /// Fetches, decodes, verifies, routes and delivers the selected records of `object`, as often
    /// as they need; returns when every required delivery is final or has failed for now.
    pub(super) async fn process(
        &self,
        source: &RunningSource,
        object: &ObjectRef,
        selection: RecordSelection,
        permits: &mut MessagePermits,
        deliveries: &mut MessageDeliveries,
    ) -> Disposition {
        if let Some(disposition) = self.skip(source, object).await {
            return disposition;
        }
        let (mut counts, mut disposition) = (RecordCounts::default(), Disposition::Done);
        let (mut from, mut etag, mut large, mut reread) = (0, None::<String>, false, false);
        loop {
            permits.start_processing().await;
            let mut memory = match permits.reserve(object.size, large).await {
                Ok(memory) => memory,
                Err(error) => return Disposition::Retry(error),
            };
            let buffer = MatchBuffer::new(memory.class.match_cap, from);
            let read = self.read(source, object, etag.as_deref(), buffer, reread).await;
            let (verified, attributes) = match read {
                Read::Verified(verified, _) if verified.next.is_some() && memory.is_small() => {
                    large = true;
                    continue;
                }
                Read::Verified(verified, attributes) => (verified, attributes),
                Read::Ended(ended) => return disposition.and(ended),
                Read::Again => {
                    reread = true;
                    continue;
                }
            };
            memory.shrink_to_records(verified.bytes);
            permits.stop_processing();
            counts.decoded(&verified.stats);
            let file_sha256 = verified.stats.sha256;
            let records = selection.apply(verified.matches, &mut counts);
            let ObjectAttributes { delivered, request_id, etag: current } = attributes;
            let idle = records.is_empty();
            let span = if idle { Span::none() } else { span(object, request_id.as_deref()) };
            let source = RecordSource::Object(object);
            let batch = Batch { records, delivered, file_sha256, source };
            let memory = permits.for_delivery(memory);
            let dispatch = self.dispatcher.dispatch(batch, memory, &mut counts);
            let dispatched = dispatch.instrument(span.clone()).await;
            if verified.next.is_none() {
                counts.commit(&self.observers.metrics, source.channel());
            }
            let outcomes = dispatched.outcomes(&self.dispatcher, deliveries).instrument(span).await;
            disposition = disposition.and(outcomes);
            let Some(next) = verified.next else { return disposition };
            if deliveries.is_overdue() {
                return disposition.and(dispatch::timed_out());
            }
            (from, etag) = (next, current);
        }
    }

    /// Returns the disposition of an object that is not fetched.
    async fn skip(&self, source: &RunningSource, object: &ObjectRef) -> Option<Disposition> {
        match admit(&source.policy, object) {
            Admission::Fetch => {
                source.skips.fetched();
                return None;
            }
            Admission::Digest(account) => {
                self.count_skip(object, SkipReason::Digest);
                let account = self.observers.digest_accounts.label(account);
                let label = ByAccount { account };
                self.observers.metrics.digest_files.get_or_create(&label).inc();
            }
            Admission::Skip(reason) => {
                self.count_skip(object, reason);
                if reason.is_filter() {
                    source.skips.filtered(Instant::now());
                }
            }
            Admission::Poison(error) => return Some(self.reject_object(object, None, error).await),
        }
        Some(Disposition::Done)
    }

    fn count_skip(&self, object: &ObjectRef, reason: SkipReason) {
        let location = &object.location;
        tracing::debug!(object = location.to_string(), reason = reason.as_str(), "object skipped");
        let label = ByReason::new(reason.as_str());
        self.observers.metrics.objects_skipped.get_or_create(&label).inc();
    }

    async fn read(
        &self,
        source: &RunningSource,
        object: &ObjectRef,
        if_match: Option<&str>,
        buffer: MatchBuffer,
        reread: bool,
    ) -> Read {
        let body = match source.store.open(object, if_match).await {
            Ok(body) => body,
            Err(error) => return Read::Ended(self.fetch_failed(source, object, error).await),
        };
        source.access.opened(source.queue.name(), &self.observers.health);
        let attributes = ObjectAttributes::of(&body);
        match self.decode.read(body, buffer).await {
            Ok(verified) => {
                let stats = &verified.stats;
                tracing::debug!(
                    object = object.location.to_string(),
                    records = stats.read,
                    selected = stats.selected,
                    invalid = stats.bad,
                    sha256 = stats.sha256,
                    "object read"
                );
                Read::Verified(verified, attributes)
            }
            Err(ReadError::Store(error)) => {
                Read::Ended(self.fetch_failed(source, object, error).await)
            }
            Err(ReadError::Decode(DecodeError::Empty)) => {
                self.count_skip(object, SkipReason::Empty);
                Read::Ended(Disposition::Done)
            }
            Err(ReadError::Decode(DecodeError::Gzip { .. } | DecodeError::Json { .. }))
                if !reread =>
            {
                Read::Again
            }
            Err(ReadError::Decode(error)) => {
                let request_id = attributes.request_id.as_deref();
                let request = match (&object.location, request_id) {
                    (Location::S3 { .. }, Some(id)) => format!(" (request id {id})"),
                    _ => String::new(),
                };
                let text = format!("{}: {error}{request}", object.location);
                let error = Error::new(error.code(), text);
                Read::Ended(self.reject_object(object, request_id, error).await)
            }
        }
    }

    /// Applies the policy for an object whose bytes did not arrive, which depends on the kind of
    /// failure.
    async fn fetch_failed(
        &self,
        source: &RunningSource,
        object: &ObjectRef,
        StoreError { kind, text }: StoreError,
    ) -> Disposition {
        let error = Error::new(kind.code(), text);
        let faults = &source.policy.faults;
        let policy = match kind {
            StoreErrorKind::Missing => faults.missing,
            StoreErrorKind::Forbidden => faults.forbidden,
            StoreErrorKind::KmsDenied => faults.kms_denied,
            StoreErrorKind::Archived => faults.archived,
            StoreErrorKind::Changed => faults.changed,
            StoreErrorKind::InvalidName => FaultPolicy::DeadLetter,
            StoreErrorKind::Throttled
            | StoreErrorKind::Server
            | StoreErrorKind::ShortBody
            | StoreErrorKind::Timeout
            | StoreErrorKind::Credentials
            | StoreErrorKind::Other => FaultPolicy::Retry,
        };
        match policy {
            FaultPolicy::DeadLetter => self.reject_object(object, None, error).await,
            FaultPolicy::Retry => {
                if error.code.needs_operator() {
                    let (queue, health) = (source.queue.name(), &self.observers.health);
                    let denied = || source.access.denied(queue, health, &object.location, &error);
                    span(object, None).in_scope(denied);
                }
                self.count_failure(error.code);
                Disposition::Retry(error)
            }
        }
    }

    fn count_failure(&self, code: Code) {
        let label = ByReason::new(code.as_str());
        self.observers.metrics.objects_failed.get_or_create(&label).inc();
    }

    /// Logs, counts and dead-letters, by reference, an object that can never be read.
    async fn reject_object(
        &self,
        object: &ObjectRef,
        request_id: Option<&str>,
        error: Error,
    ) -> Disposition {
        self.count_failure(error.code);
        async {
            let (code, text) = (error.code.as_str(), &error.text);
            tracing::error!(code, error = text, "object rejected");
            let dead_lettered = self.dispatcher.dead_letter(error, |_, error, now| {
                dead_letter::object(&object.location, error, now)
            });
            dead_lettered.await
        }
        .instrument(span(object, request_id))
        .await
    }
}

/// Returns the span of an object, for the code that may log: nearly all objects log nothing, and
/// need none. At the level of errors, so that no `[log] level` drops the fields of their lines.
fn span(object: &ObjectRef, request_id: Option<&str>) -> Span {
    match &object.location {
        Location::S3 { bucket, key, .. } => {
            tracing::error_span!("object", bucket, key, request_id)
        }
        Location::File(path) => {
            tracing::error_span!("object", path = &*path.to_string_lossy())
        }
    }
}

enum Admission {
    Fetch,
    /// A digest file, of this account.
    Digest(String),
    Skip(SkipReason),
    Poison(Error),
}

/// Decides, before any request, whether an object is fetched.
fn admit(policy: &SourcePolicy, object: &ObjectRef) -> Admission {
    let SourcePolicy { bodies, buckets, regions, keys, .. } = policy;
    let key = match &object.location {
        Location::S3 { bucket, .. } if !buckets.iter().any(|allowed| allowed == bucket) => {
            let object = &object.location;
            let text = format!("{object} is in a bucket that the [[source]] buckets do not list");
            return Admission::Poison(Error::new(Code::BucketNotAllowed, text));
        }
        Location::S3 { key, .. } => Cow::Borrowed(key.as_str()),
        Location::File(_) if *bodies == Bodies::Notifications => {
            let text = "a message from a queue must not name a local file";
            return Admission::Poison(Error::new(Code::NotAnObject, text));
        }
        // A copy of a bucket has the bucket's layout.
        Location::File(path) => path.to_string_lossy(),
    };
    match KeyKind::of(&key) {
        KeyKind::Digest(digest) => Admission::Digest(digest.account),
        KeyKind::Insight => Admission::Skip(SkipReason::Insight),
        KeyKind::Folder => Admission::Skip(SkipReason::Folder),
        KeyKind::OtherService(_) => Admission::Skip(SkipReason::OtherService),
        KeyKind::Log(_) | KeyKind::Unknown if !keys.matches(&key) => {
            Admission::Skip(SkipReason::Key)
        }
        KeyKind::Log(log) if !regions.is_empty() && !regions.contains(&log.region) => {
            Admission::Skip(SkipReason::Region)
        }
        KeyKind::Log(_) | KeyKind::Unknown => Admission::Fetch,
    }
}
