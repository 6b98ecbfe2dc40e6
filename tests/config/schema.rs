//! `certrelay schema`: the JSON Schema of the configuration has every key that the reader knows,
//! and no other; a validator accepts what the reader accepts.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::shipped::{positions, read, settings, text_of, with_setting, with_unknown};

/// Tables whose keys are the operator's.
const OPEN: [&str; 2] = ["labels", "sink"];

/// Every `(title, key)` below a node: titles are what the reader calls its tables.
fn keys(node: &Value, into: &mut BTreeSet<(String, String)>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        Value::Object(members) => {
            if let (Some(title), Some(Value::Object(properties))) =
                (members.get("title").and_then(Value::as_str), members.get("properties"))
            {
                into.extend(properties.keys().map(|key| (title.to_owned(), key.clone())));
            }
            members.values().for_each(|item| keys(item, into));
        }
        _ => {}
    }
}

#[test]
fn the_schema_has_every_key_that_the_reader_knows_and_no_other() {
    let text = text_of("config/certrelay.toml");
    let mut known = read(&text).1.known;
    for setting in settings(&text) {
        known.extend(read(&with_setting(&text, &setting)).1.known);
    }
    // A header whose tables have names; the reader has walked it under its own label.
    let known: BTreeSet<_> =
        known.into_iter().map(|(table, key)| (table.trim().to_owned(), key)).collect();
    let mut described = BTreeSet::new();
    keys(&serde_json::from_str(certrelay::config::schema()).expect("JSON"), &mut described);
    let missing: Vec<_> = known.difference(&described).collect();
    assert!(missing.is_empty(), "the settings table lacks {missing:?}");
    let gone: Vec<_> = described.difference(&known).collect();
    assert!(gone.is_empty(), "the settings table has {gone:?}, which the reader never asks for");
    assert!(OPEN.iter().all(|table| described.iter().any(|(_, key)| key == table)));
}

/// Without its `type` a sink has one fault, not those of every type.
const FAULTS: &str = r#"
import json, sys, tomllib
from jsonschema import Draft202012Validator
check = Draft202012Validator(json.load(open(sys.argv[1])))
for fault in check.iter_errors(tomllib.load(sys.stdin.buffer)):
    print("%s: %s" % ("/".join(map(str, fault.absolute_path)), fault.message))
"#;

#[test]
fn a_validator_names_the_key_that_is_missing() {
    let Some(python) = crate::event_validators::python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let schema = folder.path().join("schema.json");
    std::fs::write(&schema, certrelay::config::schema()).expect("written");
    let faults = |sink: &str| {
        let text = format!(
            "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"one\"]\n[sink.one]\n{sink}"
        );
        let input = folder.path().join("certrelay.toml");
        std::fs::write(&input, text).expect("written");
        let output = Command::new(&python)
            .args(["-c", FAULTS])
            .arg(&schema)
            .stdin(std::fs::File::open(input).expect("a file"))
            .output();
        String::from_utf8(output.expect("python runs").stdout).expect("text")
    };
    for (sink, missing) in [
        ("type = \"splunk_hec\"\nendpoints = [\"https://hec.example.com:8088\"]\n", "token"),
        ("type = \"kafka\"\nbrokers = [\"broker.example.com:9092\"]\n", "topic"),
        ("type = \"file\"\n", "path"),
        ("brokers = [\"broker.example.com:9092\"]\n", "type"),
    ] {
        assert_eq!(faults(sink), format!("sink/one: '{missing}' is a required property\n"));
    }
}

const JUDGE: &str = r#"
import json, sys, tomllib
from jsonschema import Draft202012Validator
schema, texts = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
Draft202012Validator.check_schema(schema)
check = Draft202012Validator(schema)
for text in texts["sound"]:
    for fault in check.iter_errors(tomllib.loads(text)):
        sys.exit("%s: %s in\n%s" % ("/".join(map(str, fault.absolute_path)), fault.message[:300], text))
for text in texts["invalid"]:
    if check.is_valid(tomllib.loads(text)):
        sys.exit("not refused:\n" + text)
print(len(texts["sound"]), len(texts["invalid"]))
"#;

#[test]
fn a_validator_accepts_the_shipped_files_and_no_unknown_key() {
    let Some(python) = crate::event_validators::python() else { return };
    let text = text_of("config/certrelay.toml");
    let mut sound = vec![text.clone(), text_of("config/local.toml")];
    let mut invalid = Vec::new();
    let whole = text.lines().enumerate().map(|(line, _)| (text.clone(), line));
    let settings = settings(&text);
    let each = settings.iter().map(|setting| (with_setting(&text, setting), setting.line));
    for (variant, line) in whole.chain(each) {
        let content = variant.lines().nth(line).unwrap_or("").to_owned();
        let at = positions(&content).into_iter();
        invalid.extend(at.filter_map(|position| with_unknown(&variant, line, position)));
        sound.push(variant);
    }
    sound.dedup();
    let counts = format!("{} {}", sound.len(), invalid.len());
    let folder = tempfile::tempdir().expect("a folder");
    let (schema, texts) = (folder.path().join("schema.json"), folder.path().join("texts.json"));
    std::fs::write(&schema, certrelay::config::schema()).expect("written");
    let both = json!({ "sound": sound, "invalid": invalid });
    std::fs::write(&texts, both.to_string()).expect("written");
    let answer = Command::new(python)
        .args(["-c", JUDGE])
        .args([&schema, &texts])
        .output()
        .expect("python runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), counts);
    assert!(invalid.len() > 25 && sound.len() > 40, "{counts}");
}
