//! Counters that are there from the start, with 0: one that appears with its first event has no increase that an
//! alarm could see. Labels that nobody knows at the start (accounts, the reasons of a destination) come when they come.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::pipeline::context::Wire;
use crate::pipeline::message::Fate;
use crate::store::StoreErrorKind;
use crate::store::notification::IgnoredReason;
use crate::telemetry::{ByReason, ByRoute, BySink};

/// Why objects are not fetched.
const SKIPPED: [&str; 7] =
    ["digest", "insight", "folder", "empty", "other_service", "key", "region"];

/// Why objects are poison, whatever the source's policies.
const CONDEMNED: [&str; 6] = [
    "bucket_not_allowed",
    "not_an_object",
    "corrupt_gzip",
    "corrupt_json",
    "not_cloudtrail",
    "over_limit",
];

/// Why messages and records are.
const UNREADABLE: [&str; 3] = ["unreadable_message", "eventbridge_not_enabled", "invalid_record"];

/// Makes every counter whose labels are known by now.
pub(super) fn begin(wire: &Wire) {
    let metrics = &wire.metrics;
    for post in &wire.posts {
        let of_sinks = [
            &metrics.sink_routed,
            &metrics.sink_delivered,
            &metrics.sink_dead_lettered,
            &metrics.sink_dropped,
            &metrics.sink_retried,
            &metrics.sink_bytes,
        ];
        for family in of_sinks {
            drop(family.get_or_create(&BySink::new(&post.name)));
        }
    }
    for route in wire.router.names() {
        drop(metrics.route_matched.get_or_create(&ByRoute { route: route.to_owned() }));
    }
    let fates = [Fate::Deleted, Fate::Released, Fate::LeaseLost, Fate::Unsettled];
    reasons(&metrics.messages_completed, &fates.map(Fate::label));
    reasons(&metrics.messages_ignored, &IgnoredReason::ALL.map(IgnoredReason::as_str));
    reasons(&metrics.objects_skipped, &SKIPPED);
    let policies = [
        StoreErrorKind::Missing,
        StoreErrorKind::Forbidden,
        StoreErrorKind::KmsDenied,
        StoreErrorKind::Archived,
        StoreErrorKind::Changed,
    ];
    for family in [&metrics.objects_failed, &metrics.dead_letters] {
        reasons(family, &CONDEMNED);
        reasons(family, &policies.map(|kind| kind.code().as_str()));
    }
    // Whatever the policies, these are tried again.
    let retried = [
        StoreErrorKind::Throttled,
        StoreErrorKind::Server,
        StoreErrorKind::ShortBody,
        StoreErrorKind::Timeout,
        StoreErrorKind::Credentials,
        StoreErrorKind::Other,
    ];
    reasons(&metrics.objects_failed, &retried.map(|kind| kind.code().as_str()));
    reasons(&metrics.dead_letters, &UNREADABLE);
}

fn reasons(family: &Family<ByReason, Counter>, codes: &[&str]) {
    codes.iter().for_each(|code| drop(family.get_or_create(&ByReason::new(code))));
}
