//! `certrelay scan` over corpora of real records with certificate events among them: exactly the
//! expected ones are found, byte by byte, and none of the decoys.
//!
//! Bytes are compared by their SHA-256. `--format raw` prints certificates and keys redacted, so an
//! upload's line is compared by file, index and eventID there, and its own bytes through the
//! decoder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use certrelay::cloudtrail::{Decoded, Decoder, DecoderSettings, Selection};
use certrelay::config::{Decode, EventRule};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::skip::{has_shared, shared};
use crate::support::{process, tier};

/// A generated corpus; it is removed when it is dropped.
struct Corpus {
    folder: TempDir,
    python: PathBuf,
}

/// The location of a record: its file and index.
type RecordLocation = (String, u64);

impl Corpus {
    /// Generates one; `None` where the tools cannot run, which has been reported then.
    fn make(flags: &str) -> Option<Self> {
        has_shared().then_some(())?;
        let python = tier::require("validators")?.join("bin/python");
        let (tool, data) = (shared("tools/make_corpus.py"), shared("data/cloudtrail"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(&python);
        command.arg("-B").arg(tool).arg("--data").arg(data).arg("--out").arg(folder.path());
        let output = command.args(flags.split(' ')).output().expect("python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { folder, python })
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    /// The lines of `expected.jsonl` or `decoys.jsonl`, by location.
    fn listed(&self, name: &str) -> BTreeMap<RecordLocation, Value> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).expect("it was made");
        let line = |line: &str| {
            let value: Value = serde_json::from_str(line).expect("JSON");
            let file = value["file"].as_str().expect("a file").to_owned();
            ((file, value["index"].as_u64().expect("an index")), value)
        };
        text.lines().map(line).collect()
    }

    /// Objects and records that were generated.
    fn totals(&self) -> (u64, u64) {
        let text = std::fs::read_to_string(self.folder.path().join("files.tsv")).expect("made");
        let records = text.lines().map(|line| {
            line.split('\t').nth(1).and_then(|count| count.parse::<u64>().ok()).expect("a count")
        });
        (text.lines().count() as u64, records.sum())
    }
}

fn scan(flags: &[&str], path: &Path) -> Output {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
    process::clean_environment(&mut command, home.path());
    command.arg("scan").args(flags).arg(path).stdin(Stdio::null());
    command.output().expect("the binary runs")
}

/// The numbers of the summary, which is the last line on stderr.
fn summary(output: &Output) -> BTreeMap<String, u64> {
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().expect("a summary");
    let pair = |pair: &str| {
        let (name, number) = pair.split_once('=')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    last.split(' ').map(pair).collect::<Option<_>>().unwrap_or_else(|| panic!("{errors}"))
}

fn lines(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stdout).expect("UTF-8").lines().collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The decoder's own selection, each record's bytes by their hash.
fn decoded(corpus: &Corpus, files: &BTreeSet<String>) -> BTreeMap<RecordLocation, String> {
    let selection = Arc::new(Selection::new(EventRule::defaults()));
    let mut decoder = Decoder::new(DecoderSettings { selection, limits: Decode::default() });
    let mut selected = BTreeMap::new();
    for file in files {
        let stored = std::fs::read(corpus.files().join(file)).expect("it was made");
        let mut found = Vec::new();
        decoder.decode(&stored, &mut found).expect("a valid file");
        for one in found {
            let Decoded::Record(record) = one else { panic!("{one:?}") };
            selected.insert((file.clone(), record.index), sha256(&record.bytes));
        }
    }
    selected
}

/// The location in an OCSF event: `…/corpus/<file>#<index>`.
fn location_of(event: &Value) -> RecordLocation {
    let source = event["metadata"]["log_source"].as_str().expect("a source");
    let (path, index) = source.rsplit_once('#').expect("an index in it");
    let (_, file) = path.split_once("/corpus/").expect("a file of the corpus");
    (file.to_owned(), index.parse().expect("a number"))
}

/// Checks everything about a corpus.
fn selects_exactly_what_is_expected(flags: &str, at_least: usize) {
    let Some(corpus) = Corpus::make(flags) else { return };
    let (expected, decoys) = (corpus.listed("expected.jsonl"), corpus.listed("decoys.jsonl"));
    assert!(expected.len() >= at_least, "only {} events were made", expected.len());
    let (objects, records) = corpus.totals();

    let files = walk(&corpus.files());
    let hash = |value: &Value| value["sha256"].as_str().expect("a hash").to_owned();
    let hashes: BTreeMap<RecordLocation, String> =
        expected.iter().map(|(location, value)| (location.clone(), hash(value))).collect();
    assert_eq!(files.len() as u64, objects);
    assert_eq!(decoded(&corpus, &files), hashes, "the records' own bytes");

    let raw = scan(&["--format", "raw"], &corpus.files());
    assert_eq!(raw.status.code(), Some(0), "{}", String::from_utf8_lossy(&raw.stderr));
    let numbers = [objects, records, expected.len() as u64, 0, 0, 0];
    let names = ["objects", "records", "events", "invalid", "failed", "skipped"].map(str::to_owned);
    assert_eq!(summary(&raw), names.into_iter().zip(numbers).collect());
    assert_raw_lines(&lines(&raw), &expected, &decoys);

    let ocsf = scan(&[], &corpus.files());
    assert_eq!(ocsf.status.code(), Some(0), "{}", String::from_utf8_lossy(&ocsf.stderr));
    let events = lines(&ocsf).into_iter().map(|line| serde_json::from_str(line).expect("JSON"));
    let events: Vec<Value> = events.collect();
    let locations =
        events.iter().map(|event| (location_of(event), event["metadata"]["uid"].clone()));
    let listed =
        expected.iter().map(|(location, value)| (location.clone(), value["eventID"].clone()));
    assert_eq!(events.len(), expected.len(), "nothing twice");
    assert_eq!(locations.collect::<BTreeMap<_, _>>(), listed.collect());
    assert_valid(&corpus, &ocsf.stdout, expected.len());
}

/// Every file below `folder`, by its path from there.
fn walk(folder: &Path) -> BTreeSet<String> {
    let (mut folders, mut files) = (vec![folder.to_owned()], BTreeSet::new());
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).expect("below");
                files.insert(below.to_string_lossy().into_owned());
            }
        }
    }
    files
}

/// Every line is the expected record's own bytes, or an upload whose certificate was taken out.
fn assert_raw_lines(
    lines: &[&str],
    expected: &BTreeMap<RecordLocation, Value>,
    decoys: &BTreeMap<RecordLocation, Value>,
) {
    // An eventID may be in several files of a corpus: real records are repeated.
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let mut left: BTreeMap<(String, String), usize> = BTreeMap::new();
    for value in expected.values() {
        *left.entry((text(&value["eventID"]), text(&value["sha256"]))).or_default() += 1;
    }
    let (mut exact, mut redacted) = (0, 0);
    for line in lines {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let (id, name) = (text(&record["eventID"]), text(&record["eventName"]));
        if let Some(count) = left.get_mut(&(id.clone(), sha256(line.as_bytes()))) {
            *count = count.checked_sub(1).expect("not more often than expected");
            exact += 1;
        } else {
            assert!(name.starts_with("Upload"), "{name} was changed: {line}");
            let mut same = left.iter_mut().filter(|(pair, count)| pair.0 == id && **count > 0);
            *same.next().unwrap_or_else(|| panic!("{id} is not expected")).1 -= 1;
            redacted += 1;
        }
    }
    assert!(left.values().all(|count| *count == 0), "missing: {left:?}");
    assert!(exact > redacted, "{exact} lines byte by byte, {redacted} redacted");
    let ids = |listed: &BTreeMap<RecordLocation, Value>| -> BTreeSet<String> {
        listed.values().map(|value| value["eventID"].to_string()).collect()
    };
    assert!(ids(expected).is_disjoint(&ids(decoys)), "the lists are disjoint");
}

/// Another implementation's schema accepts each event. An empty input would be accepted too, so its
/// results are counted.
fn assert_valid(corpus: &Corpus, ndjson: &[u8], count: usize) {
    let file = corpus.folder.path().join("events.ndjson");
    std::fs::write(&file, ndjson).expect("a file");
    let tool = shared("tools/ocsf_validate.py");
    let output = Command::new(&corpus.python).arg("-B").arg(tool).arg(&file).output();
    let output = output.expect("python runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let accepted = printed.lines().filter(|line| line.ends_with(" OK")).count();
    let rejected: Vec<_> = printed.lines().filter(|line| !line.ends_with(" OK")).take(20).collect();
    assert!(output.status.success() && rejected.is_empty(), "{}", rejected.join("\n"));
    assert!(count > 0 && accepted == count, "{accepted} of {count} events were accepted");
}

#[test]
fn certificate_events_among_other_records_are_found_exactly() {
    selects_exactly_what_is_expected(
        "--profile open --files 30 --records 150 --cert-frac 0.02 --decoy-frac 0.02 --seed 11",
        40,
    );
}

#[test]
fn certificate_events_in_many_small_files_of_an_organisation_are_found_exactly() {
    selects_exactly_what_is_expected(
        "--profile open --files 300 --records-dist real --org o-exampleorgid --cert-frac 0.05 --decoy-frac 0.05 --accounts 3 --seed 12",
        40,
    );
}

#[test]
fn a_corpus_of_certificate_events_only_is_found_completely() {
    selects_exactly_what_is_expected(
        "--profile open --files 3 --records 200 --cert-frac 1 --cert-anywhere --seed 13",
        600,
    );
}

#[test]
fn a_corrupt_file_is_named_and_the_others_are_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let samples = crate::support::samples::generate(14, 3, 30);
    for (n, object) in samples.objects.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{n}.json.gz")), &object.gzip).expect("a file");
    }
    let whole = std::fs::read(folder.path().join("1.json.gz")).expect("it was written");
    std::fs::write(folder.path().join("0-corrupt.json.gz"), &whole[..whole.len() / 2])
        .expect("a file");
    let output = scan(&["--format", "raw"], folder.path());
    assert_eq!(output.status.code(), Some(1), "a corrupt file is a failure");
    let ids: BTreeSet<String> = lines(&output)
        .into_iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|record| record["eventID"].as_str().expect("an id").to_owned())
        .collect();
    assert!(!ids.is_empty());
    assert_eq!(ids, samples.expected.into_keys().collect());
    let summary = summary(&output);
    assert_eq!((summary["objects"], summary["failed"]), (3, 1), "{summary:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.matches("0-corrupt.json.gz").count(), 1, "{errors}");
}
