//! The sample log files: what they promise to hold, and that they are still what the generator
//! writes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use crate::skip::skip;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn log_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of samples").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(log_files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let stored = fs::read(path).expect("a readable file");
    MultiGzDecoder::new(stored.as_slice()).read_to_string(&mut text).expect("whole gzip members");
    text
}

fn records(folder: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    for path in log_files(folder) {
        let mut document: Value = serde_json::from_str(&text(&path)).expect("JSON");
        match document["Records"].take() {
            Value::Array(found) => records.extend(found),
            other => panic!("{}: Records is {other}", path.display()),
        }
    }
    records
}

/// Name and whether it was denied, of the certificate events among these.
fn certificate_events(records: &[Value]) -> Vec<(&str, bool, &str)> {
    let names: Vec<&str> =
        certrelay::config::GROUPS.iter().flat_map(|(_, _, names)| names.iter().copied()).collect();
    records
        .iter()
        .filter(|record| record["eventSource"] == certrelay::config::IAM_EVENT_SOURCE)
        .filter_map(|record| Some((record["eventName"].as_str()?, record)))
        .filter(|(name, _)| names.contains(name))
        .map(|(name, record)| {
            (
                name,
                record["errorCode"] == "AccessDenied",
                record["eventID"].as_str().expect("an id"),
            )
        })
        .collect()
}

#[test]
fn the_samples_hold_each_event_once_with_success_and_once_denied() {
    let records = records(&examples().join("cloudtrail"));
    assert_eq!(records.len(), 300);
    let events = certificate_events(&records);
    let kinds: BTreeSet<(&str, bool)> = events.iter().map(|(name, bad, _)| (*name, *bad)).collect();
    assert_eq!((events.len(), kinds.len()), (24, 24));

    let listed = fs::read_to_string(examples().join("cloudtrail.expected.txt")).expect("the list");
    let ids: BTreeSet<&str> = events.iter().map(|(_, _, id)| *id).collect();
    assert_eq!(ids, listed.lines().collect());
}

#[test]
fn the_samples_hold_decoys_and_a_file_of_two_members() {
    let files = log_files(&examples().join("cloudtrail"));
    let mentions: usize = files.iter().map(|path| text(path).matches("Certificate").count()).sum();
    assert!(mentions > 24 + 36, "only {mentions} mentions of a certificate");
    let members = files.iter().map(|path| {
        let stored = fs::read(path).expect("a readable file");
        stored.windows(4).filter(|window| *window == [0x1f, 0x8b, 8, 0]).count()
    });
    assert_eq!(members.max(), Some(2));
}

#[test]
fn the_generator_still_writes_these_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("cloudtrail");
    let made = Command::new("python3")
        .arg(examples().join("make_samples.py"))
        .arg("--out")
        .arg(&out)
        .status();
    let Ok(status) = made else { return skip("the generator of samples", "needs python3") };
    assert!(status.success());
    assert_eq!(records(&out), records(&examples().join("cloudtrail")));
}
