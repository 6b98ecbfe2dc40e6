//! The formats pass independent validators.

use std::path::{Path, PathBuf};
use std::process::Command;

use certrelay::config::{EventOptions, OcsfVersion, OutputFormat};

use crate::event_context;
use crate::event_fixtures::{FORMATS, read_in, read_with, record, rendered, role};
use crate::event_samples::{fixtures, samples, skip};
use crate::event_trail::trail_records;
use crate::skip::{has_shared, shared};

/// Returns the Python that has the validators' packages.
pub(crate) fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real/venv/bin/python");
    let found = if own.exists() {
        Some(own)
    } else {
        std::env::var_os("CERTRELAY_TEST_PYTHON").map(PathBuf::from)
    };
    if found.is_none() {
        skip(
            "validators: no target/real/venv (make it with tests/real/setup), no CERTRELAY_TEST_PYTHON",
        );
    }
    found
}

/// Returns everything that can be rendered: our fixtures, unusual shapes, all samples.
fn records() -> Vec<String> {
    let mut records = fixtures();
    let full: serde_json::Value =
        serde_json::from_str(&record("UploadServerCertificate", "success")).expect("JSON");
    for (path, odd) in [
        ("/userIdentity", role()),
        (
            "/userIdentity",
            serde_json::json!({ "type": "AWSService", "invokedBy": "autoscaling.amazonaws.com" }),
        ),
        (
            "/userIdentity",
            serde_json::json!({ "type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root" }),
        ),
        (
            "/userIdentity",
            serde_json::json!({ "type": "IdentityCenterUser", "onBehalfOf": { "userId": "u", "identityStoreArn": "a" }, "credentialId": "c" }),
        ),
        ("/userIdentity", serde_json::json!({ "type": "Unknown" })),
        ("/sourceIPAddress", serde_json::json!("2001:db8::1")),
        ("/sourceIPAddress", serde_json::json!("203.0.113.1, 203.0.113.2")),
        ("/sourceIPAddress", serde_json::json!("::ffff:203.0.113.1")),
        ("/sourceIPAddress", serde_json::json!("AWS Internal")),
        ("/sourceIPAddress", serde_json::json!(null)),
        ("/eventTime", serde_json::json!("yesterday")),
        ("/requestID", serde_json::json!(null)),
        ("/requestParameters/privateKey", serde_json::json!("s3cret")),
        ("/vpcEndpointId", serde_json::json!("vpce-0123456789abcdef0")),
        ("/requestParameters/path", serde_json::json!("x".repeat(70_000))),
    ] {
        let mut record = full.clone();
        let (parent, name) = path.rsplit_once('/').expect("a pointer");
        record.pointer_mut(parent).expect("a parent")[name] = odd;
        records.push(record.to_string());
    }
    records.extend(crate::event_formats::records());
    records.extend(trail_records());
    records.extend(samples());
    records
}

/// Runs `tool` over all records in `format`; it must answer OK to every line.
fn validate(format: OutputFormat, ocsf: OcsfVersion, tool: &str, schema: Option<&str>) {
    if !has_shared() {
        return;
    }
    let Some(python) = python() else { return };
    let tool = shared(&format!("tools/{tool}"));
    let lines: Vec<String> = records()
        .iter()
        .map(|record| {
            let options = EventOptions { ocsf, ..EventOptions::default() };
            rendered(&read_with(record, options).expect("a record"), format)
        })
        .chain(fixtures().iter().map(|record| {
            let options = EventOptions { ocsf, ..event_context::options() };
            let context = event_context::context();
            rendered(&read_in(record, options, &context).expect("a record"), format)
        }))
        .collect();
    assert!(lines.iter().all(|line| line.starts_with('{') && !line.contains('\n')));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, lines.join("\n")).expect("written");
    let schema = schema.map(|schema| shared(&format!("data/schemas/{schema}")));
    let answer =
        Command::new(python).arg(tool).args(schema).arg(&file).output().expect("python runs");
    let answers = String::from_utf8_lossy(&answer.stdout);
    let accepted = answers.lines().filter(|line| line.split(' ').any(|word| word == "OK")).count();
    let rejected: Vec<_> =
        answers.lines().filter(|line| !line.split(' ').any(|word| word == "OK")).take(20).collect();
    assert!(
        answer.status.success() && rejected.is_empty(),
        "{}\n{}",
        rejected.join("\n"),
        String::from_utf8_lossy(&answer.stderr)
    );
    assert!(lines.len() >= 60, "only {} events", lines.len());
    assert_eq!(accepted, lines.len(), "every event was validated");
}

#[test]
fn ocsf_passes_the_schema_of_1_8() {
    validate(OutputFormat::Ocsf, OcsfVersion::V1_8, "ocsf_validate.py", None);
}

#[test]
fn ocsf_passes_the_schema_of_1_5() {
    validate(OutputFormat::Ocsf, OcsfVersion::V1_5, "ocsf_validate.py", None);
}

#[test]
fn ecs_is_elastic_common_schema() {
    validate(
        OutputFormat::Ecs,
        OcsfVersion::V1_8,
        "ecs_validate.py",
        Some("ecs_flat-9.5.0.json.gz"),
    );
}

#[test]
fn cim_is_the_change_data_model() {
    validate(
        OutputFormat::Cim,
        OcsfVersion::V1_8,
        "cim_validate.py",
        Some("splunk-cim-Change.json"),
    );
}

/// Our own schemas, checked by an independent implementation of JSON Schema.
const AGAINST_SCHEMA: &str = r#"
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
check = Draft202012Validator(schema)
count = 0
for line in open(sys.argv[2]):
    for fault in check.iter_errors(json.loads(line)):
        sys.exit("%s: %s" % ("/".join(map(str, fault.absolute_path)), fault.message[:300]))
    count += 1
print(count)
"#;

#[test]
fn every_format_matches_its_published_schema() {
    let Some(python) = python() else { return };
    for format in FORMATS {
        let lines: Vec<String> = records()
            .iter()
            .map(|record| {
                rendered(&read_with(record, EventOptions::default()).expect("a record"), format)
            })
            .chain(fixtures().iter().map(|record| {
                let context = event_context::context();
                let event = read_in(record, event_context::options(), &context);
                rendered(&event.expect("a record"), format)
            }))
            .filter(|line| !line.contains('\n'))
            .collect();
        let folder = tempfile::tempdir().expect("a folder");
        let (schema, events) =
            (folder.path().join("schema.json"), folder.path().join("events.ndjson"));
        std::fs::write(&schema, certrelay::format::schema(format)).expect("written");
        std::fs::write(&events, lines.join("\n")).expect("written");
        let answer = Command::new(&python)
            .args(["-c", AGAINST_SCHEMA])
            .arg(schema)
            .arg(events)
            .output()
            .expect("python runs");
        assert!(answer.status.success(), "{format:?}: {}", String::from_utf8_lossy(&answer.stderr));
        assert_eq!(
            String::from_utf8_lossy(&answer.stdout).trim(),
            lines.len().to_string(),
            "{format:?}"
        );
        assert!(lines.len() >= 60);
    }
}
