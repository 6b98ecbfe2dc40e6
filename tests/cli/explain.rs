//! `explain`: the meaning of a record, its route, and what each sink would receive.

use std::fs;

use super::{SAMPLES, one_file, run, stderr, stdout};

#[test]
fn a_sample_is_explained_with_its_severity_and_evidence() {
    let output = run(&["explain", one_file().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = stdout(&output);
    for label in ["event        ", "in scope     yes", "severity     ", "evidence     "] {
        assert!(page.lines().any(|line| line.starts_with(label)), "no {label:?}:\n{page}");
    }
    assert!(stderr(&output).contains("not about IAM certificates"), "{}", stderr(&output));
    assert!(!page.contains("route "), "without a configuration there is no route:\n{page}");
}

#[test]
fn with_a_configuration_the_route_and_the_payload_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let config = r#"
[[source]]
directory = "logs"
[[route]]
name = "reads"
when = { event = ["Get*", "List*"] }
sinks = "discard"
[[route]]
name = "default"
sinks = [{ sink = "lake", topic = "changes" }]
[sink.lake]
type = "kafka"
brokers = ["127.0.0.1:1"]
topic = "certificates"
format = "cim"
"#;
    fs::write(&path, config).expect("the configuration");
    let output = run(&["explain", SAMPLES, "-c", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = stdout(&output);
    assert!(page.contains("route        reads\nsent to      nowhere"), "{page}");
    let sent = "route        default\nsent to      lake:changes, topic changes, cim:\n";
    let payloads: Vec<&str> = page.split(sent).skip(1).collect();
    assert!(payloads.len() >= 10, "{page}");
    for payload in payloads {
        let line = payload.lines().next().expect("a line").trim();
        let payload: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(payload["action"].is_string(), "{payload}");
    }
}

#[test]
fn formats_are_printed_on_request() {
    let page = stdout(&run(&["explain", SAMPLES, "--format", "ecs,raw"]));
    let lines = |label: &str| page.lines().filter(|line| line.starts_with(label)).count();
    assert!(lines("ecs          {") >= 24, "{page}");
    assert_eq!(lines("ecs          {"), lines("raw          {"));
}

#[test]
fn other_events_are_counted_and_explained_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("one.json");
    let record = r#"{"eventVersion":"1.08","eventID":"e-1","eventName":"DeleteUser","eventSource":"iam.amazonaws.com","eventTime":"2026-01-02T03:04:05Z","awsRegion":"us-east-1"}"#;
    fs::write(&path, record).expect("a record");
    let path = path.to_str().expect("text");
    let output = run(&["explain", path]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), String::new()));
    assert!(
        stderr(&output).contains("explained=0 skipped=1 (not about IAM certificates)"),
        "{}",
        stderr(&output)
    );
    let page = stdout(&run(&["explain", path, "--all-events"]));
    assert!(page.contains("not one of the twelve"), "{page}");
}

#[test]
fn with_a_configuration_records_are_read_and_selected_as_the_service_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let config = r#"
[[source]]
directory = "logs"
[decode]
max_records = 1
[events]
include = ["ListSigningCertificates"]
[[route]]
name = "all"
sinks = ["screen"]
[sink.screen]
type = "stdout"
"#;
    fs::write(&path, config).expect("the configuration");
    let path = path.to_str().expect("text");
    let whole = run(&["explain", one_file().to_str().expect("text"), "-c", path]);
    assert_eq!(whole.status.code(), Some(1), "more records than max_records");
    assert!(stderr(&whole).contains("max_records"), "{}", stderr(&whole));

    let record = r#"{"eventVersion":"1.08","eventID":"e-1","eventName":"DeleteServerCertificate","eventSource":"iam.amazonaws.com","eventTime":"2026-01-02T03:04:05Z","awsRegion":"us-east-1"}"#;
    let one = folder.path().join("one.json");
    fs::write(&one, record).expect("a record");
    let one = one.to_str().expect("text");
    let output = run(&["explain", one, "-c", path]);
    let printed = stderr(&output);
    assert!(
        printed.contains("explained=0 skipped=1 (not selected by [events]); --all-events"),
        "{printed}"
    );
    let page = stdout(&run(&["explain", one, "-c", path, "--all-events"]));
    assert!(page.contains("route        none: not selected by [events]\n"), "{page}");
    assert!(page.contains("in scope     yes") && !page.contains("sent to"), "{page}");
}

#[test]
fn control_characters_of_a_record_are_escaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile.json");
    let record = r#"{"eventVersion":"1.08","eventID":"e-\u001b[2J","eventName":"UploadSigningCertificate","eventSource":"iam.amazonaws.com","eventTime":"2026-01-02T03:04:05Z","awsRegion":"us-east-1","recipientAccountId":"111122223333","userIdentity":{"type":"IAMUser","userName":"\u202eecila\u009b31m","arn":"arn:aws:iam::111122223333:user/\u001b]0;x\u0007"},"requestParameters":{"userName":"BIDIbob"},"userAgent":"\u001b[31mred"}"#;
    fs::write(&path, record.replace("BIDI", "\u{202e}")).expect("a record");
    let arguments =
        ["explain", path.to_str().expect("text"), "-c", "config/local.toml", "--format", "raw,cim"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let all = stdout(&output) + &stderr(&output);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert_eq!(all.chars().find(|c| acts(*c)), None, "{}", all.escape_debug());
    assert!(all.contains("ecila") && all.contains("sent to      screen, stdout, ocsf:"), "{all}");
}
