//! The decoder and Python agree, on real records, on corpora made of them, and on damaged ones.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use certrelay::cloudtrail::Decoded;
use certrelay::config::Decode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::skip::{has_shared, shared};

use super::{DecodeResult, LIMITS, assert_same, certificates, decode, decode_in_chunks, decoder};

/// What was compared, so that a test can say that it was not nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) files: usize,
    pub(super) sound: usize,
    pub(super) records: usize,
    pub(super) bad: usize,
}

/// Gives every file to the decoder, in each of its ways, and to Python.
pub(super) fn compare(files: &[Vec<u8>], name: impl Fn(usize) -> String) -> Compared {
    let mut strict = decoder(&certificates(), Decode { strict: true, ..LIMITS });
    let mut usual = decoder(&certificates(), LIMITS);
    let mut compared = Compared::default();
    for (number, (file, expected)) in files.iter().zip(ask(files)).enumerate() {
        let name = name(number);
        let strictly = decode(&mut strict, file);
        assert_eq!(as_answer(&strictly), expected, "{name}");
        assert_same(&decode_in_chunks(&mut strict, file, 1000), &strictly, &name);
        let usually = decode(&mut usual, file);
        assert_same(&decode_in_chunks(&mut usual, file, 1000), &usually, &name);
        compared.files += 1;
        match (strictly, usually) {
            (Ok((strictly, tally)), Ok((usually, _))) => {
                // Without `strict` what nobody asked for may be bad without being noticed.
                let records = |found: &[Decoded]| -> Vec<Decoded> {
                    found.iter().filter(|one| matches!(one, Decoded::Record(_))).cloned().collect()
                };
                assert_eq!(records(&usually), records(&strictly), "{name}");
                assert!(usually.iter().all(|one| strictly.contains(one)), "{name}");
                compared.sound += 1;
                compared.records += usize::try_from(tally.selected).expect("few");
                compared.bad += usize::try_from(tally.bad).expect("few");
            }
            (strictly, usually) => assert_eq!(strictly, usually, "{name}"),
        }
    }
    assert_eq!(compared.files, files.len());
    compared
}

/// Python's answers, in order.
fn ask(files: &[Vec<u8>]) -> Vec<Value> {
    let wanted: Vec<_> =
        certificates().iter().map(|rule| json!([rule.source, rule.name.as_str()])).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decode/oracle.py");
    let mut python = Command::new("python3")
        .arg(script)
        .arg(Value::from(wanted).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut input = python.stdin.take().expect("a pipe");
    let output = BufReader::new(python.stdout.take().expect("a pipe"));
    let answers = std::thread::scope(|scope| {
        scope.spawn(move || {
            for file in files {
                let length = u32::try_from(file.len()).expect("a small file");
                input.write_all(&length.to_le_bytes()).expect("python3 reads");
                input.write_all(file).expect("python3 reads");
            }
        });
        let parse = |line: std::io::Result<String>| -> Value {
            serde_json::from_str(&line.expect("python3 writes")).expect("JSON")
        };
        output.lines().map(parse).collect::<Vec<_>>()
    });
    assert!(python.wait().expect("python3 ends").success());
    assert_eq!(answers.len(), files.len());
    answers
}

fn as_answer(decoded: &DecodeResult) -> Value {
    let (found, tally) = match decoded {
        Ok(decoded) => decoded,
        Err(damage) => return json!({ "error": damage.code() }),
    };
    let (mut records, mut bad) = (Vec::new(), Vec::new());
    for one in found {
        match one {
            Decoded::Record(record) => {
                let sha256: String = Sha256::digest(&record.bytes)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                records.push(json!([record.index, record.offset, sha256]));
            }
            Decoded::Invalid(record) => {
                bad.push(json!([record.index, record.offset, record.sha256]))
            }
        }
    }
    json!({ "read": tally.read, "found": records, "bad": bad })
}

fn files_under(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files_under(&path, into) } else { into.push(path) }
    }
    into.sort();
}

fn compare_folder(folder: &Path) -> Compared {
    let mut paths = Vec::new();
    files_under(folder, &mut paths);
    let files: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("a file")).collect();
    compare(&files, |number| paths[number].display().to_string())
}

fn compare_corpus(arguments: &[&str]) -> Option<Compared> {
    has_shared().then_some(())?;
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("python3")
        .arg(shared("tools/make_corpus.py"))
        .args(["--profile", "open", "--cert-anywhere", "--data"])
        .arg(shared("data/cloudtrail"))
        .arg("--out")
        .arg(folder.path())
        .args(arguments)
        .stdout(Stdio::null())
        .status();
    assert!(made.expect("python3 runs").success());
    Some(compare_folder(&folder.path().join("corpus")))
}

#[test]
fn python_finds_the_same_in_all_shared_files() {
    if !has_shared() {
        return;
    }
    let compared = compare_folder(&shared("data"));
    assert!(compared.files > 20 && compared.sound >= 5 && compared.records > 5, "{compared:?}");
}

#[test]
fn python_finds_the_same_in_tiny_files() {
    let arguments = ["--files", "300", "--records-dist", "real", "--cert-frac", "0.02"];
    let Some(compared) = compare_corpus(&arguments) else { return };
    assert!(compared.sound == 300 && compared.records > 10, "{compared:?}");
}

#[test]
fn python_finds_the_same_in_a_giant_file() {
    let arguments = ["--files", "1", "--records", "6000", "--cert-frac", "0.001"];
    let Some(compared) = compare_corpus(&arguments) else { return };
    assert!(compared.sound == 1 && compared.records > 2, "{compared:?}");
}

#[test]
fn python_finds_the_same_where_all_are_certificate_events() {
    let arguments = ["--files", "4", "--records", "300", "--cert-frac", "1"];
    let Some(compared) = compare_corpus(&arguments) else { return };
    assert!(compared.sound == 4 && compared.records > 1000, "{compared:?}");
}

#[test]
fn python_finds_the_same_in_an_organisation_with_decoys_and_oddities() {
    let arguments = ["--files", "40", "--records", "60", "--org", "o-exampleorgid"];
    let odd = ["--cert-frac", "0.01", "--decoy-frac", "0.1", "--odd-frac", "0.1", "--digests"];
    let Some(compared) = compare_corpus(&[&arguments[..], &odd[..]].concat()) else { return };
    assert!(compared.sound == 40 && compared.records > 5, "{compared:?}");
}
