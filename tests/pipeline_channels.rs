//! What a source accepts and skips: the EventBridge channel, key filters, and a policy for each
//! fault.

use std::collections::BTreeSet;
use std::time::Duration;

use certrelay::config::{FaultPolicies, FaultPolicy, KeyFilter, KeyPattern};
use certrelay::error::Code;
use certrelay::store::StoreErrorKind;
use certrelay::telemetry::{ByAccount, ByReason, ByResult, Metrics};
use tokio::time::Instant;

use crate::sim::world::{DEAD, eventbridge_event, events_in, records_in};
use crate::sim::{World, WorldSettings};
use crate::support::queue_core::Faults;
use crate::support::samples::{self, Samples};

const HOUR: Duration = Duration::from_secs(3600);

fn world() -> World {
    World::new(WorldSettings::default())
}

/// Asserts that `read = filtered + invalid + duplicate + discarded + routed`.
fn assert_counts_reconcile(metrics: &Metrics) {
    let out = metrics.records_filtered.get()
        + metrics.records_invalid.get()
        + metrics.events_duplicate.get()
        + metrics.events_discarded.get()
        + metrics.events_routed.get();
    assert_eq!(metrics.records_read.get(), out);
}

/// Sends each of our records as an EventBridge event; returns how many.
fn send_eventbridge_events(world: &World, samples: &Samples) -> u64 {
    let mut sent = 0;
    for record in samples.objects.iter().flat_map(records_in) {
        let id = record["eventID"].as_str().unwrap_or_default().to_owned();
        if samples.expected.contains_key(&id) {
            world.send(&eventbridge_event(&record.to_string()), BTreeSet::from([id]));
            sent += 1;
        }
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn both_channels_share_the_dedup_cache_and_each_event_arrives_once() {
    let (world, samples) = (world(), samples::generate(21, 6, 20));
    let sent = send_eventbridge_events(&world, &samples);
    world.deliver_all(&samples);
    let metrics = world.run_until_empty(HOUR).await.expect("the queue is emptied");
    let expected: BTreeSet<_> = samples.expected.keys().cloned().collect();
    assert!(sent > 20 && sent == expected.len() as u64);
    for sink in &world.sinks {
        assert_eq!(sink.ids(), expected);
        assert_eq!(sink.duplicates(), 0);
    }
    assert_eq!(metrics.eventbridge_records.get(), sent);
    assert_eq!(metrics.objects_read.get(), samples.objects.len() as u64);
    assert_eq!(metrics.records_read.get(), samples.records as u64 + sent);
    assert_eq!((metrics.events_routed.get(), metrics.events_duplicate.get()), (sent, sent));
    let origins = world.sinks[0].origins.lock().unwrap().clone();
    let first = origins.iter().filter(|(channel, _)| *channel == "eventbridge").count() as u64;
    assert!(first > 0, "some arrived through EventBridge first");
    assert_eq!(metrics.events_confirmed.get(), first, "each of those was confirmed by its file");
    assert_counts_reconcile(&metrics);
    assert!(world.early.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn eventbridge_alone_delivers_and_its_events_name_the_channel() {
    let (world, samples) = (world(), samples::generate(22, 1, 20));
    let sent = send_eventbridge_events(&world, &samples);
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.sinks[0].ids().len() as u64, sent);
    let origins = world.sinks[0].origins.lock().unwrap().clone();
    let is_eventbridge = |(channel, origin): &(&str, String)| {
        *channel == "eventbridge" && origin.starts_with("sqs:")
    };
    assert!(origins.iter().all(is_eventbridge));
    assert_eq!(metrics.objects_read.get(), 0);
    assert_counts_reconcile(&metrics);
}

#[tokio::test(start_paused = true)]
async fn an_eventbridge_event_that_is_not_selected_is_done_and_counted() {
    let world = world();
    let record = r#"{"eventVersion":"1.11","eventTime":"2026-03-01T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"ListRoles","eventID":"other"}"#;
    world.send(&eventbridge_event(record), BTreeSet::new());
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!((metrics.records_read.get(), metrics.records_filtered.get()), (1, 1));
    assert!(world.dead_letters.written.lock().unwrap().is_empty());
    assert_counts_reconcile(&metrics);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_eventbridge_record_is_dead_lettered_with_its_message_the_only_copy() {
    let world = world();
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    let records = [
        r#"{"eventSource":"iam.amazonaws.com","eventName":"\ud800UploadSigningCertificate"}"#
            .to_owned(),
        format!(
            r#"{{"eventSource":"iam.amazonaws.com","eventName":"UploadSigningCertificate","x":{deep}}}"#
        ),
        r#"{"requestParameters":{"eventName":"UploadSigningCertificate"}}"#.to_owned(),
    ];
    for record in &records {
        world.send(&eventbridge_event(record), BTreeSet::new());
    }
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    let written = world.dead_letters.of("message");
    assert_eq!(written.len(), records.len(), "{written:?}");
    for record in &records {
        let body = eventbridge_event(record);
        assert!(written.iter().any(|one| one.body["body"] == body), "{record}");
    }
    let codes: BTreeSet<_> = written.iter().map(|one| one.code).collect();
    assert_eq!(codes, BTreeSet::from([Code::InvalidRecord, Code::NotCloudtrail]));
    assert_eq!(metrics.records_invalid.get(), 2);
    assert!(world.sinks.iter().all(|sink| sink.ids().is_empty()));
    assert_counts_reconcile(&metrics);
}

#[tokio::test(start_paused = true)]
async fn a_source_without_eventbridge_records_dead_letters_them() {
    let world =
        World::new(WorldSettings { eventbridge_records: false, ..WorldSettings::default() });
    send_eventbridge_events(&world, &samples::generate(23, 1, 20));
    world.run_until_empty(HOUR).await.expect("settled");
    let written = world.dead_letters.of("message");
    assert!(!written.is_empty());
    assert!(written.iter().all(|one| one.code == Code::EventbridgeNotEnabled));
    assert!(world.sinks.iter().all(|sink| sink.ids().is_empty()));
}

#[tokio::test(start_paused = true)]
async fn objects_skipped_by_keys_and_regions_are_not_requested() {
    let pattern = |text: &str| KeyPattern::new(text).expect("a glob");
    let keys = KeyFilter {
        include: vec![pattern("AWSLogs/**")],
        exclude: vec![pattern("AWSLogs/444455556666/**")],
    };
    let regions = vec!["us-east-1".to_owned()];
    let world = World::new(WorldSettings { keys, regions, ..WorldSettings::default() });
    let samples = samples::generate(24, 4, 10);
    let mut expected = BTreeSet::new();
    for object in &samples.objects {
        let ours = object.key.starts_with("AWSLogs/111122223333/");
        let events = if ours { events_in(object, &samples) } else { BTreeSet::new() };
        expected.extend(events.iter().cloned());
        world.deliver(object, events, 1);
    }
    for key in [
        "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz",
        "copies/x.json.gz",
        "AWSLogs/111122223333/Config/us-east-1/2026/3/1/ConfigHistory/c.json.gz",
    ] {
        world.announce(&[key], BTreeSet::new());
    }
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.sinks[0].ids(), expected);
    assert_eq!(world.store.opens.lock().unwrap().len(), 2);
    let skipped = |reason| metrics.objects_skipped.get_or_create(&ByReason::new(reason)).get();
    assert_eq!((skipped("key"), skipped("region"), skipped("other_service")), (3, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn digests_are_counted_by_account_even_if_keys_exclude_them() {
    let keys = KeyFilter {
        include: vec![KeyPattern::new("AWSLogs/*/CloudTrail/**").expect("a glob")],
        exclude: Vec::new(),
    };
    let world = World::new(WorldSettings { keys, ..WorldSettings::default() });
    for (account, hours) in [("111122223333", 3), ("444455556666", 1)] {
        for hour in 0..hours {
            let key =
                format!("AWSLogs/{account}/CloudTrail-Digest/us-east-1/2026/03/01/{hour}.json.gz");
            world.announce(&[&key], BTreeSet::new());
        }
    }
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    let seen = |account: &str| {
        metrics.digest_files.get_or_create(&ByAccount { account: account.to_owned() }).get()
    };
    assert_eq!((seen("111122223333"), seen("444455556666")), (3, 1));
    assert!(world.store.opens.lock().unwrap().is_empty());
}

/// No call to the queue succeeds for ten minutes, neither an extension nor a delete, while the
/// sinks accept at once (lost after delivery) or are down for some of it (lost before).
#[tokio::test(start_paused = true)]
async fn a_lease_lost_before_or_after_delivery_causes_neither_loss_nor_duplicate() {
    for outage in [Duration::ZERO, Duration::from_secs(400)] {
        let (world, samples) = (world(), samples::generate(26, 4, 10));
        world.sqs.with(|core, _| core.faults.entry_failure = 1.0);
        for sink in &world.sinks {
            sink.faults.lock().unwrap().down_until = Some(Instant::now() + outage);
        }
        world.deliver_all(&samples);
        let recover = async {
            tokio::time::sleep(Duration::from_secs(600)).await;
            world.sqs.with(|core, _| core.faults = Faults::default());
        };
        let (metrics, ()) = tokio::join!(world.run_until_empty(HOUR), recover);
        let metrics = metrics.expect("settled once calls succeed again");
        assert!(world.sqs.with(|core, _| core.tally).received_again > 0);
        let completed =
            |result| metrics.messages_completed.get_or_create(&ByResult::new(result)).get();
        assert!(completed("lease_lost") + completed("ack_failed") >= samples.objects.len() as u64);
        for sink in &world.sinks {
            assert_eq!(sink.ids().len(), samples.expected.len());
            assert_eq!(sink.duplicates(), 0);
        }
        assert!(world.early.lock().unwrap().is_empty());
    }
}

/// Runs a world with one object whose requests always fail with `kind`, under `faults`.
async fn with_fault(kind: StoreErrorKind, faults: FaultPolicies) -> World {
    let settings = WorldSettings { max_receive_count: 3, faults, ..WorldSettings::default() };
    let world = World::new(settings);
    let samples = samples::generate(25, 1, 3);
    world.store.answers.lock().expect("not poisoned").insert(samples.objects[0].key.clone(), kind);
    world.deliver_all(&samples);
    world.run_until_empty(24 * HOUR).await.expect("dead-lettered by us, or moved by the queue");
    world
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_an_object_is_handled_by_its_policy() {
    use StoreErrorKind as Kind;
    let all = |policy| FaultPolicies {
        missing: policy,
        forbidden: policy,
        kms_denied: policy,
        archived: policy,
        changed: policy,
    };
    let by_default = FaultPolicies::default();
    let (retry, dead_letter) = (all(FaultPolicy::Retry), all(FaultPolicy::DeadLetter));
    for (kind, faults, is_dead_lettered) in [
        (Kind::Missing, by_default, true),
        (Kind::Forbidden, by_default, false),
        (Kind::KmsDenied, by_default, false),
        (Kind::Archived, by_default, true),
        (Kind::Changed, by_default, false),
        (Kind::Missing, retry, false),
        (Kind::Archived, retry, false),
        (Kind::Forbidden, dead_letter, true),
        (Kind::KmsDenied, dead_letter, true),
        (Kind::Changed, dead_letter, true),
        (Kind::InvalidName, retry, true),
        // A problem of S3 is never a problem of the object.
        (Kind::Server, dead_letter, false),
        (Kind::Timeout, dead_letter, false),
    ] {
        let world = with_fault(kind, faults).await;
        let written = world.dead_letters.of("object");
        let moved = world.sqs.with(|core, _| core.peek(DEAD)).expect("the queue exists").len();
        let expected = if is_dead_lettered { (1, 0) } else { (0, 1) };
        assert_eq!((written.len(), moved), expected, "{kind:?}");
        assert!(written.iter().all(|one| one.code == kind.code()), "{kind:?}");
    }
}
