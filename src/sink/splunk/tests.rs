//! The whole sink over loopback, against the stand-in for HEC.

mod acks;
mod connections;
mod health;
#[path = "../../../tests/support/hec.rs"]
mod hec;
mod mapped;
mod matrix;
mod probes;
mod secrets;
mod tls;
mod turns;

use hec::{Fault, HecStandIn, Options};

use super::*;
use crate::config::{OutputFormat, Secret, SinkKind, SplunkMode, Tls};
use crate::error::{Code, Outcome};
use crate::sink::SinkState;
use crate::sink::testing::{HOUR, Running, config, event, event_with, render_record};
use std::time::Duration;
use tokio::time::Instant;

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
    run_with(own, QUICK)
}

fn run_with(own: SplunkConfig, patience: Patience) -> Running {
    let config = config("soc", SinkKind::SplunkHec(own.clone()));
    Running::start(|metrics, stop| {
        let splunk = Splunk::new(&config, &own, metrics, render_record, patience).unwrap();
        handle::start(&config, splunk, BOUNDS, metrics, stop)
    })
}

/// Asks for receipts at the pace of tests, and hopes for longer than a busy machine stands still.
const QUICK: Patience =
    Patience { pauses: &[Duration::from_millis(10)], longest: Duration::from_secs(60) };

async fn stand_in() -> HecStandIn {
    HecStandIn::start(Options::default()).await.unwrap()
}

fn ids(hec: &HecStandIn) -> Vec<String> {
    hec.indexed().iter().map(|event| event.field("event_id").unwrap_or("?").to_owned()).collect()
}

fn posts(hec: &HecStandIn) -> usize {
    hec.requests().iter().filter(|seen| seen.path == "/services/collector/event").count()
}

/// Events that HEC finds bad: an envelope cannot be, so their `event` is blank.
fn render_blank_as_marked(event: &Event, _: OutputFormat, out: &mut Vec<u8>) {
    match event.id.starts_with("bad") {
        true => out.extend_from_slice(b"\"\""),
        false => out.extend_from_slice(&event.record().bytes),
    }
}

#[tokio::test]
async fn events_arrive_whole_compressed_and_with_what_hec_wants_to_know() {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    let outcomes = running.built.deliver((0..50).map(event).collect()).await;
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
async fn requests_are_cut_by_their_serialised_size() {
    let hec = stand_in().await;
    let running = run(SplunkConfig { max_batch_bytes: 20_000, ..settings(&hec) });
    let padding = "x".repeat(6000);
    let events = (0..10).map(|n| event_with(&format!("e{n}"), &padding)).collect();
    assert_eq!(running.built.deliver(events).await, vec![Outcome::Delivered; 10]);
    let sizes: Vec<usize> = hec.requests().iter().map(|seen| seen.body.len()).collect();
    assert_eq!(sizes.len(), 4, "three to a request: {sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 20_000), "{sizes:?}");
    let sent = running.metrics.encode();
    let bytes: usize = sizes.iter().sum();
    assert!(sent.contains(&format!(r#"sink_bytes_total{{sink="soc"}} {bytes}"#)), "{sent}");
    running.finish().await;
}

#[tokio::test]
async fn an_event_over_the_limit_is_refused_and_its_neighbours_are_not() {
    let hec = stand_in().await;
    let running = run(SplunkConfig { max_batch_bytes: 20_000, ..settings(&hec) });
    let events = vec![event(0), event_with("huge", &"x".repeat(30_000)), event(2)];
    let outcomes = running.built.deliver(events).await;
    assert!(matches!(&outcomes[1], Outcome::Rejected(error) if error.code == Code::SplunkTooLarge));
    assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Delivered, &Outcome::Delivered));
    assert_eq!(ids(&hec), ["event-0", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn bad_events_are_refused_alone_and_nothing_is_indexed_twice() {
    for bad in [vec![0], vec![4], vec![9], vec![0, 1, 2], vec![3, 9], (0..10).collect()] {
        let hec = stand_in().await;
        let own = settings(&hec);
        let config = config("soc", SinkKind::SplunkHec(own.clone()));
        let running = Running::start(|metrics, stop| {
            let splunk =
                Splunk::new(&config, &own, metrics, render_blank_as_marked, QUICK).unwrap();
            handle::start(&config, splunk, BOUNDS, metrics, stop)
        });
        let name =
            |n: usize| if bad.contains(&n) { format!("bad-{n}") } else { format!("good-{n}") };
        let events = (0..10).map(|n| event_with(&name(n), "")).collect();
        let outcomes = running.built.deliver(events).await;
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
async fn where_the_number_resolves_to_nothing_halves_are_tried() {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    let nowhere = Fault {
        body: r#"{"text":"x","code":6,"invalid-event-number":99}"#.to_owned(),
        ..Fault::code(400, 6)
    };
    hec.script([nowhere.clone(), nowhere.clone(), nowhere]);
    let outcomes = running.built.deliver((0..4).map(event).collect()).await;
    // Four are refused, then two, then one: that one is believed.
    assert!(
        matches!(&outcomes[0], Outcome::Rejected(error) if error.code == Code::SplunkDataFormat)
    );
    assert_eq!(outcomes[1..], vec![Outcome::Delivered; 3]);
    assert_eq!(ids(&hec), ["event-1", "event-2", "event-3"]);
    running.finish().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_split_and_the_next_ones_are_smaller() {
    for disguised in [false, true] {
        let hec = HecStandIn::start(Options {
            max_content_length: 1_500_000,
            disguise_too_large: disguised,
            ..Options::default()
        })
        .await
        .unwrap();
        let running = run(SplunkConfig { max_batch_bytes: 5_000_000, ..settings(&hec) });
        let padding = "x".repeat(300_000);
        let batch = || (0..10).map(|n| event_with(&format!("e{n}"), &padding)).collect();
        assert_eq!(running.built.deliver(batch()).await, vec![Outcome::Delivered; 10]);
        assert_eq!(ids(&hec).len(), 10, "disguised: {disguised}");
        let before = posts(&hec);
        assert_eq!(running.built.deliver(batch()).await, vec![Outcome::Delivered; 10]);
        let later = hec.requests().split_off(before);
        assert!(later.iter().all(|seen| seen.body.len() < 1_500_000), "disguised: {disguised}");
        running.finish().await;
    }
}

#[tokio::test]
async fn answers_that_time_may_heal_are_tried_again_and_nothing_is_lost() {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    let html = Fault { status: 502, body: "<html>".to_owned(), ..Fault::default() };
    hec.script([Fault::code(503, 9), html, Fault::cut(false), Fault::code(429, 26)]);
    let outcomes = running.built.deliver(vec![event(0), event(1)]).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 2]);
    assert_eq!(ids(&hec), ["event-0", "event-1"]);
    let metrics = running.metrics.encode();
    for reason in ["splunk_busy", "splunk_unavailable", "splunk_transport"] {
        assert!(metrics.contains(&format!(r#"reason="{reason}""#)), "{reason} in {metrics}");
    }
    running.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_after_indexing_makes_a_duplicate_with_the_same_id() {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    hec.script([Fault::cut(true)]);
    assert_eq!(running.built.deliver(vec![event(5)]).await, [Outcome::Delivered]);
    assert_eq!(ids(&hec), ["event-5", "event-5"]);
    running.finish().await;
}

#[tokio::test]
async fn near_its_limits_the_collector_is_believed_and_spared() {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    let near = |code| Fault { after_indexing: true, ..Fault::code(200, code) };
    hec.script([near(24), near(25)]);
    for n in 0..3 {
        assert_eq!(running.built.deliver(vec![event(n)]).await, [Outcome::Delivered]);
        assert_eq!(running.built.state(), SinkState::Up);
    }
    assert_eq!(ids(&hec), ["event-0", "event-1", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn a_refused_token_pauses_the_sink_until_its_secret_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "expired\n").unwrap();
    let hec = stand_in().await;
    let running = run(SplunkConfig { token: Secret::file(&path), ..settings(&hec) });
    let mend = async {
        hec.wait_for_requests(2).await;
        let during = running.built.state();
        std::fs::write(&path, "stand-in-token").unwrap();
        during
    };
    let deliver = running.built.deliver(vec![event(0)]);
    let (outcomes, during) = futures_util::future::join(deliver, mend).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    let SinkState::Paused(error) = during else { panic!("{during:?}") };
    assert_eq!(error.code, Code::SplunkToken);
    assert!(error.text.contains("code 4") && !error.text.contains("expired"), "{error}");
    assert_eq!(running.built.state(), SinkState::Up);
    running.finish().await;
}

#[tokio::test]
async fn an_index_that_the_token_may_not_write_to_is_a_setting_and_refuses_no_event() {
    let hec = stand_in().await;
    hec.change(|options| options.tokens[0].indexes = vec!["main".to_owned()]);
    let running = run(SplunkConfig { index: Some("security".into()), ..settings(&hec) });
    let mend = async {
        hec.wait_for_requests(1).await;
        hec.change(|options| options.tokens[0].indexes.push("security".to_owned()));
    };
    let deliver = running.built.deliver((0..3).map(event).collect());
    let (outcomes, ()) = futures_util::future::join(deliver, mend).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(ids(&hec), ["event-0", "event-1", "event-2"]);
    running.finish().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_taken_for_success() {
    let elsewhere = stand_in().await;
    let hec = stand_in().await;
    let redirect = Fault {
        status: 303,
        headers: vec![("location", format!("{}/services/collector/event", elsewhere.url()))],
        ..Fault::default()
    };
    let page = Fault { status: 200, body: "<html>log in</html>".to_owned(), ..Fault::default() };
    hec.script([redirect, page]);
    let running = run(settings(&hec));
    assert_eq!(running.built.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    assert_eq!((ids(&hec), posts(&hec)), (vec!["event-0".to_owned()], 3));
    assert!(elsewhere.requests().is_empty());
    running.finish().await;
}

#[tokio::test]
async fn one_endpoint_down_means_the_other_is_used() {
    let dead = stand_in().await;
    let dead_url = dead.url().parse().unwrap();
    drop(dead);
    let hec = stand_in().await;
    let own =
        SplunkConfig { endpoints: vec![dead_url, hec.url().parse().unwrap()], ..settings(&hec) };
    let running = run(own);
    for n in 0..6 {
        assert_eq!(running.built.deliver(vec![event(n)]).await, [Outcome::Delivered]);
    }
    assert_eq!(ids(&hec).len(), 6);
    let metrics = running.metrics.encode();
    assert!(metrics.contains(r#"reason="splunk_connect"} 1"#), "tried once: {metrics}");
    running.finish().await;
}

#[tokio::test]
async fn stop_during_an_outage_hands_everything_back() {
    let hec = stand_in().await;
    let running = run(settings(&hec));
    let slow = Fault { headers: vec![("retry-after", "180".to_owned())], ..Fault::code(503, 9) };
    hec.script([slow]);
    let stop = async {
        running.trouble().await;
        running.stop.by(Instant::now() + HOUR);
    };
    let deliver = running.built.deliver(vec![event(0), event(1)]);
    let (outcomes, ()) = futures_util::future::join(deliver, stop).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Retry(_))), "{outcomes:?}");
    assert_eq!(posts(&hec), 1);
    running.finish().await;
}

#[tokio::test]
async fn an_unreadable_secret_or_ca_file_is_named_at_the_start() {
    let hec = stand_in().await;
    let fails = |own: SplunkConfig| {
        let config = config("soc", SinkKind::SplunkHec(own.clone()));
        Splunk::new(&config, &own, &Arc::new(Metrics::new()), render_record, QUICK).err().unwrap()
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
async fn a_probe_tries_the_token_and_sends_no_event() {
    let hec = stand_in().await;
    let own = settings(&hec);
    let config = config("soc", SinkKind::SplunkHec(own.clone()));
    assert_eq!(probe(&config, &own, Wanted::All).await, Ok(()));
    assert_eq!((posts(&hec), ids(&hec).len()), (1, 0));
    let wrong = SplunkConfig { token: Secret::Literal(Arc::new("canary".into())), ..own.clone() };
    let error = probe(&config, &wrong, Wanted::All).await.unwrap_err();
    assert_eq!(error.code, Code::SplunkToken);
    assert!(!error.text.contains("canary"), "{error}");
    let elsewhere = format!("{}/en-US", hec.url()).parse().unwrap();
    let error = probe(&config, &SplunkConfig { endpoints: vec![elsewhere], ..own }, Wanted::All)
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::SplunkEndpoint);
    assert!(error.text.contains("really HEC"), "{error}");
}
