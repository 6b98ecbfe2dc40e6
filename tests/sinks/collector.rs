//! The Splunk sink against a receiver of HEC that others wrote: the OpenTelemetry Collector's. Our own stand-in behaves
//! as we read and were told that Splunk does; what both of us misread, it would not show.
//!
//! Where the receiver (v0.147.0) is unlike Splunk, read in its source and seen here:
//!
//! - A request is taken in whole or not at all; Splunk indexes what stands before a bad event. Its code 15 names an
//!   event all the same, so what stands before that one would count as delivered. The sink's `fields` are flat.
//! - Codes 6, 12 and 13 name no event: halves are tried.
//! - Too large a body (`max_request_body_size`, counted unpacked) is code 6, not 413.
//! - Receipts count from 1, are `true` at once, for every request with a channel, and are forgotten in a restart.
//!   Without the extension there is no `/ack`: every path takes events, so a question is answered with code 12.
//! - Tokens are an extension's, whose refusal is 401 in plain text; with it `/health` wants the token as well. There
//!   are no indexes to be allowed or refused.
//! - An empty body that is compressed is code 6, not code 5.
//! - Numbers become doubles; of `time` that is some nanoseconds. A member's empty name is left out of what is exported.

mod between;
mod exported;
mod guide;
mod health;
mod peer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::config::Config;
use certrelay::error::{Code, Outcome};
use certrelay::event::{Arrival, CallOutcome, Channel, Event, render};
use certrelay::sink::{self, SinkState, Wanted};
use futures_util::future::{Either, select};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::task::block_in_place;

use super::running::{Running, parsed, start};
use crate::support::tier;
use between::Between;
use exported::{Exported, in_doubles};
use peer::{Collector, Setup};

const TOKEN: &str = "collector-token";

/// What an attacker might call a certificate, or themselves.
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

/// A sink and whatever it is told to do otherwise; its token lies in a file.
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
        let arrival = Arrival { origin, lane: Channel::S3, seen, delivered: None };
        let record = Record { bytes: Bytes::from(record.to_string()), index: n as u64, offset: 0 };
        let options = Arc::new(self.config().options);
        Arc::new(Event::read_with(record, arrival, &options).expect("a record"))
    }

    fn events(&self, count: usize, padding: usize) -> Vec<Arc<Event>> {
        (0..count).map(|n| self.event(n, padding)).collect()
    }

    /// What must arrive of an event, by the page `docs/splunk.md`.
    fn expected(&self, event: &Event, sourcetype: &str) -> Exported {
        let mut body = Vec::new();
        render(event, self.config().sinks[0].format, &mut body);
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let mut fields = json!({ "event_id": event.id, "label_team": "pki" });
        if sourcetype == "certrelay:event" {
            let findings: Vec<&str> = event.fields.findings.iter().map(|f| f.rule.id).collect();
            assert!(!findings.is_empty(), "an upload is worth a look");
            assert_eq!(event.fields.outcome, CallOutcome::Success);
            let beside = json!({
                "event_name": "UploadServerCertificate", "event_source": "iam.amazonaws.com",
                "account": "111122223333", "region": "us-east-1", "outcome": "success", "lane": "file",
                "severity": event.fields.severity.as_str(), "finding": findings,
            });
            fields
                .as_object_mut()
                .expect("an object")
                .extend(beside.as_object().cloned().unwrap_or_default());
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

/// Whether these are the events that were given, and how many more there are.
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
    for (mode, sourcetype) in [("beside", "certrelay:event"), ("only", "aws:cloudtrail")] {
        let Some(collector) = block_in_place(|| Collector::start("collector", Setup::default()))
        else {
            return;
        };
        let between = Between::start(collector.url()).await.expect("a proxy");
        let lines =
            format!("mode = \"{mode}\"\nindex = \"security\"\nmax_batch_bytes = \"64 KiB\"");
        let soc = Soc::new(&between.url, &lines);
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
        let asked = between.asked();
        assert!(asked.len() > 3, "{mode}: cut by size: {asked:?}");
        let good = |asked: &between::Asked| {
            is_event(&asked.path)
                && asked.encoding.as_deref() == Some("gzip")
                && asked.status == Some(200)
        };
        assert!(asked.iter().all(good), "{mode}: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_receipts_events_are_delivered_when_they_were_asked_for_and_not_before() {
    let setup = Setup { ack: true, ..Setup::default() };
    let Some(collector) = block_in_place(|| Collector::start("collector-receipts", setup)) else {
        return;
    };
    let between = Between::start(collector.url()).await.expect("a proxy");
    between.hold_acks(true);
    let soc = Soc::new(&between.url, "ack = true");
    let running = soc.start();
    let events = soc.events(20, 0);
    let deliver = running.sink.deliver(events.clone());
    let asked = Box::pin(async {
        while !between.asked().iter().any(|asked| asked.path == "/services/collector/ack") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    let Either::Right(((), deliver)) = select(deliver, asked).await else {
        panic!("delivered before it was asked for")
    };
    let (written, metrics) = (collector.exported().len(), running.metrics.encode());
    between.hold_acks(false);
    let outcomes = deliver.await;
    assert_eq!(written, 20, "the collector has them");
    assert!(metrics.contains(r#"sink_pending_events{sink="soc"} 20"#), "{metrics}");
    assert_eq!(outcomes, vec![Outcome::Delivered; 20]);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    let questions = between.asked().into_iter().filter(|asked| asked.path.ends_with("/ack"));
    assert!(questions.map(|asked| (asked.encoding, asked.status)).all(|a| a == (None, Some(200))));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_gives_no_receipts_confirms_nothing_to_a_sink_that_wants_them() {
    let Some(collector) =
        block_in_place(|| Collector::start("collector-without", Setup::default()))
    else {
        return;
    };
    let soc = Soc::new(&collector.url(), "ack = true");
    let running = soc.start();
    let deliver = running.sink.deliver(soc.events(3, 0));
    let trouble = Box::pin(running.trouble());
    let Either::Right((error, _)) = select(deliver, trouble).await else {
        panic!("delivered without a receipt")
    };
    assert_eq!(error.code, Code::SplunkAckDisabled);
    assert!(matches!(running.sink.state(), SinkState::Paused(_)));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_pauses_the_sink_until_it_is_put_right_and_nothing_is_lost() {
    let Some(collector) = block_in_place(|| Collector::start("collector-token", Setup::default()))
    else {
        return;
    };
    let soc = Soc::new(&collector.url(), "");
    assert_eq!(sink::probe(&soc.config().sinks[0], None, Wanted::All).await, Ok(()));
    soc.set_token("canary-71c4");
    let refused =
        sink::probe(&soc.config().sinks[0], None, Wanted::All).await.expect_err("a wrong token");
    assert_eq!(refused.code, Code::SplunkToken);
    let running = soc.start();
    let events = soc.events(3, 0);
    let mend = async {
        let error = running.trouble().await;
        let during = (error, running.sink.state(), collector.exported().len());
        soc.set_token(TOKEN);
        during
    };
    let (outcomes, (error, state, before)) = running.deliver_while(events.clone(), mend).await;
    assert!(error.code == Code::SplunkToken && error.text.contains("HTTP 401"), "{error}");
    assert!(!error.text.contains("canary"), "{error}");
    assert!(matches!(state, SinkState::Paused(_)), "{state:?}");
    assert_eq!(before, 0);
    assert_eq!(outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_halved_and_only_an_event_that_is_too_large_is_refused() {
    let setup = Setup { limit: 1_200_000, ..Setup::default() };
    let Some(collector) = block_in_place(|| Collector::start("collector-limit", setup)) else {
        return;
    };
    let between = Between::start(collector.url()).await.expect("a proxy");
    let soc = Soc::new(&between.url, "mode = \"records\"\nmax_batch_bytes = \"4 MiB\"");
    let running = soc.start();
    let mut events = soc.events(200, 8_000);
    events[77] = soc.event(77, 1_300_000);
    let outcomes = running.sink.deliver(events.clone()).await;
    let refused = outcomes.iter().enumerate().filter_map(|(n, outcome)| match outcome {
        Outcome::Rejected(error) => Some((n, error.code)),
        _ => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), [(77, Code::SplunkDataFormat)]);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count(), 199);
    events.remove(77);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    // It has learned how much is too much.
    let before = between.asked().len();
    let more: Vec<_> = (200..400).map(|n| soc.event(n, 8_000)).collect();
    assert_eq!(running.sink.deliver(more.clone()).await, vec![Outcome::Delivered; 200]);
    let later = between.asked().split_off(before);
    assert!(later.len() > 1 && later.iter().all(|asked| asked.status == Some(200)), "{later:?}");
    events.extend(more);
    assert_eq!(duplicates(&collector.exported(), &events), 0);
    running.finish().await;
}

/// Kills the collector in the middle of requests and starts it again, some times; answers the number of duplicates.
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
        let fall = async {
            collector.writes_past(before).await;
            block_in_place(|| {
                collector.kill();
                collector.start_again();
            });
            // Whoever waits for a receipt from before learns of the restart by the next request's.
            running.sink.deliver(vec![last.clone()]).await
        };
        let (outcomes, after) = running.deliver_while(group.to_vec(), fall).await;
        assert_eq!((outcomes, after), (vec![Outcome::Delivered; EACH], vec![Outcome::Delivered]));
    }
    // And once without a doubt: it is down when they are handed over.
    let group = groups.next()?;
    collector.kill();
    let deliver = running.sink.deliver(group.to_vec());
    let trouble = Box::pin(running.trouble());
    let Either::Right((error, deliver)) = select(deliver, trouble).await else {
        panic!("delivered to nobody")
    };
    assert_eq!(error.code, Code::SplunkConnect);
    block_in_place(|| collector.start_again());
    assert_eq!(deliver.await, vec![Outcome::Delivered; EACH + 1]);
    running.finish().await;
    Some(duplicates(&collector.exported(), &events))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_killed_loses_nothing_and_is_sent_one_request_twice_at_most() {
    const KILLS: usize = 3;
    let Some(twice) = survive("collector-killed", false, KILLS).await else { return };
    eprintln!("killed {KILLS} times in the middle: {twice} duplicates");
    // 64 KiB hold 13 of these events.
    assert!(twice <= KILLS * 13, "{twice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_killed_before_it_gave_receipts_is_sent_everything_again() {
    let Some(twice) = survive("collector-forgetful", true, 3).await else { return };
    eprintln!("killed 3 times before its receipts were read: {twice} duplicates");
}
