//! What a source takes and what it leaves: the fast lane, key filters, and a policy for each fault.

use std::collections::BTreeSet;
use std::time::Duration;

use certrelay::config::{FaultPolicies, FaultPolicy, KeyFilter, KeyPattern};
use certrelay::error::Code;
use certrelay::store::StoreErrorKind;
use certrelay::telemetry::{ByAccount, ByReason, Metrics};
use tokio::time::Instant;

use crate::sim::world::{DEAD, events_in, inline, records_in};
use crate::sim::{World, WorldSettings};
use crate::support::queue_core::Faults;
use crate::support::samples::{self, Samples};

const HOUR: Duration = Duration::from_secs(3600);

fn world() -> World {
    World::new(WorldSettings::default())
}

/// `read = filtered + bad + duplicate + discarded + routed`.
fn adds_up(metrics: &Metrics) {
    let out = metrics.records_filtered.get()
        + metrics.records_invalid.get()
        + metrics.events_duplicate.get()
        + metrics.events_discarded.get()
        + metrics.events_routed.get();
    assert_eq!(metrics.records_read.get(), out);
}

/// Sends each of our records by itself, as EventBridge does; answers how many.
fn send_inline(world: &World, samples: &Samples) -> u64 {
    let mut sent = 0;
    for record in samples.objects.iter().flat_map(records_in) {
        let id = record["eventID"].as_str().unwrap_or_default().to_owned();
        if samples.expected.contains_key(&id) {
            world.send(&inline(&record.to_string()), BTreeSet::from([id]));
            sent += 1;
        }
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn both_lanes_meet_in_the_ledger_and_each_event_arrives_once() {
    let (world, samples) = (world(), samples::generate(21, 6, 20));
    let inline = send_inline(&world, &samples);
    world.deliver_all(&samples);
    let metrics = world.run_until_empty(HOUR).await.expect("the queue is emptied");
    let expected: BTreeSet<_> = samples.expected.keys().cloned().collect();
    assert!(inline > 20 && inline == expected.len() as u64);
    for sink in &world.sinks {
        assert_eq!(sink.ids(), expected);
        assert_eq!(sink.duplicates(), 0);
    }
    assert_eq!(metrics.eventbridge_records.get(), inline);
    assert_eq!(metrics.objects_read.get(), samples.objects.len() as u64);
    assert_eq!(metrics.records_read.get(), samples.records as u64 + inline);
    assert_eq!((metrics.events_routed.get(), metrics.events_duplicate.get()), (inline, inline));
    let origins = world.sinks[0].origins.lock().unwrap().clone();
    let first = origins.iter().filter(|(lane, _)| *lane == "inline").count() as u64;
    assert!(first > 0, "some came by the fast lane first");
    assert_eq!(metrics.events_confirmed.get(), first, "each of those was confirmed by its file");
    adds_up(&metrics);
    assert!(world.early.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_fast_lane_alone_delivers_and_says_which_lane_it_was() {
    let (world, samples) = (world(), samples::generate(22, 1, 20));
    let sent = send_inline(&world, &samples);
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!(world.sinks[0].ids().len() as u64, sent);
    let lanes = world.sinks[0].origins.lock().unwrap().clone();
    assert!(lanes.iter().all(|(lane, origin)| *lane == "inline" && origin.starts_with("sqs:")));
    assert_eq!(metrics.objects_read.get(), 0);
    adds_up(&metrics);
}

#[tokio::test(start_paused = true)]
async fn an_inline_record_that_nobody_selected_is_done_and_counted() {
    let world = world();
    let record = r#"{"eventVersion":"1.11","eventTime":"2026-03-01T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"ListRoles","eventID":"other"}"#;
    world.send(&inline(record), BTreeSet::new());
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    assert_eq!((metrics.records_read.get(), metrics.records_filtered.get()), (1, 1));
    assert!(world.letters.letters.lock().unwrap().is_empty());
    adds_up(&metrics);
}

#[tokio::test(start_paused = true)]
async fn a_bad_inline_record_is_kept_whole_because_its_message_is_all_there_is() {
    let world = world();
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    let records = [
        r#"{"eventSource":"iam.amazonaws.com","eventName":"\ud800UploadSigningCertificate"}"#
            .to_owned(),
        format!(
            r#"{{"eventSource":"iam.amazonaws.com","eventName":"UploadSigningCertificate","x":{deep}}}"#
        ),
    ];
    for record in &records {
        world.send(&inline(record), BTreeSet::new());
    }
    let metrics = world.run_until_empty(HOUR).await.expect("settled");
    let letters = world.letters.of("message");
    assert_eq!(letters.len(), records.len(), "{letters:?}");
    for record in &records {
        let kept = |letter: &certrelay::pipeline::DeadLetter| letter.body["body"] == inline(record);
        assert!(letters.iter().any(kept), "{record}");
    }
    let codes: BTreeSet<_> = letters.iter().map(|letter| letter.code).collect();
    assert_eq!(codes, BTreeSet::from([Code::InvalidRecord, Code::OverLimit]));
    assert_eq!(metrics.records_invalid.get(), 1);
    assert!(world.sinks.iter().all(|sink| sink.ids().is_empty()));
    adds_up(&metrics);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_did_not_ask_for_inline_records_dead_letters_them() {
    let world = World::new(WorldSettings { inline_records: false, ..WorldSettings::default() });
    send_inline(&world, &samples::generate(23, 1, 20));
    world.run_until_empty(HOUR).await.expect("settled");
    let letters = world.letters.of("message");
    assert!(!letters.is_empty());
    assert!(letters.iter().all(|letter| letter.code == Code::EventbridgeNotEnabled));
    assert!(world.sinks.iter().all(|sink| sink.ids().is_empty()));
}

#[tokio::test(start_paused = true)]
async fn what_keys_and_regions_leave_out_costs_no_request() {
    let pattern = |text: &str| KeyPattern::new(text).expect("a glob");
    let keys = KeyFilter {
        include: vec![pattern("AWSLogs/**")],
        exclude: vec![pattern("AWSLogs/444455556666/**")],
    };
    let regions = vec!["us-east-1".to_owned()];
    let world = World::new(WorldSettings { keys, regions, ..WorldSettings::default() });
    let samples = samples::generate(24, 4, 10);
    let mut wanted = BTreeSet::new();
    for object in &samples.objects {
        let ours = object.key.starts_with("AWSLogs/111122223333/");
        let events = if ours { events_in(object, &samples) } else { BTreeSet::new() };
        wanted.extend(events.iter().cloned());
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
    assert_eq!(world.sinks[0].ids(), wanted);
    assert_eq!(world.store.opens.lock().unwrap().len(), 2);
    let skipped = |reason| metrics.objects_skipped.get_or_create(&ByReason::new(reason)).get();
    assert_eq!((skipped("key"), skipped("region"), skipped("other_service")), (3, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn digests_are_counted_by_account_even_where_keys_leave_them_out() {
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

/// Nothing gets through to the queue for ten minutes, neither a renewal nor a delete, while the sinks
/// answer at once (lost after delivery) or are away for some of it (lost before).
#[tokio::test(start_paused = true)]
async fn a_lease_lost_before_or_after_delivery_costs_neither_an_event_nor_a_duplicate() {
    for outage in [Duration::ZERO, Duration::from_secs(400)] {
        let (world, samples) = (world(), samples::generate(26, 4, 10));
        world.sqs.with(|core, _| core.faults.entry_failure = 1.0);
        for sink in &world.sinks {
            sink.faults.lock().unwrap().down_until = Some(Instant::now() + outage);
        }
        world.deliver_all(&samples);
        let heal = async {
            tokio::time::sleep(Duration::from_secs(600)).await;
            world.sqs.with(|core, _| core.faults = Faults::default());
        };
        let (metrics, ()) = tokio::join!(world.run_until_empty(HOUR), heal);
        let metrics = metrics.expect("settled once the queue listens again");
        assert!(world.sqs.with(|core, _| core.tally).received_again > 0);
        let fate = |reason| metrics.messages_completed.get_or_create(&ByReason::new(reason)).get();
        assert!(fate("lease_lost") + fate("unsettled") >= samples.objects.len() as u64);
        for sink in &world.sinks {
            assert_eq!(sink.ids().len(), samples.expected.len());
            assert_eq!(sink.duplicates(), 0);
        }
        assert!(world.early.lock().unwrap().is_empty());
    }
}

/// One object that always answers with `kind`, under `policy` for every kind that has one.
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
async fn each_fault_of_an_object_becomes_what_its_policy_says() {
    use StoreErrorKind as Kind;
    let all = |policy| FaultPolicies {
        missing: policy,
        forbidden: policy,
        kms_denied: policy,
        archived: policy,
        changed: policy,
    };
    let by_default = FaultPolicies::default();
    let (retry, letter) = (all(FaultPolicy::Retry), all(FaultPolicy::DeadLetter));
    for (kind, faults, is_letter) in [
        (Kind::Missing, by_default, true),
        (Kind::Forbidden, by_default, false),
        (Kind::KmsDenied, by_default, false),
        (Kind::Archived, by_default, true),
        (Kind::Changed, by_default, false),
        (Kind::Missing, retry, false),
        (Kind::Archived, retry, false),
        (Kind::Forbidden, letter, true),
        (Kind::KmsDenied, letter, true),
        (Kind::Changed, letter, true),
        // A problem of S3's is never a problem of the object.
        (Kind::Server, letter, false),
        (Kind::Timeout, letter, false),
    ] {
        let world = with_fault(kind, faults).await;
        let letters = world.letters.of("object");
        let moved = world.sqs.with(|core, _| core.peek(DEAD)).expect("the queue exists").len();
        assert_eq!((letters.len(), moved), if is_letter { (1, 0) } else { (0, 1) }, "{kind:?}");
        assert!(letters.iter().all(|letter| letter.code == kind.code()), "{kind:?}");
    }
}
