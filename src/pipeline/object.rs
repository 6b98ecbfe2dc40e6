//! One object, from reference to the outcomes of its events.
//!
//! Verify before deliver: matches are held until the file's end has proven it. Where they do not
//! fit, the object is read again with `If-Match` for the next hold-full, so that no S3 body ever waits
//! for a sink and no event of a damaged file is ever sent.

use std::borrow::Cow;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::cloudtrail::{DecodeError, KeyKind};
use crate::config::FaultPolicy;
use crate::error::{Code, Disposition, Error};
use crate::pipeline::context::{Bodies, RunningSource, SourcePolicy, Wire};
use crate::pipeline::dead_letter;
use crate::pipeline::decode::{Fault, Hold, Verified};
use crate::pipeline::dispatch::{self, Batch, Carrier};
use crate::pipeline::message::Place;
use crate::pipeline::record_counts::Account;
use crate::store::{Location, ObjectRef, StoreErrorKind};
use crate::telemetry::{ByAccount, ByReason, escape};

/// What became of one attempt to read.
enum Read {
    /// Sound; these are its matches.
    Verified(Verified, Facts),
    /// Settled without events.
    Ended(Disposition),
    /// Read it again from the start, once.
    Again,
}

/// What the store said of the object.
struct Facts {
    etag: Option<String>,
    delivered: Option<OffsetDateTime>,
    request_id: String,
}

/// Takes `object` through fetch, decode, verify, route and delivery, and answers when every required
/// pair is final or has failed for now.
pub(super) async fn process(
    wire: &Arc<Wire>,
    source: &RunningSource,
    object: &ObjectRef,
    place: &mut Place,
) -> Disposition {
    process_only(wire, source, object, None, place).await
}

/// As [`process`], for one record of the object if `only` names one: `replay` of a bad record.
pub(super) async fn process_only(
    wire: &Arc<Wire>,
    source: &RunningSource,
    object: &ObjectRef,
    only: Option<u64>,
    place: &mut Place,
) -> Disposition {
    if let Some(disposition) = without_a_request(wire, source, object).await {
        return disposition;
    }
    let mut account = Account::default();
    let mut disposition = Disposition::Done;
    let (mut from, mut etag, mut large, mut second_look) = (0, None::<String>, false, false);
    loop {
        place.enter_work(wire).await;
        let Some(mut reservation) = wire.gates.reserve(object.size, large).await else {
            return Disposition::Retry(Error::new(Code::Stopping, "the memory gate is closed"));
        };
        let hold = Hold::new(reservation.share.held_cap, from);
        let (verified, facts) =
            match read(wire, source, object, etag.as_deref(), hold, second_look).await {
                Read::Verified(verified, facts) => (verified, facts),
                Read::Ended(ended) => return disposition.and(ended),
                Read::Again => {
                    second_look = true;
                    continue;
                }
            };
        if verified.next.is_some() && reservation.is_small() {
            large = true;
            continue;
        }
        reservation.shrink(verified.held);
        place.leave_work();
        account.read(&verified.tally);
        let carrier = Carrier::Object(object, &facts.request_id);
        let file_sha256 = verified.tally.sha256.clone();
        if let Some(sha256) = &file_sha256 {
            tracing::debug!(object = %escape(&object.location.to_string()), sha256, "read");
        }
        let found = match only {
            None => verified.found,
            Some(index) => account.only(verified.found, index),
        };
        let batch = Batch { found, delivered: facts.delivered, file_sha256, carrier };
        let handed = dispatch::hand_over(wire, batch, place.keep(reservation), &mut account).await;
        from = verified.next.unwrap_or(0);
        if verified.next.is_none() {
            account.commit(wire, carrier.lane());
        }
        disposition = disposition.and(handed.outcomes(wire, place).await);
        if verified.next.is_none() {
            return disposition;
        }
        if place.is_overdue() {
            return disposition.and(dispatch::out_of_patience());
        }
        etag = facts.etag;
    }
}

/// The verdict on an object that nobody fetches.
async fn without_a_request(
    wire: &Arc<Wire>,
    source: &RunningSource,
    object: &ObjectRef,
) -> Option<Disposition> {
    match admit(source, object) {
        Admission::Fetch => {
            source.filtering.fetched();
            return None;
        }
        Admission::SignOfLife(account) => {
            skip(wire, "digest");
            let account = wire.digests.label(account);
            wire.metrics.digest_files.get_or_create(&ByAccount { account }).inc();
        }
        Admission::Skip(reason) => skip(wire, reason),
        Admission::Filter(reason) => {
            skip(wire, reason);
            source.filtering.filtered(source.queue.name(), Instant::now());
        }
        Admission::Poison(error) => return Some(condemn(wire, object, error).await),
    }
    Some(Disposition::Done)
}

enum Admission {
    Fetch,
    /// A digest: its account is alive.
    SignOfLife(String),
    /// There is nothing for us in such an object.
    Skip(&'static str),
    /// The operator does not want it, or the whole queue may be the wrong one.
    Filter(&'static str),
    Poison(Error),
}

/// What can be said of an object before any request.
fn admit(source: &RunningSource, object: &ObjectRef) -> Admission {
    let key = match &object.location {
        Location::S3 { bucket, .. }
            if !source.policy.buckets.iter().any(|allowed| allowed == bucket) =>
        {
            let text = format!(
                "{} lies in a bucket that [[source]] buckets does not allow",
                escape(&object.location.to_string())
            );
            return Admission::Poison(Error::new(Code::BucketNotAllowed, text));
        }
        Location::S3 { key, .. } => Cow::Borrowed(key.as_str()),
        Location::File(_) if source.policy.bodies == Bodies::Notifications => {
            let text = "a queue may not name local files";
            return Admission::Poison(Error::new(Code::NotAnObject, text));
        }
        // A copy of a bucket has its layout.
        Location::File(path) => path.to_string_lossy(),
    };
    let SourcePolicy { regions, keys, .. } = &source.policy;
    match KeyKind::of(&key) {
        KeyKind::Digest(digest) => Admission::SignOfLife(digest.account),
        KeyKind::Insight => Admission::Skip("insight"),
        KeyKind::Folder => Admission::Skip("folder"),
        KeyKind::OtherService(_) => Admission::Filter("other_service"),
        KeyKind::Log(_) | KeyKind::Unknown if !keys.matches(&key) => Admission::Filter("key"),
        KeyKind::Log(log) if !regions.is_empty() && !regions.contains(&log.region) => {
            Admission::Filter("region")
        }
        KeyKind::Log(_) | KeyKind::Unknown => Admission::Fetch,
    }
}

fn skip(wire: &Wire, reason: &'static str) {
    wire.metrics.objects_skipped.get_or_create(&ByReason::new(reason)).inc();
}

async fn read(
    wire: &Arc<Wire>,
    source: &RunningSource,
    object: &ObjectRef,
    if_match: Option<&str>,
    hold: Hold,
    second_look: bool,
) -> Read {
    let place = || escape(&object.location.to_string());
    let body = match source.store.open(object, if_match).await {
        Ok(body) => {
            source.refusals.read(source.queue.name(), &wire.health);
            body
        }
        Err(cause) => {
            return Read::Ended(failed(wire, source, object, cause.kind, cause.text).await);
        }
    };
    let facts = Facts {
        request_id: body.request_id.clone().unwrap_or_default(),
        etag: body.etag.clone(),
        delivered: body.last_modified.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
    };
    match wire.stage.read(body, hold).await {
        Ok(verified) => Read::Verified(verified, facts),
        Err(Fault::Store(cause)) => {
            Read::Ended(failed(wire, source, object, cause.kind, cause.text).await)
        }
        Err(Fault::DecodeError(DecodeError::Empty)) => {
            skip(wire, "empty");
            Read::Ended(Disposition::Done)
        }
        Err(Fault::DecodeError(DecodeError::Gzip { .. } | DecodeError::Json { .. }))
            if !second_look =>
        {
            Read::Again
        }
        Err(Fault::DecodeError(damage)) => {
            let asked = match &object.location {
                Location::S3 { .. } => format!(" (request id {})", facts.request_id),
                Location::File(_) => String::new(),
            };
            let text = format!("{}: {damage}{asked}", place());
            Read::Ended(condemn(wire, object, Error::new(damage.code(), text)).await)
        }
    }
}

/// An object whose bytes did not come: what that means is policy, kind by kind.
async fn failed(
    wire: &Wire,
    source: &RunningSource,
    object: &ObjectRef,
    kind: StoreErrorKind,
    text: String,
) -> Disposition {
    let error = Error::new(kind.code(), text);
    let faults = &source.policy.faults;
    let policy = match kind {
        StoreErrorKind::Missing => faults.missing,
        StoreErrorKind::Forbidden => faults.forbidden,
        StoreErrorKind::KmsDenied => faults.kms_denied,
        StoreErrorKind::Archived => faults.archived,
        StoreErrorKind::Changed => faults.changed,
        StoreErrorKind::Throttled
        | StoreErrorKind::Server
        | StoreErrorKind::ShortBody
        | StoreErrorKind::Timeout
        | StoreErrorKind::Credentials
        | StoreErrorKind::Other => FaultPolicy::Retry,
    };
    match policy {
        FaultPolicy::DeadLetter => condemn(wire, object, error).await,
        FaultPolicy::Retry => {
            use StoreErrorKind::{Credentials, Forbidden, KmsDenied};
            if matches!(kind, Forbidden | KmsDenied | Credentials) {
                let queue = source.queue.name();
                source.refusals.refused(queue, &wire.health, &object.location, &error);
            }
            wire.metrics.objects_failed.get_or_create(&ByReason::new(error.code.as_str())).inc();
            Disposition::Retry(error)
        }
    }
}

/// An object that can never be read: logged once, counted, dead-lettered by reference.
async fn condemn(wire: &Wire, object: &ObjectRef, error: Error) -> Disposition {
    wire.metrics.objects_failed.get_or_create(&ByReason::new(error.code.as_str())).inc();
    let said = escape(&error.to_string());
    tracing::error!(code = error.code.as_str(), object = %escape(&object.location.to_string()), "{said}");
    let now = (wire.now)();
    wire.bury(error, |_, error| dead_letter::object(&object.location, error, now)).await
}
