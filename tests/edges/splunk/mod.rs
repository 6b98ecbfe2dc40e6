//! The whole sink over loopback, against the stand-in for HEC.

mod acks;
mod connections;
mod gateways;
#[path = "../../support/hec.rs"]
mod hec;
mod matrix;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use hec::{Fault, HecStandIn, Options};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::config::{
    AwsSecret, Mapping, MappingKey, MappingTable, OutputFormat, Pattern, Secret, SinkKind,
    SplunkMode, Stage, Tls, Version, Versions,
};
use crate::error::Outcome;
use crate::sink::testing::{HOUR, Running, config, event, event_with, render_record};
use crate::sink::{self, SinkState};

pub(super) fn settings(hec: &HecStandIn) -> SplunkConfig {
    SplunkConfig {
        endpoints: vec![hec.url().parse().unwrap()],
        token: Secret::Literal(Arc::new("stand-in-token".into())),
        mode: SplunkMode::Events,
        index: None,
        source: None,
        sourcetype: None,
        host: None,
        ack: false,
        tls: Tls::default(),
        max_batch_bytes: 1_000_000,
        timeout: Duration::from_secs(20),
    }
}

fn run(own: SplunkConfig) -> Running {
    run_with(own, FAST)
}

fn run_with(own: SplunkConfig, timing: AckTiming) -> Running {
    run_rendering(own, render_record, timing)
}

fn run_rendering(own: SplunkConfig, render: Render, timing: AckTiming) -> Running {
    let config = config("soc", SinkKind::SplunkHec(own.clone()));
    Running::start(&config, |context| {
        let splunk = SplunkSink::new(&config, &own, context.metrics, render, timing).unwrap();
        driver::start(context, splunk, LIMITS)
    })
}

/// Polls at the pace of tests, with a timeout longer than any delay of a busy machine.
const FAST: AckTiming =
    AckTiming { intervals: &[Duration::from_millis(10)], timeout: Duration::from_secs(60) };

async fn stand_in() -> HecStandIn {
    HecStandIn::start(Options::default()).await.unwrap()
}

/// Starts the stand-in and a sink for it.
async fn start() -> (HecStandIn, Running) {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    (hec, running)
}

fn ids(hec: &HecStandIn) -> Vec<String> {
    hec.indexed().iter().map(|event| event.field("event_id").unwrap_or("?").to_owned()).collect()
}

fn posts(hec: &HecStandIn) -> usize {
    hec.requests().iter().filter(|seen| seen.path == "/services/collector/event").count()
}

/// Renders marked events that HEC rejects: the envelope is always valid, so their `event` is blank.
fn render_blank_as_marked(event: &Event, _: OutputFormat, out: &mut Vec<u8>) {
    match event.id.starts_with("bad") {
        true => out.extend_from_slice(b"\"\""),
        false => out.extend_from_slice(&event.record().bytes),
    }
}

#[tokio::test]
async fn events_arrive_unchanged_compressed_with_all_headers() {
    let (hec, running) = start().await;
    let outcomes = running.deliver((0..50).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 50]);
    assert_eq!(ids(&hec), (0..50).map(|n| format!("event-{n}")).collect::<Vec<_>>());
    assert_eq!(hec.indexed()[7].event.as_bytes(), event(7).record().bytes);
    let request = &hec.requests()[0];
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert_eq!(request.header("authorization"), Some("Splunk stand-in-token"));
    assert_eq!(request.header("x-splunk-request-channel").map(str::len), Some(36));
    assert!(request.stored_bytes < request.body.len() / 4);
    running.finish().await;
}

#[tokio::test]
async fn requests_are_split_by_their_serialised_size() {
    let hec = stand_in().await;
    let running = run(SplunkConfig { max_batch_bytes: 20_000, ..settings(&hec) });
    let padding = "x".repeat(6000);
    let events = (0..10).map(|n| event_with(&format!("e{n}"), &padding)).collect();
    assert_eq!(running.deliver(events).await, vec![Outcome::Delivered; 10]);
    let sizes: Vec<usize> = hec.requests().iter().map(|seen| seen.body.len()).collect();
    assert_eq!(sizes.len(), 4, "three to a request: {sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 20_000), "{sizes:?}");
    let sent = running.metrics.encode();
    let bytes: usize = sizes.iter().sum();
    assert!(sent.contains(&format!(r#"sink_bytes_total{{sink="soc"}} {bytes}"#)), "{sent}");
    running.finish().await;
}

#[tokio::test]
async fn an_event_over_the_limit_is_rejected_alone() {
    let hec = stand_in().await;
    let running = run(SplunkConfig { max_batch_bytes: 20_000, ..settings(&hec) });
    let events = vec![event(0), event_with("huge", &"x".repeat(30_000)), event(2)];
    let outcomes = running.deliver(events).await;
    assert!(matches!(&outcomes[1], Outcome::Rejected(error) if error.code == Code::SplunkTooLarge));
    assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Delivered, &Outcome::Delivered));
    assert_eq!(ids(&hec), ["event-0", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn bad_events_are_rejected_alone_and_nothing_is_indexed_twice() {
    for bad in [vec![0], vec![4], vec![9], vec![0, 1, 2], vec![3, 9], (0..10).collect()] {
        let hec = stand_in().await;
        let running = run_rendering(settings(&hec), render_blank_as_marked, FAST);
        let name =
            |n: usize| if bad.contains(&n) { format!("bad-{n}") } else { format!("good-{n}") };
        let events = (0..10).map(|n| event_with(&name(n), "")).collect();
        let outcomes = running.deliver(events).await;
        for (n, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Outcome::Delivered => assert!(!bad.contains(&n), "{n} of {bad:?}"),
                Outcome::Rejected(error) => {
                    assert!(bad.contains(&n), "{n} of {bad:?}");
                    assert!(error.text.contains("code 13"), "{error}");
                }
                Outcome::Retry(error) => panic!("{error}"),
            }
        }
        let expected: Vec<String> = (0..10).filter(|n| !bad.contains(n)).map(name).collect();
        assert_eq!(ids(&hec), expected, "{bad:?}");
        running.finish().await;
    }
}

#[tokio::test]
async fn without_a_valid_event_number_halves_are_tried() {
    let (hec, running) = start().await;
    let nowhere = Fault {
        body: r#"{"text":"x","code":6,"invalid-event-number":99}"#.to_owned(),
        ..Fault::code(400, 6)
    };
    hec.script([nowhere.clone(), nowhere.clone(), nowhere]);
    let outcomes = running.deliver((0..4).map(event).collect()).await;
    // Four fail, then two, then one, which is rejected.
    assert!(
        matches!(&outcomes[0], Outcome::Rejected(error) if error.code == Code::SplunkDataFormat)
    );
    assert_eq!(outcomes[1..], vec![Outcome::Delivered; 3]);
    assert_eq!(ids(&hec), ["event-1", "event-2", "event-3"]);
    running.finish().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_split_and_the_next_ones_are_smaller() {
    for as_bad_data in [false, true] {
        let hec = HecStandIn::start(Options {
            max_content_length: 1_500_000,
            oversize_as_bad_data: as_bad_data,
            ..Options::default()
        })
        .await
        .unwrap();
        let running = run(SplunkConfig { max_batch_bytes: 5_000_000, ..settings(&hec) });
        let padding = "x".repeat(300_000);
        let batch = || (0..10).map(|n| event_with(&format!("e{n}"), &padding)).collect();
        assert_eq!(running.deliver(batch()).await, vec![Outcome::Delivered; 10]);
        assert_eq!(ids(&hec).len(), 10, "as bad data: {as_bad_data}");
        let before = posts(&hec);
        assert_eq!(running.deliver(batch()).await, vec![Outcome::Delivered; 10]);
        let later = hec.requests().split_off(before);
        assert!(later.iter().all(|seen| seen.body.len() < 1_500_000), "as bad data: {as_bad_data}");
        running.finish().await;
    }
}

#[tokio::test]
async fn temporary_failures_are_retried_and_nothing_is_lost() {
    let (hec, running) = start().await;
    let html = Fault { status: 502, body: "<html>".to_owned(), ..Fault::default() };
    hec.script([Fault::code(503, 9), html, Fault::cut(false), Fault::code(429, 26)]);
    let outcomes = running.deliver(vec![event(0), event(1)]).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 2]);
    assert_eq!(ids(&hec), ["event-0", "event-1"]);
    let metrics = running.metrics.encode();
    for reason in ["splunk_busy", "splunk_unavailable", "splunk_transport"] {
        assert!(metrics.contains(&format!(r#"reason="{reason}""#)), "{reason} in {metrics}");
    }
    running.finish().await;
}

#[tokio::test]
async fn a_response_lost_after_indexing_makes_a_duplicate_with_the_same_id() {
    let (hec, running) = start().await;
    hec.script([Fault::cut(true)]);
    assert_eq!(running.deliver(vec![event(5)]).await, [Outcome::Delivered]);
    assert_eq!(ids(&hec), ["event-5", "event-5"]);
    running.finish().await;
}

#[tokio::test]
async fn codes_24_and_25_are_success_and_slow_the_sink_down() {
    let (hec, running) = start().await;
    let near = |code| Fault { after_indexing: true, ..Fault::code(200, code) };
    hec.script([near(24), near(25)]);
    for n in 0..3 {
        assert_eq!(running.deliver(vec![event(n)]).await, [Outcome::Delivered]);
        assert_eq!(running.sink.state(), SinkState::Up);
    }
    assert_eq!(ids(&hec), ["event-0", "event-1", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn a_denied_token_pauses_the_sink_until_its_secret_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "expired\n").unwrap();
    let hec = stand_in().await;
    let running = run(SplunkConfig { token: Secret::file(&path), ..settings(&hec) });
    let fix = async {
        hec.wait_for_requests(2).await;
        let during = running.sink.state();
        std::fs::write(&path, "stand-in-token").unwrap();
        during
    };
    let (outcomes, during) = running.deliver_while(vec![event(0)], fix).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    let SinkState::Paused(error) = during else { panic!("{during:?}") };
    assert_eq!(error.code, Code::SplunkToken);
    assert!(error.text.contains("code 4") && !error.text.contains("expired"), "{error}");
    assert_eq!(running.sink.state(), SinkState::Up);
    running.finish().await;
}

#[tokio::test]
async fn a_denied_index_pauses_the_sink_and_rejects_no_event() {
    let hec = stand_in().await;
    hec.change(|options| options.tokens[0].indexes = vec!["main".to_owned()]);
    let running = run(SplunkConfig { index: Some("security".into()), ..settings(&hec) });
    let fix = async {
        hec.wait_for_requests(1).await;
        hec.change(|options| options.tokens[0].indexes.push("security".to_owned()));
    };
    let (outcomes, ()) = running.deliver_while((0..3).map(event).collect(), fix).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(ids(&hec), ["event-0", "event-1", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_success() {
    let target = stand_in().await;
    let hec = stand_in().await;
    let redirect = Fault {
        status: 303,
        headers: vec![("location", format!("{}/services/collector/event", target.url()))],
        ..Fault::default()
    };
    let page = Fault { status: 200, body: "<html>log in</html>".to_owned(), ..Fault::default() };
    hec.script([redirect, page]);
    let running = run(settings(&hec));
    assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    assert_eq!((ids(&hec), posts(&hec)), (vec!["event-0".to_owned()], 3));
    assert!(target.requests().is_empty());
    running.finish().await;
}

#[tokio::test]
async fn with_one_endpoint_down_the_other_is_used() {
    let dead = stand_in().await;
    let dead_url = dead.url().parse().unwrap();
    drop(dead);
    let hec = stand_in().await;
    let own =
        SplunkConfig { endpoints: vec![dead_url, hec.url().parse().unwrap()], ..settings(&hec) };
    let running = run(own);
    for n in 0..6 {
        assert_eq!(running.deliver(vec![event(n)]).await, [Outcome::Delivered]);
    }
    assert_eq!(ids(&hec).len(), 6);
    let metrics = running.metrics.encode();
    assert!(metrics.contains(r#"reason="splunk_connect"} 1"#), "tried once: {metrics}");
    running.finish().await;
}

#[tokio::test]
async fn stop_during_an_outage_returns_retry() {
    let (hec, running) = start().await;
    let slow = Fault { headers: vec![("retry-after", "180".to_owned())], ..Fault::code(503, 9) };
    hec.script([slow]);
    let stop = async {
        running.failure().await;
        running.stop.by(Instant::now() + HOUR);
    };
    let (outcomes, ()) = running.deliver_while(vec![event(0), event(1)], stop).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Retry(_))), "{outcomes:?}");
    assert_eq!(posts(&hec), 1);
    running.finish().await;
}

#[tokio::test]
async fn an_unreadable_secret_or_ca_file_is_named_at_start_up() {
    let hec = stand_in().await;
    let fails = |own: SplunkConfig| {
        let config = config("soc", SinkKind::SplunkHec(own.clone()));
        SplunkSink::new(&config, &own, &Arc::new(Metrics::new()), render_record, FAST)
            .err()
            .unwrap()
    };
    let error = fails(SplunkConfig { token: Secret::file("/nowhere/token"), ..settings(&hec) });
    assert!(error.text.contains("/nowhere/token"), "{error}");
    let tls = Tls { ca: Some(Secret::file("/nowhere/ca.pem")), ..Tls::default() };
    let error = fails(SplunkConfig { tls, ..settings(&hec) });
    assert!(
        error.text.contains("sink.soc.tls.ca_file") && error.text.contains("/nowhere/ca.pem"),
        "{error}"
    );
}

#[tokio::test]
async fn a_probe_checks_the_token_and_sends_no_event() {
    let hec = stand_in().await;
    let own = settings(&hec);
    assert_eq!(probe(&own, ProbeScope::AllEndpoints).await, Ok(()));
    assert_eq!((posts(&hec), ids(&hec).len()), (1, 0));
    let wrong = SplunkConfig { token: Secret::Literal(Arc::new("canary".into())), ..own.clone() };
    let error = probe(&wrong, ProbeScope::AllEndpoints).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkToken);
    assert!(!error.text.contains("canary"), "{error}");
    let not_hec = format!("{}/en-US", hec.url()).parse().unwrap();
    let own = SplunkConfig { endpoints: vec![not_hec], ..own };
    let error = probe(&own, ProbeScope::AllEndpoints).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkEndpoint);
    assert!(error.text.contains("is HEC"), "{error}");
}

async fn probe(own: &SplunkConfig, scope: ProbeScope) -> Result<(), Error> {
    let config = config("soc", SinkKind::SplunkHec(own.clone()));
    sink::probe(&config, None, scope).await
}

async fn probe_code(own: &SplunkConfig, scope: ProbeScope) -> Result<(), Code> {
    probe(own, scope).await.map_err(|error| error.code)
}

/// Sets the response to a request without data.
fn respond_to_empty(hec: &HecStandIn, status: u16, code: i64) {
    hec.change(|options| options.empty_response = Some(Fault::code(status, code)));
}

#[tokio::test]
async fn a_probe_accepts_success_and_code_5() {
    let hec = stand_in().await;
    let own = settings(&hec);
    for (status, code, expected) in
        [(200, 0, Ok(())), (200, 24, Ok(())), (400, 5, Ok(())), (503, 9, Err(Code::SplunkBusy))]
    {
        respond_to_empty(&hec, status, code);
        assert_eq!(probe_code(&own, ProbeScope::AllEndpoints).await, expected, "{code}");
    }
}

#[tokio::test]
async fn a_probe_of_any_endpoint_needs_one_and_of_all_every_one() {
    let (first, second) = (stand_in().await, stand_in().await);
    let endpoints = vec![first.url().parse().unwrap(), second.url().parse().unwrap()];
    let own = SplunkConfig { endpoints, ..settings(&first) };
    for (down, up) in [(&first, &second), (&second, &first)] {
        respond_to_empty(down, 503, 9);
        respond_to_empty(up, 400, 5);
        assert_eq!(probe_code(&own, ProbeScope::AnyEndpoint).await, Ok(()));
        assert_eq!(probe_code(&own, ProbeScope::AllEndpoints).await, Err(Code::SplunkBusy));
    }
    respond_to_empty(&first, 503, 9);
    respond_to_empty(&second, 403, 4);
    assert_eq!(
        probe_code(&own, ProbeScope::AnyEndpoint).await,
        Err(Code::SplunkToken),
        "the error that an operator can fix"
    );
}

/// The versions of a secret: current, previous.
struct SecretVersions(Mutex<[&'static str; 2]>);

impl Versions for SecretVersions {
    fn get<'a>(
        &'a self,
        _: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
        let [current, previous] = *self.0.lock();
        let text = if stage == Stage::Current { current } else { previous };
        Box::pin(async move { Ok(Some(Version { text: text.into(), age: None })) })
    }
}

#[tokio::test]
async fn a_denied_token_is_read_from_aws_again_with_its_previous_version() {
    let options = Options { tokens: vec![hec::Token::new("two")], ..Options::default() };
    let hec = HecStandIn::start(options).await.unwrap();
    // Rotated at Splunk first, or in the secret first.
    for (then, now) in [(["one", "zero"], ["two", "one"]), (["three", "two"], ["three", "two"])] {
        let versions = Arc::new(SecretVersions(Mutex::new(then)));
        let secret = Arc::new(AwsSecret::new("prod/hec".to_owned(), None, HOUR));
        secret.connect(versions.clone());
        let own = SplunkConfig { token: Secret::Aws(secret), ..settings(&hec) };
        assert_eq!(probe_code(&own, ProbeScope::AnyEndpoint).await, Err(Code::SplunkToken));
        *versions.0.lock() = now;
        assert_eq!(probe_code(&own, ProbeScope::AnyEndpoint).await, Ok(()), "{now:?}");
    }
}

/// Returns an event of this account.
fn of_account(n: usize, account: &str) -> Arc<Event> {
    let mut event = (*event(n)).clone();
    event.fields.account = Some(account.to_owned());
    Arc::new(event)
}

fn by_account(values: &[(&str, &str)], default: &str) -> Mapping {
    let exact = values.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
    Mapping::Table(MappingTable {
        by: MappingKey::Account,
        exact: exact.collect(),
        globs: Vec::new(),
        default: default.to_owned(),
    })
}

fn values(hec: &HecStandIn, key: &str) -> Vec<String> {
    let text = |event: hec::Indexed| event.envelope[key].as_str().unwrap_or("?").to_owned();
    hec.indexed().into_iter().map(text).collect()
}

#[tokio::test]
async fn mapped_envelope_values_follow_the_event() {
    let hec = stand_in().await;
    let by_event = Mapping::Table(MappingTable {
        by: MappingKey::Event,
        exact: [].into(),
        globs: vec![(Pattern::new("Upload*").unwrap(), "uploads".to_owned())],
        default: "others".to_owned(),
    });
    let running = run(SplunkConfig {
        index: Some(by_account(&[("111122223333", "prod"), ("444455556666", "lab")], "main")),
        source: Some(by_event),
        ..settings(&hec)
    });
    let mut no_account = (*event(3)).clone();
    no_account.fields.account = None;
    no_account.fields.name = "DeleteServerCertificate".to_owned();
    let events = vec![
        of_account(0, "444455556666"),
        of_account(1, "111122223333"),
        of_account(2, "999999999999"),
        Arc::new(no_account),
    ];
    assert_eq!(running.deliver(events).await, vec![Outcome::Delivered; 4]);
    assert_eq!(values(&hec, "index"), ["lab", "prod", "main", "main"]);
    assert_eq!(values(&hec, "source"), ["uploads", "uploads", "uploads", "others"]);
    assert_eq!(posts(&hec), 1, "one request for all of them");
    running.finish().await;
}

#[tokio::test]
async fn a_denied_index_delays_only_its_own_events() {
    let hec = stand_in().await;
    hec.change(|options| options.tokens[0].indexes = vec!["main".to_owned(), "lab".to_owned()]);
    let index = by_account(&[("111122223333", "prod"), ("444455556666", "lab")], "main");
    let running = run(SplunkConfig { index: Some(index), ..settings(&hec) });
    let accounts = ["444455556666", "111122223333", "999999999999", "111122223333", "444455556666"];
    let events = accounts.iter().enumerate().map(|(n, account)| of_account(n, account));
    let fixed = async {
        let error = running.failure().await;
        let state = running.sink.state();
        let before = ids(&hec);
        hec.change(|options| options.tokens[0].indexes.push("prod".to_owned()));
        (error.code, matches!(state, SinkState::Paused(_)), before)
    };
    let (outcomes, fixed) = running.deliver_while(events.collect(), fixed).await;
    let others = ["event-0", "event-2", "event-4"].map(str::to_owned).to_vec();
    assert_eq!(fixed, (Code::SplunkIndex, true, others));
    assert_eq!(outcomes, vec![Outcome::Delivered; 5]);
    assert_eq!(ids(&hec), ["event-0", "event-2", "event-4", "event-1", "event-3"]);
    running.finish().await;
}

/// Counts concurrent requests and all requests.
#[derive(Default)]
struct Seen {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

#[tokio::test]
async fn a_request_waits_for_the_response_to_the_one_before() {
    let seen = Arc::new(Seen::default());
    let counted = seen.clone();
    let respond = move |_: Bytes| {
        let seen = counted.clone();
        async move {
            seen.most.fetch_max(seen.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            seen.all.fetch_add(1, Ordering::SeqCst);
            // Time for a concurrent request to arrive.
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen.now.fetch_sub(1, Ordering::SeqCst);
            r#"{"text":"Success","code":0}"#
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
    let own = SplunkConfig { endpoints: vec![endpoint], ..settings(&stand_in().await) };
    let running = run(own);
    let outcomes = running.deliver((0..3000).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 3000]);
    let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
    assert!(count(&seen.all) >= 3);
    assert_eq!(count(&seen.most), 1, "of {} requests", count(&seen.all));
    running.finish().await;
}
