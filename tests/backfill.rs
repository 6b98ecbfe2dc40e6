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
