//! Exit codes and logs of a service that cannot start or continue.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::service::{Service, within_timeout};
use super::{SAMPLES, run, stderr};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES)
}

/// A configuration from the samples to this sink, with this log format.
fn config(sink: &str, format: &str) -> String {
    format!(
        "[[source]]\ndirectory = {:?}\n[[route]]\nname = \"all\"\nsinks = [\"out\"]\n[sink.out]\n{sink}\n\
         [log]\nformat = \"{format}\"\n",
        samples().display().to_string()
    )
}

/// Runs a service that cannot start with this configuration; returns its log.
fn failed_start(config: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    fs::write(&path, config).expect("the configuration");
    let output = run(&["run", "-c", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn a_failed_start_is_logged_as_an_error_in_the_configured_format() {
    let sink = "type = \"file\"\npath = \"/nowhere/at/all.ndjson\"";
    let log = failed_start(&config(sink, "json"));
    let last = log.lines().last().expect("a line");
    let last: serde_json::Value = serde_json::from_str(last).expect(last);
    assert_eq!((&last["level"], &last["code"]), (&"ERROR".into(), &"file_failed".into()));
    assert_eq!(last["message"], "certrelay failed");
    assert!(last["error"].as_str().expect("text").starts_with("sink.out.path: "), "{last}");
    let log = failed_start(&config(sink, "text"));
    assert!(log.contains("ERROR certrelay failed") && !log.contains('\u{1b}'), "{log:?}");
    assert!(log.contains("error=\"sink.out.path: "), "{log}");
}

#[test]
fn an_unreadable_secret_at_start_up_is_logged_with_its_sink_and_setting() {
    let hec = "type = \"splunk_hec\"\nendpoints = [\"https://hec.example.com:8088\"]\n";
    for (rest, error) in [
        ("token = { file = \"/nowhere/token\" }", "sink.out.token: secret file /nowhere/token: "),
        (
            "token = { env = \"NOT_SET_HERE\" }",
            "sink.out.token: environment variable NOT_SET_HERE is not set",
        ),
        (
            "token = \"t\"\ntls = { ca_file = \"/nowhere/ca.pem\" }",
            "sink.out.tls.ca_file: secret file /nowhere/ca.pem: ",
        ),
    ] {
        let log = failed_start(&config(&format!("{hec}{rest}"), "json"));
        assert!(log.contains(error) && log.contains("secret_unreadable"), "{log}");
    }
}

#[test]
fn a_service_whose_stdout_is_closed_logs_it_and_exits() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = folder.path().join("logs");
    let config = config("type = \"stdout\"", "text")
        .replace(&format!("{:?}", samples().display().to_string()), "\"logs\"");
    fs::create_dir(&logs).expect("a folder");
    let deliver = |id: &str| {
        let record = format!(
            r#"{{"eventVersion":"1.08","eventID":"{id}","eventName":"DeleteServerCertificate","eventSource":"iam.amazonaws.com","eventTime":"2026-01-02T03:04:05Z","awsRegion":"us-east-1"}}"#
        );
        fs::write(logs.join(".half"), record).expect("a file");
        fs::rename(logs.join(".half"), logs.join(format!("{id}.json"))).expect("renamed");
    };
    deliver("first");
    let (service, stdout) = Service::start_piped(folder.path(), &config);
    within_timeout(|| {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
    });
    deliver("later");
    service.await_line("standard output was closed by its reader");
    service.await_line("driver_failed");
    assert_eq!(service.ended().code(), Some(1));
}
