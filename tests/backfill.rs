//! Backfill: exactly the listed objects are delivered, here or through the queue, after
//! interruptions too.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use certrelay::config::Config;
use certrelay::error::Code;
use certrelay::jobs::{self, Backfill, JobCounts, Plan, ResumeFile, Scope};
use time::macros::datetime;
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::sim::world::events_in;
use crate::support::samples::{self, Samples};
use crate::support::sqs_http::Fault;

const REST: &str = "[dead_letter]\ndirectory = \"letters\"";

fn scope() -> Scope {
    Scope {
        bucket: "audit-logs".to_owned(),
        prefix: String::new(),
        since: datetime!(2026-03-01 00:00 UTC),
        until: datetime!(2026-03-02 00:00 UTC),
        accounts: Vec::new(),
        regions: vec!["us-east-1".to_owned()],
    }
}

/// Puts history into the bucket, next to other objects, without notifications.
fn history(service: &Service, seed: u64, files: usize) -> Samples {
    let samples = samples::generate(seed, files, 12);
    for object in &samples.objects {
        service.world.s3.put_silently("audit-logs", &object.key, object.gzip.clone());
    }
    let log = &samples.objects[0].gzip;
    for key in [
        "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/03/01/d.json.gz",
        "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/other-region.json.gz",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/02/28/before.json.gz",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/02/111122223333_CloudTrail_us-east-1_20260302T0000Z_after.json.gz",
        "AWSLogs/111122223333/Config/us-east-1/2026/3/1/c.json.gz",
        "report.csv",
    ] {
        service.world.s3.put_silently("audit-logs", key, log.clone());
    }
    samples
}

async fn plan(service: &Service, scope: Scope) -> Plan {
    let config = service.config(REST);
    jobs::plan_backfill(&config, Some(Service::aws()), scope).await.expect("a plan")
}

fn job(
    config: Config,
    resume: Option<PathBuf>,
    tick: impl Fn() + Send + Sync + 'static,
) -> Backfill {
    let resume = ResumeFile::open(resume, &scope()).expect("a resume file of this backfill");
    Backfill { config, aws: Some(Service::aws()), resume, tick: Box::new(tick) }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("an end within a minute")
}

fn lists(service: &Service) -> u64 {
    service.world.s3.calls().get("ListObjectsV2").copied().unwrap_or(0)
}

#[tokio::test]
async fn the_plan_counts_the_calls_and_the_run_delivers_exactly_the_range() {
    let service = Service::start().await;
    let samples = history(&service, 41, 25);
    let plan = plan(&service, scope()).await;
    assert_eq!((plan.objects, plan.listed), (25, lists(&service)));
    assert!(plan.accounts.len() > 1 && plan.regions.len() == 1);
    assert!(!service.world.s3.calls().contains_key("GetObject"), "a plan reads no object");

    let ended =
        jobs::backfill(job(service.config(REST), None, || ()), &plan, CancellationToken::new());
    assert_eq!(in_time(ended).await, Ok(JobCounts { completed: 25, failed: 0 }));
    assert_eq!(lists(&service), plan.listed + plan.to_list);
    assert_eq!(service.world.s3.calls()["GetObject"], plan.objects);
    let (ids, lines) = service.delivered();
    assert_eq!(ids, samples.expected.keys().cloned().collect());
    assert_eq!(lines, ids.len(), "each once");
}

#[tokio::test]
async fn accounts_can_be_selected_and_the_prefix_may_be_any_folder() {
    let service = Service::start().await;
    let samples = history(&service, 42, 12);
    let account = "111122223333".to_owned();
    let theirs = samples.objects.iter().filter(|object| object.key.contains(&account)).count();
    let chosen = plan(&service, Scope { accounts: vec![account.clone()], ..scope() }).await;
    assert_eq!(chosen.objects, theirs as u64);
    for prefix in [
        "AWSLogs/111122223333/",
        "AWSLogs/111122223333/CloudTrail/us-east-1/",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/",
    ] {
        let same = plan(&service, Scope { prefix: prefix.to_owned(), ..scope() }).await;
        assert_eq!(same.objects, theirs as u64, "{prefix}");
    }
    let none = Scope { accounts: vec!["999999999999".to_owned()], ..scope() };
    let config = service.config(REST);
    let plan = jobs::plan_backfill(&config, Some(Service::aws()), none).await;
    assert_eq!(plan.map(|plan| plan.objects).map_err(|error| error.code), Err(Code::NothingFound));
}

/// The key of a log file in a folder.
fn log_key(folder: &str) -> String {
    let name = "111122223333_CloudTrail_us-east-1_20260301T0100Z_abc.json.gz";
    format!("{folder}/{name}")
}

async fn plan_of(keys: &[String], scope: Scope) -> Result<Plan, certrelay::error::Error> {
    let service = Service::start().await;
    let log = samples::generate(45, 1, 12).objects[0].gzip.clone();
    for key in keys {
        service.world.s3.put_silently("audit-logs", key, log.clone());
    }
    jobs::plan_backfill(&service.config(REST), Some(Service::aws()), scope).await
}

#[tokio::test]
async fn every_trail_of_a_bucket_is_found_beside_other_folders() {
    let account = "AWSLogs/111122223333";
    let organisation = "AWSLogs/o-exampleorg1/111122223333";
    let trails = |prefixes: &[&str]| -> Vec<String> {
        let folder = |prefix: &&str| log_key(&format!("{prefix}/CloudTrail/us-east-1/2026/03/01"));
        prefixes.iter().map(folder).collect()
    };
    for (prefixes, others) in [
        (vec![account.to_owned(), format!("prod/{account}")], vec![]),
        (vec![account.to_owned(), format!("o-exampleorg1/{organisation}")], vec![]),
        (
            vec![
                account.to_owned(),
                format!("cloudtrail-organization/{organisation}"),
                format!("CloudWatchLogs/2026/{account}"),
                format!("a/b/c/d/e/f/g/{account}"),
            ],
            vec![],
        ),
        (
            vec![format!("cloudtrail/{account}")],
            vec![
                format!("{account}/Config/us-east-1/2026/3/1/c.json.gz"),
                format!("{account}/elasticloadbalancing/us-east-1/2026/03/01/l.log.gz"),
            ],
        ),
    ] {
        let trails = trails(&prefixes.iter().map(String::as_str).collect::<Vec<_>>());
        let keys = [&trails[..], &others].concat();
        let plan = plan_of(&keys, scope()).await.expect("a plan");
        assert_eq!(plan.objects, trails.len() as u64, "{keys:?}");
        let skipped: Vec<_> = plan.skipped.into_iter().collect();
        let expected = others.first().map(|first| {
            let place = first.find("us-east-1").expect("a region");
            let text = "folders without CloudTrail's file names";
            (text, (others.len() as u64, first[..place].to_owned()))
        });
        assert_eq!(skipped, Vec::from_iter(expected), "{keys:?}");
    }
}

#[tokio::test]
async fn what_the_search_passes_over_is_named() {
    let deep = "a/b/c/d/e/f/g/h/i/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01";
    let config = "AWSLogs/111122223333/Config/us-east-1/2026/3/1/c.json.gz".to_owned();
    let error = plan_of(&[log_key(deep), config], scope()).await.expect_err("nothing is found");
    assert_eq!(error.code, Code::NothingFound);
    for named in [
        "folders not searched: 1, first: a/b/c/d/e/f/g/h/",
        "folders without CloudTrail's file names: 1, first: AWSLogs/111122223333/Config/",
    ] {
        assert!(error.text.contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_search_ends_after_a_thousand_lists_and_what_is_left_is_named() {
    // The root, `prod/`, two pages of `data/` and 996 of its folders.
    let mut keys: Vec<String> = (0..1001).map(|n| format!("data/{n:04}/x.csv")).collect();
    keys.push(log_key("prod/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01"));
    let plan = plan_of(&keys, scope()).await.expect("a plan");
    assert_eq!(plan.objects, 1);
    let left = (5, "data/0996/".to_owned());
    assert_eq!(plan.skipped, [("folders not searched", left)].into());
}

#[tokio::test]
async fn copies_with_cloudtrails_file_names_are_found_in_every_folder() {
    let folders = [
        "AWSLogs/111122223333/us-east-1/2026/03/01",
        "AWSLogs/111122223333/2026/03/01",
        "AWSLogs/111122223333/cloudtrail/us-east-1/2026/03/01",
        "AWSLogs/aws-account-id=111122223333/CloudTrail/us-east-1/2026/03/01",
        "evidence/case-1",
    ];
    let mut keys: Vec<String> = folders.iter().map(|folder| log_key(folder)).collect();
    for name in [
        "111122223333_CloudTrail_us-east-1_20260302T0000Z_late.json.gz",
        "111122223333_CloudTrail_eu-west-1_20260301T0100Z_abc.json.gz",
        "111122223333_CloudTrail-Digest_us-east-1_trail_us-east-1_20260301T010000Z.json.gz",
        "notes.txt",
    ] {
        keys.push(format!("evidence/case-1/{name}"));
    }
    let mut other = log_key("evidence/case-1");
    other = other.replace("/111122223333", "/444455556666");
    keys.push(other);
    let plan = plan_of(&keys, scope()).await.expect("a plan");
    assert_eq!(plan.objects, folders.len() as u64 + 1);
    assert!(plan.accounts.contains("444455556666"), "{:?}", plan.accounts);
    let accounts = vec!["111122223333".to_owned()];
    let one = plan_of(&keys, Scope { accounts, ..scope() }).await.expect("a plan");
    assert_eq!(one.objects, folders.len() as u64);
    let prefix = "evidence/".to_owned();
    let one = plan_of(&keys, Scope { prefix, ..scope() }).await.expect("a plan");
    assert_eq!(one.objects, 2);
}

#[tokio::test]
async fn an_interrupted_backfill_is_resumed_and_loses_nothing() {
    let service = Service::start().await;
    let samples = history(&service, 43, 120);
    let plan = plan(&service, scope()).await;
    let file = service.folder().join("backfill.json");
    let (stop, done) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let tick = {
        let (stop, done) = (stop.clone(), Arc::clone(&done));
        move || {
            if done.fetch_add(1, Ordering::Relaxed) == 30 {
                stop.cancel();
            }
        }
    };
    let few =
        format!("{REST}\n[delivery]\nmax_concurrent_messages = 4\nmax_in_flight_messages = 8");
    let first = jobs::backfill(job(service.config(&few), Some(file.clone()), tick), &plan, stop);
    assert_eq!(in_time(first).await.map_err(|error| error.code), Err(Code::Interrupted));
    let before = done.load(Ordering::Relaxed);
    assert!(before < 120, "{before} of 120 were done");
    let recorded = ResumeFile::open(Some(file.clone()), &scope()).expect("a resume file");
    let after = recorded.after().expect("a recorded key").to_owned();
    let (ids, _) = service.delivered();
    for object in samples.objects.iter().filter(|object| object.key <= after) {
        assert!(
            events_in(object, &samples).is_subset(&ids),
            "{} was recorded too early",
            object.key
        );
    }

    let gets = service.world.s3.calls()["GetObject"];
    let second = job(service.config(REST), Some(file.clone()), || ());
    let counts = in_time(jobs::backfill(second, &plan, CancellationToken::new())).await;
    let passed = samples.objects.iter().filter(|object| object.key <= after).count() as u64;
    assert_eq!(counts, Ok(JobCounts { completed: 120 - passed, failed: 0 }));
    assert_eq!(service.world.s3.calls()["GetObject"] - gets, 120 - passed, "no more than needed");
    assert_eq!(service.delivered().0, samples.expected.keys().cloned().collect());

    let other = Scope { until: datetime!(2026-04-01 00:00 UTC), ..scope() };
    assert!(ResumeFile::open(Some(file), &other).is_err(), "the file of another range is rejected");
}

#[tokio::test]
async fn enqueued_objects_are_delivered_by_the_running_service() {
    let service = Service::start().await;
    let samples = history(&service, 44, 23);
    let plan = plan(&service, scope()).await;
    // A throttled call is retried until every entry is confirmed.
    service.world.sqs_http.script(Some("SendMessageBatch"), Fault::Throttled, 1);
    let job = job(service.config(REST), None, || ());
    let counts = in_time(jobs::enqueue(job, &plan, CancellationToken::new())).await;
    assert_eq!(counts, Ok(JobCounts { completed: 23, failed: 0 }));
    assert_eq!(service.left(), 23 + 1, "and the test event of the set-up");
    assert!(!service.world.s3.calls().contains_key("GetObject"));
    service.run_until_empty(service.config(REST)).await;
    let (ids, lines) = service.delivered();
    assert_eq!(ids, samples.expected.keys().cloned().collect::<BTreeSet<_>>());
    assert_eq!(lines, ids.len());
}
