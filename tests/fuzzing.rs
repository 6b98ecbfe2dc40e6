//! Everything that reads bytes from outside, on bytes that nobody expected. The functions in
//! `functions` are a fuzzer's targets (`tests/fuzzing/run`); here proptest runs them, and
//! executions are counted, so that they happen.
//!
//! `CERTRELAY_EXECUTIONS=1000000` before a release.

#[path = "fuzzing/functions.rs"]
pub(crate) mod functions;
#[path = "../src/sink/splunk/response.rs"]
mod response;

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

use crate::decode::fuzz::{any_bytes, any_document};
use crate::event_fixtures::{PEM, record};

/// Bits of what these formats are made of.
const FRAGMENTS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "null",
    "-1",
    "1e999",
    "\\u0000",
    "\\ud800",
    "\u{1f}",
    "\n",
    "=",
    "#",
    "'",
    "%2B",
    "+",
    "é",
    "\u{202e}",
    "Records",
    "99999999999999999999",
];

/// A seed with a few edits, which `data` decides.
fn mutated(seeds: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let (&which, edits) = data.split_first().unwrap_or((&0, &[]));
    let mut text = seeds[usize::from(which) % seeds.len()].clone();
    for edit in edits.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % (text.len() + 1);
        let end = (at + usize::from(edit[3] % 24)).min(text.len());
        match edit[2] {
            byte @ 0..=127 if at < text.len() => text[at] = byte,
            128..=191 => {
                let fragment = FRAGMENTS[usize::from(edit[3]) % FRAGMENTS.len()];
                text.splice(at..at, fragment.bytes());
            }
            192..=223 => drop(text.drain(at..end)),
            _ => {
                let part = text[at..end].to_vec();
                text.splice(at..at, part);
            }
        }
    }
    text
}

/// Runs a target over edits of the seeds, and says how often it ran and how often the answer was
/// yes.
fn run(name: &str, usual: u32, seeds: &[Vec<u8>], target: impl Fn(&[u8]) -> bool) {
    let asked = std::env::var("CERTRELAY_EXECUTIONS").ok().and_then(|count| count.parse().ok());
    let cases = asked.unwrap_or(usual);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let (executed, sound) = (Cell::new(0_u32), Cell::new(0_u32));
    TestRunner::new(config)
        .run(&vec(any::<u8>(), 0..34), |data| {
            executed.set(executed.get() + 1);
            sound.set(sound.get() + u32::from(target(&mutated(seeds, &data))));
            Ok(())
        })
        .expect("it holds");
    println!("{name}: {} executions, {} of them sound", executed.get(), sound.get());
    assert!(executed.get() >= cases && sound.get() > cases / 100, "{executed:?} {sound:?}");
    assert!(sound.get() < cases, "no edit broke anything");
}

/// What the fuzzer keeps, a line of base64 each; see `tests/fuzzing/run`.
#[test]
fn what_the_fuzzer_kept_still_holds() {
    type Target = (&'static str, &'static str, fn(&[u8]) -> bool);
    let targets: [Target; 7] = [
        ("decoder", include_str!("fuzzing/kept/decoder.txt"), any_bytes),
        ("document", include_str!("fuzzing/kept/document.txt"), |data| any_document(data) > 0),
        ("notification", include_str!("fuzzing/kept/notification.txt"), functions::notification),
        ("hec_response", include_str!("fuzzing/kept/hec_response.txt"), functions::hec_response),
        ("configuration", include_str!("fuzzing/kept/configuration.txt"), functions::configuration),
        ("certificate", include_str!("fuzzing/kept/certificate.txt"), functions::certificate),
        ("normaliser", include_str!("fuzzing/kept/normaliser.txt"), functions::normaliser),
    ];
    for (name, kept, target) in targets {
        let inputs = kept.lines().map(|line| data_encoding::BASE64.decode(line.as_bytes()));
        let answers: Vec<bool> = inputs.map(|input| target(&input.expect("base64"))).collect();
        let sound = answers.iter().filter(|sound| **sound).count();
        println!("{name}: {} inputs, {sound} of them sound", answers.len());
        assert!(answers.len() >= 20 && sound > 0, "{name}: {} inputs, {sound}", answers.len());
    }
}

#[test]
fn any_stored_bytes_are_decoded_or_refused() {
    let seeds = ["success", "denied"].map(|shape| {
        let records =
            [record("UploadServerCertificate", shape), record("GetServerCertificate", shape)];
        format!("{{\"Records\":[{}]}}", records.join(",")).into_bytes()
    });
    run("decoder", 300, &seeds, |data| {
        any_document(data);
        any_bytes(data)
    });
}

#[test]
fn any_message_is_a_notification_or_none() {
    let s3 = r#"{"Records":[{"eventVersion":"2.3","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-03-01T00:00:00Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"audit-logs"},"object":{"key":"AWSLogs/a%2Bb.json.gz","size":1,"eTag":"x","versionId":"v"}}}]}"#;
    let envelope = serde_json::json!({"Type": "Notification", "MessageId": "m", "Message": s3});
    let bridge = r#"{"version":"0","id":"i","detail-type":"Object Created","source":"aws.s3","account":"111122223333","region":"us-east-1","time":"2026-03-01T00:00:00Z","detail":{"bucket":{"name":"audit-logs"},"object":{"key":"a+b.json.gz","size":1}}}"#;
    let own = r#"{"s3Bucket":"audit-logs","s3ObjectKey":["AWSLogs/a.json.gz"]}"#;
    let seeds = [s3.to_owned(), envelope.to_string(), bridge.to_owned(), own.to_owned()];
    run("notification", 2000, &seeds.map(String::into_bytes), functions::notification);
}

#[test]
fn any_answer_of_splunk_is_classified() {
    let seeds = [
        r#"{"text":"Success","code":0,"ackId":7}"#,
        r#"{"text":"Invalid data format","code":6,"invalid-event-number":3}"#,
        "120",
        "<html>Bad gateway</html>",
        "Sun, 06 Nov 2033 08:49:37 GMT",
    ];
    // The first two bytes are the status.
    let seeds = seeds.map(|body| [&200_u16.to_le_bytes()[..], body.as_bytes()].concat());
    run("HEC response", 2000, &seeds, functions::hec_response);
}

#[test]
fn any_configuration_is_checked_or_refused() {
    let seeds = [include_str!("../config/local.toml"), include_str!("../config/certrelay.toml")];
    run(
        "configuration",
        300,
        &seeds.map(|text| text.as_bytes().to_vec()),
        functions::configuration,
    );
}

#[test]
fn any_certificate_is_read_or_said_to_be_none() {
    let body: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    let seed = data_encoding::BASE64.decode(body.as_bytes()).expect("a certificate");
    run("X.509", 1000, &[seed, Vec::new()], |data| {
        let event = functions::certificate(data);
        assert!(event, "the record is sound, whatever the certificate is");
        // So that both answers occur.
        !data.is_empty()
    });
}

#[test]
fn any_record_is_an_event_or_refused() {
    let seeds =
        ["success", "denied", "omitted"].map(|shape| record("UploadServerCertificate", shape));
    run("normaliser", 1000, &seeds.map(String::into_bytes), functions::normaliser);
}
