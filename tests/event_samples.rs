//! Public sample records in `../shared/data`: no format loses a leaf.

use certrelay::config::OutputFormat;
use serde_json::Value;
use std::collections::BTreeSet;

use crate::event_fixtures::{FORMATS, OPERATIONS, SHAPES, payload, read, record, rendered};
use crate::event_trail::trail_records;
use crate::skip::{has_shared, shared};

/// Prints what is not tested, and fails where nothing may be skipped.
pub(crate) fn skip(what: &str) {
    crate::skip::skip(what, "`make doctor` and tests/real/setup say what is missing");
}

/// Returns all sample records as text, or none if `../shared` is absent.
pub(crate) fn samples() -> Vec<String> {
    let mut records = Vec::new();
    for name in ["stratus", "traildiscover", "grycap_sample", "opensearch_catalog"] {
        let path = shared(&format!("data/cloudtrail/_normalized/{name}.jsonl"));
        records
            .extend(std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned));
    }
    let path = shared("data/records/splunk-security_content/example_logs.ndjson");
    records.extend(std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned));
    if let Ok(text) = std::fs::read_to_string(shared("data/aws-docs-assembled/records.json")) {
        let file: Value = serde_json::from_str(&text).expect("JSON");
        records.extend(file["Records"].as_array().expect("records").iter().map(Value::to_string));
    }
    records.retain(|line| !line.trim().is_empty());
    records
}

/// Returns our own records, in every shape.
pub(crate) fn fixtures() -> Vec<String> {
    OPERATIONS.iter().flat_map(|operation| SHAPES.map(|shape| record(operation, shape))).collect()
}

/// Collects strings, numbers and booleans of `value` as text; JSON inside a string counts with its
/// leaves.
fn leaves(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(members) => members.values().for_each(|item| leaves(item, into)),
        Value::String(text) => {
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                leaves(&inner, into);
            }
            into.insert(text.clone());
        }
        other => {
            into.insert(other.to_string());
        }
    }
}

/// Asserts that every leaf of the record is in every format: mapped, unmapped or redacted.
fn assert_no_leaf_lost(record: &str) {
    let event = read(record).expect("a record");
    let raw: Value = serde_json::from_str(&rendered(&event, OutputFormat::Raw)).expect("JSON");
    let mut before = BTreeSet::new();
    leaves(&raw, &mut before);
    for format in [OutputFormat::Ocsf, OutputFormat::Ecs, OutputFormat::Cim] {
        let out: Value = serde_json::from_str(&rendered(&event, format)).expect("JSON");
        let mut after = BTreeSet::new();
        leaves(&out, &mut after);
        // ECS splits `TLSv1.3` into protocol and version.
        if let (Some(protocol), Some(version)) =
            (out.pointer("/tls/version_protocol"), out.pointer("/tls/version"))
        {
            let protocol = protocol.as_str().expect("text").to_uppercase();
            after.insert(format!("{protocol}v{}", version.as_str().expect("text")));
        }
        let lost: Vec<_> = before.difference(&after).filter(|leaf| !leaf.is_empty()).collect();
        assert!(lost.is_empty(), "{format:?} lost {lost:?} of {record}");
    }
}

#[test]
fn no_leaf_of_our_own_records_is_lost() {
    fixtures().iter().chain(&trail_records()).for_each(|record| assert_no_leaf_lost(record));
}

#[test]
fn no_leaf_of_any_sample_record_is_lost() {
    if !has_shared() {
        return;
    }
    let samples = samples();
    assert!(samples.len() > 1_500, "only {} samples", samples.len());
    samples.iter().for_each(|record| assert_no_leaf_lost(record));
}

#[test]
fn large_numbers_and_duplicate_members_survive_in_ocsf() {
    let text = r#"{"eventName":"x","eventSource":"y","n":12345678901234567890123,"f":1.000,"d":"one","d":"two","a.b":"flat","a":{"b":"deep"}}"#;
    let event: Value = serde_json::from_str(&payload(text, OutputFormat::Ocsf)).expect("JSON");
    insta::assert_snapshot!(event["unmapped"], @r#"{"a.b":"flat","a.b#115":"deep","d":"one","d#87":"two","f":"1.000","n":"12345678901234567890123"}"#);
}

#[test]
fn no_format_shows_pem_or_a_private_key() {
    for operation in OPERATIONS {
        let mut value: Value = serde_json::from_str(&record(operation, "success")).expect("JSON");
        value["requestParameters"]["privateKey"] = "s3cret".into();
        value["additionalEventData"] = serde_json::json!({ "x": [{ "PRIVATE_KEY": { "d": "s3cret" } }], "note": "-----BEGIN EC PRIVATE KEY-----\ns3cret" });
        for format in FORMATS {
            let out = payload(&value.to_string(), format);
            assert!(!out.contains("s3cret") && !out.contains("-----BEGIN"), "{format:?}: {out}");
        }
    }
}
