//! Counters that exist from the start, with 0: one that appears with its first event has no
//! increase that an alarm could see. Labels that are unknown at the start (accounts, a sink's
//! codes) appear when they occur.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::error::Code;
use crate::pipeline::message::MessageResult;
use crate::pipeline::sinks::Sinks;
use crate::pipeline::skip_monitor::SkipReason;
use crate::store::notification::IgnoredReason;
use crate::telemetry::{ByReason, ByResult, ByRoute, BySink, Metrics};

/// Creates every counter whose labels are known by now.
pub(super) fn init(metrics: &Metrics, sinks: &Sinks) {
    for entry in &sinks.entries {
        let of_sinks = [
            &metrics.sink_routed,
            &metrics.sink_delivered,
            &metrics.sink_dead_lettered,
            &metrics.sink_dropped,
            &metrics.sink_retried,
            &metrics.sink_bytes,
        ];
        for family in of_sinks {
            drop(family.get_or_create(&BySink::new(&entry.name)));
        }
    }
    for route in sinks.router.names() {
        drop(metrics.route_matched.get_or_create(&ByRoute { route: route.to_owned() }));
    }
    for result in MessageResult::ALL {
        drop(metrics.messages_completed.get_or_create(&ByResult::new(result.as_str())));
    }
    for reason in IgnoredReason::ALL {
        init_reason(&metrics.messages_ignored, reason.as_str());
    }
    let skipped = SkipReason::ALL.iter();
    skipped.for_each(|reason| init_reason(&metrics.objects_skipped, reason.as_str()));
    for code in Code::ALL {
        let (fails_object, is_dead_lettered) = uses(*code);
        if fails_object {
            init_reason(&metrics.objects_failed, code.as_str());
        }
        if is_dead_lettered {
            init_reason(&metrics.dead_letters, code.as_str());
        }
    }
}

/// Returns whether an object may fail with this code, and whether there are dead letters with it.
fn uses(code: Code) -> (bool, bool) {
    match code {
        // Poison, or so by the source's policy.
        Code::ObjectMissing
        | Code::ObjectForbidden
        | Code::KmsDenied
        | Code::ObjectArchived
        | Code::ObjectChanged
        | Code::ObjectNameInvalid
        | Code::BucketNotAllowed
        | Code::NotAnObject
        | Code::CorruptGzip
        | Code::CorruptJson
        | Code::NotCloudtrail
        | Code::OverLimit => (true, true),
        // Retried, whatever the policy.
        Code::S3Throttled
        | Code::S3ServerError
        | Code::S3Timeout
        | Code::ShortBody
        | Code::S3Credentials
        | Code::S3Other => (true, false),
        // Of messages and records.
        Code::UnreadableMessage | Code::EventbridgeNotEnabled | Code::InvalidRecord => {
            (false, true)
        }
        _ => (false, false),
    }
}

fn init_reason(family: &Family<ByReason, Counter>, reason: &str) {
    drop(family.get_or_create(&ByReason::new(reason)));
}
