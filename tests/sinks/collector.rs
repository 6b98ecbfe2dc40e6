//! The Splunk sink against an independent HEC receiver, the OpenTelemetry Collector's: our own
//! stand-in would share our misunderstandings of Splunk.
//!
//! Differences of the receiver (v0.147.0) from Splunk, by its source and observed here:
//!
//! - A request is accepted whole or not at all; Splunk indexes the events before a bad one. Its
//!   code 15 names an event all the same, so the events before that one would count as delivered.
//!   The sink's `fields` are flat.
//! - Codes 6, 12 and 13 name no event: halves are tried.
//! - Too large a body (`max_request_body_size`, counted unpacked) is code 6, not 413.
//! - AckIds count from 1, are `true` at once, for every request with a channel, and are lost in a
//!   restart. Without the extension there is no `/ack`: every path accepts events, so a poll fails
//!   with code 12.
//! - Tokens are checked by an extension, which returns 401 in plain text; with it `/health`
//!   requires the token as well. There are no allowed indexes.
//! - An empty body that is compressed is code 6, not code 5.
//! - Numbers become doubles; of `time` that is some nanoseconds. A member's empty name is left out
//!   of what is exported.

mod exported;
mod proxy;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::config::Config;
use certrelay::error::{Code, Outcome};
use certrelay::event::{Arrival, CallOutcome, Channel, Event};
use certrelay::format::render;
use certrelay::sink::{self, ProbeScope, SinkState};
use futures_util::future::{Either, select};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::task::block_in_place;

use super::running::{Running, parsed, start};
use crate::support::{process, tier};
use exported::{Exported, in_doubles};
use proxy::Proxy;
use server::{Collector, Setup};

const TOKEN: &str = "collector-token";

/// Names that an attacker might give to a certificate or user.
const HOSTILE: [&str; 9] = [
    "\u{0}\u{1}\u{7f}",
    r#""}}{"event":"forged","fields":{"event_id":"forged"}}"#,
    "</script>&amp;<!--",
    "\u{2028}\u{2029}\u{feff}",
    "😀 \u{202e}desrever\u{202c} e\u{301}",
    "\r\n\t\\\\ \\u0000 \\ud800",
    "",
    "index=_audit | delete",
    "%00%0d%0aX-Splunk-Request-Channel: 0",
];

/// The configuration of a sink whose token is in a file.
struct Soc {
    folder: tempfile::TempDir,
    text: String,
}

impl Soc {
    fn new(url: &str, lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let token = folder.path().join("token");
        std::fs::write(&token, TOKEN).expect("written");
        let text = format!(
            r#"
            [[source]]
            directory = "examples"
            [[route]]
            name = "all"
            sinks = ["soc"]
            [labels]
            team = "pki"
            [sink.soc]
            type = "splunk_hec"
            endpoints = ["{url}"]
            token = {{ file = "{}" }}
            {lines}
            "#,
            token.display()
        );
        Self { folder, text }
    }

    fn set_token(&self, token: &str) {
        std::fs::write(self.folder.path().join("token"), token).expect("written");
    }

    fn config(&self) -> Config {
        parsed(&self.text)
    }

    fn start(&self) -> Running {
        start(&self.config(), None)
    }

    fn event(&self, n: usize, padding: usize) -> Arc<Event> {
        let hostile = HOSTILE[n % HOSTILE.len()];
        let record = json!({
            "eventVersion": "1.11", "eventID": format!("event-{n:04}"), "eventSource": "iam.amazonaws.com",
            "eventName": "UploadServerCertificate", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
            "eventTime": format!("2026-09-21T14:{:02}:20.{:03}Z", n % 60, n % 1000),
            "sourceIPAddress": "203.0.113.7", "userAgent": hostile,
            "requestParameters": { "serverCertificateName": hostile, "path": format!("/{hostile}/") },
            "numbers": [0, -1, 1.5, 1e3, 9_007_199_254_740_991_u64], "nothing": null, "yes": true,
            "empty": {}, "none": [], "deep": [[{ "a": [{ hostile: hostile }] }]], "padding": "x".repeat(padding),
        });
        let origin = Origin::Object {
            bucket: "audit-logs".to_owned(),
            key: format!("AWSLogs/{}/f.json.gz", n % 3),
            version: None,
            index: n as u64,
        };
        let seen = OffsetDateTime::UNIX_EPOCH;
        let arrival = Arrival { origin, channel: Channel::S3, seen, delivered: None };
        let record = Record { bytes: Bytes::from(record.to_string()), index: n as u64, offset: 0 };
        let options = Arc::new(self.config().options);
        Arc::new(Event::read_with(record, arrival, &options).expect("a record"))
    }

    fn events(&self, count: usize, padding: usize) -> Vec<Arc<Event>> {
        (0..count).map(|n| self.event(n, padding)).collect()
    }

    /// Returns the export that `docs/splunk.md` promises for an event.
    fn expected(&self, event: &Event, sourcetype: &str) -> Exported {
        let mut body = Vec::new();
        render(event, self.config().sinks[0].format, &mut body);
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let mut fields = json!({ "event_id": event.id, "label_team": "pki" });
        if sourcetype == "certrelay:event" {
            let findings: Vec<&str> = event.fields.findings.iter().map(|f| f.rule.id).collect();
            assert!(!findings.is_empty(), "an upload has findings");
            assert_eq!(event.fields.outcome, CallOutcome::Success);
            let extended = json!({
                "event_name": "UploadServerCertificate", "event_source": "iam.amazonaws.com",
                "account": "111122223333", "region": "us-east-1", "outcome": "success", "channel": "s3",
                "severity": event.fields.severity.as_str(), "finding": findings,
            });
            fields
                .as_object_mut()
                .expect("an object")
                .extend(extended.as_object().cloned().unwrap_or_default());
        }
        let time = event.fields.time.expect("a time").unix_timestamp_nanos() / 1_000_000;
        let source = event.origin.to_string();
        let source = source.split_once('#').map_or(source.as_str(), |(file, _)| file);
        let envelope = [
            ("host", "111122223333"),
            ("source", source),
            ("sourcetype", sourcetype),
            ("index", "security"),
        ];
        Exported {
            time: u64::try_from(time).ok(),
            envelope: envelope.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            event: in_doubles(body),
            fields: serde_json::from_value(fields).expect("an object"),
        }
    }
}

/// Checks that exactly the given events were exported, and returns the number of duplicates.
fn duplicates(exported: &[Exported], given: &[Arc<Event>]) -> usize {
    let arrived: BTreeSet<String> = exported.iter().map(Exported::id).collect();
    let expected: BTreeSet<String> = given.iter().map(|event| event.id.clone()).collect();
    assert_eq!(arrived, expected, "none lost and none invented");
    exported.len() - arrived.len()
}

fn is_event(path: &str) -> bool {
    path == "/services/collector/event"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_as_it_was_sent_in_both_modes() {
    for (mode, sourcetype) in [("events", "certrelay:event"), ("records", "aws:cloudtrail")] {
        let Some(collector) = block_in_place(|| Collector::start("collector", Setup::default()))
        else {
            return;
        };
        let proxy = Proxy::start(collector.url()).await.expect("a proxy");
        let lines =
            format!("mode = \"{mode}\"\nindex = \"security\"\nmax_batch_bytes = \"64 KiB\"");
        let soc = Soc::new(&proxy.url, &lines);
        let running = soc.start();
        let events = soc.events(200, 500);
        assert_eq!(running.sink.deliver(events.clone()).await, vec![Outcome::Delivered; 200]);
        running.finish().await;

        let exported = collector.exported();
        assert_eq!((exported.len(), duplicates(&exported, &events)), (200, 0), "{mode}");
        let arrived: BTreeMap<String, Exported> =
            exported.into_iter().map(|event| (event.id(), event)).collect();
        for event in &events {
            assert_eq!(arrived[&event.id], soc.expected(event, sourcetype), "{mode}");
        }
        let requests = proxy.requests();
        assert!(requests.len() > 3, "{mode}: split by size: {requests:?}");
        let succeeded = |seen: &proxy::Seen| {
            is_event(&seen.path)
                && seen.encoding.as_deref() == Some("gzip")
                && seen.status == Some(200)
        };
        assert!(requests.iter().all(succeeded), "{mode}: {requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_acknowledgement_events_are_delivered_after_a_poll() {
    let setup = Setup { ack: true, ..Setup::default() };
    let Some(collector) = block_in_place(|| Collector::start("collector-acks", setup)) else {
        return;
    };
    let proxy = Proxy::start(collector.url()).await.expect("a proxy");
    proxy.withhold_acks(true);
    let soc = Soc::new(&proxy.url, "ack = true");
    let running = soc.start();
    let events = soc.events(20, 0);
    let deliver = running.sink.deliver(events.clone());
    let polled = Box::pin(async {
        while !proxy.requests().iter().any(|seen| seen.path == "/services/collector/ack") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    let Either::Right(((), deliver)) = select(deliver, polled).await else {
        panic!("delivered before a poll")
    };
    let (written, metrics) = (collector.exported().len(), running.metrics.encode());
    proxy.withhold_acks(false);
    let outcomes = deliver.await;
    assert_eq!(written, 20, "the collector has them");
    assert!(metrics.contains(r#"sink_pending_events{sink="soc"} 20"#), "{metrics}");
    assert_eq!(outcomes, vec![Outcome::Delivered; 20]);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    let polls = proxy.requests().into_iter().filter(|seen| seen.path.ends_with("/ack"));
    assert!(polls.map(|seen| (seen.encoding, seen.status)).all(|a| a == (None, Some(200))));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_ack_ids_nothing_is_confirmed_to_a_sink_with_ack() {
    let Some(collector) =
        block_in_place(|| Collector::start("collector-without", Setup::default()))
    else {
        return;
    };
    let soc = Soc::new(&collector.url(), "ack = true");
    let running = soc.start();
    let deliver = running.sink.deliver(soc.events(3, 0));
    let failure = Box::pin(running.failure());
    let Either::Right((error, _)) = select(deliver, failure).await else {
        panic!("delivered without an ackId")
    };
    assert_eq!(error.code, Code::SplunkAckDisabled);
    assert!(matches!(running.sink.state(), SinkState::Paused(_)));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_pauses_the_sink_until_it_is_fixed_and_nothing_is_lost() {
    let Some(collector) = block_in_place(|| Collector::start("collector-token", Setup::default()))
    else {
        return;
    };
    let soc = Soc::new(&collector.url(), "");
    assert_eq!(sink::probe(&soc.config().sinks[0], None, ProbeScope::AllEndpoints).await, Ok(()));
    soc.set_token("canary-71c4");
    let denied = sink::probe(&soc.config().sinks[0], None, ProbeScope::AllEndpoints)
        .await
        .expect_err("a wrong token");
    assert_eq!(denied.code, Code::SplunkToken);
    let running = soc.start();
    let events = soc.events(3, 0);
    let fix = async {
        let error = running.failure().await;
        let during = (error, running.sink.state(), collector.exported().len());
        soc.set_token(TOKEN);
        during
    };
    let (outcomes, (error, state, before)) = running.deliver_while(events.clone(), fix).await;
    assert!(error.code == Code::SplunkToken && error.text.contains("HTTP 401"), "{error}");
    assert!(!error.text.contains("canary"), "{error}");
    assert!(matches!(state, SinkState::Paused(_)), "{state:?}");
    assert_eq!(before, 0);
    assert_eq!(outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_body_is_split_and_only_an_oversized_event_is_rejected() {
    let setup = Setup { limit: 1_200_000, ..Setup::default() };
    let Some(collector) = block_in_place(|| Collector::start("collector-limit", setup)) else {
        return;
    };
    let proxy = Proxy::start(collector.url()).await.expect("a proxy");
    let soc = Soc::new(&proxy.url, "mode = \"records\"\nmax_batch_bytes = \"4 MiB\"");
    let running = soc.start();
    let mut events = soc.events(200, 8_000);
    events[77] = soc.event(77, 1_300_000);
    let outcomes = running.sink.deliver(events.clone()).await;
    let rejected = outcomes.iter().enumerate().filter_map(|(n, outcome)| match outcome {
        Outcome::Rejected(error) => Some((n, error.code)),
        _ => None,
    });
    assert_eq!(rejected.collect::<Vec<_>>(), [(77, Code::SplunkDataFormat)]);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count(), 199);
    events.remove(77);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    // The sink has learned the limit.
    let before = proxy.requests().len();
    let more: Vec<_> = (200..400).map(|n| soc.event(n, 8_000)).collect();
    assert_eq!(running.sink.deliver(more.clone()).await, vec![Outcome::Delivered; 200]);
    let later = proxy.requests().split_off(before);
    assert!(later.len() > 1 && later.iter().all(|seen| seen.status == Some(200)), "{later:?}");
    events.extend(more);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    running.finish().await;
}

/// Kills the collector during requests and restarts it, several times; returns the number of
/// duplicates.
async fn survive(name: &'static str, ack: bool, kills: usize) -> Option<usize> {
    const EACH: usize = 200;
    let setup = Setup { ack, ..Setup::default() };
    let mut collector = block_in_place(|| Collector::start(name, setup))?;
    let lines = format!("ack = {ack}\nmode = \"records\"\nmax_batch_bytes = \"64 KiB\"");
    let soc = Soc::new(&collector.url(), &lines);
    let running = soc.start();
    let events = soc.events((EACH + 1) * (kills + 1), 4_000);
    let mut groups = events.chunks(EACH + 1);
    for _ in 0..kills {
        let (last, group) = groups.next()?.split_last()?;
        let before = collector.written();
        let kill = async {
            collector.writes_past(before).await;
            block_in_place(|| {
                collector.kill();
                collector.start_again();
            });
            // The next request's ackId reveals the restart to those that wait for an older one.
            running.sink.deliver(vec![last.clone()]).await
        };
        let (outcomes, after) = running.deliver_while(group.to_vec(), kill).await;
        assert_eq!((outcomes, after), (vec![Outcome::Delivered; EACH], vec![Outcome::Delivered]));
    }
    // Once more with the collector down before the delivery.
    let group = groups.next()?;
    collector.kill();
    let deliver = running.sink.deliver(group.to_vec());
    let failure = Box::pin(running.failure());
    let Either::Right((error, deliver)) = select(deliver, failure).await else {
        panic!("delivered to a stopped collector")
    };
    assert_eq!(error.code, Code::SplunkConnect);
    block_in_place(|| collector.start_again());
    assert_eq!(deliver.await, vec![Outcome::Delivered; EACH + 1]);
    running.finish().await;
    Some(duplicates(&collector.exported(), &events))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_collector_loses_nothing_and_gets_at_most_one_request_twice() {
    const KILLS: usize = 3;
    let Some(twice) = survive("collector-killed", false, KILLS).await else { return };
    eprintln!("killed {KILLS} times in the middle: {twice} duplicates");
    // 64 KiB hold 13 of these events.
    assert!(twice <= KILLS * 13, "{twice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_killed_before_acknowledging_gets_everything_again() {
    let Some(twice) = survive("collector-forgetful", true, 3).await else { return };
    eprintln!("killed 3 times before its acks were polled: {twice} duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_whose_health_needs_the_token_is_used_after_an_outage() {
    let Some(mut collector) =
        block_in_place(|| Collector::start("collector-health", Setup::default()))
    else {
        return;
    };
    let proxy = Proxy::start(collector.url()).await.expect("a proxy");
    let soc = Soc::new(&proxy.url, "");
    let one = format!("{:?}", proxy.url);
    let two = format!("{one}, \"http://127.0.0.1:1\"");
    let soc = Soc { text: soc.text.replace(&one, &two), ..soc };
    let running = soc.start();
    collector.kill();
    let events = soc.events(3, 0);
    let deliver = running.sink.deliver(events.clone());
    let failure = Box::pin(running.failure());
    let Either::Right((_, deliver)) = select(deliver, failure).await else {
        panic!("delivered to a stopped collector")
    };
    block_in_place(|| collector.start_again());
    assert_eq!(deliver.await, vec![Outcome::Delivered; 3]);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    let requests = proxy.requests();
    let checks = requests.iter().filter(|seen| seen.path.ends_with("/health"));
    let statuses: Vec<u16> = checks.filter_map(|seen| seen.status).collect();
    assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let bare = reqwest::get(format!("{}/services/collector/health", proxy.url)).await;
    assert_eq!(bare.expect("an answer").status().as_u16(), 401, "denied without a token");
    running.finish().await;
}

/// Returns the commands of a page that run `curl`, one a line.
fn curls(page: &str) -> Vec<String> {
    let text = page.replace("\\\n", " ");
    text.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_commands_get_the_documented_responses() {
    let setup = Setup { ack: true, token: None, ..Setup::default() };
    let Some(collector) = block_in_place(|| Collector::start("collector-guide", setup)) else {
        return;
    };
    let page = tier::project().join("docs/splunk.md");
    let commands = curls(&std::fs::read_to_string(page).expect("the page"));
    let home = tempfile::tempdir().expect("a temporary folder");
    let answers: Vec<Value> = commands
        .iter()
        .map(|command| {
            let here = command.replace("https://hec.example.com:8088", &collector.url());
            assert_ne!(&here, command, "another collector");
            let mut shell = Command::new("sh");
            process::clean_environment(&mut shell, home.path());
            shell.args(["-c", &here]).env("HEC_TOKEN", TOKEN);
            let output = block_in_place(|| shell.output()).expect("sh runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command}: {errors}");
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{command}: {e}"))
        })
        .collect();
    let codes: Vec<Option<i64>> = answers.iter().map(|answer| answer["code"].as_i64()).collect();
    assert_eq!(codes, [Some(17), Some(5), Some(0), None], "{answers:?}");
    assert!(answers[2]["ackId"].is_u64(), "{answers:?}");
    assert!(answers[3]["acks"].is_object(), "{answers:?}");
    assert_eq!(collector.exported().len(), 1, "the marked event");
}
