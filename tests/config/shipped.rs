//! `config/certrelay.toml` and `docs/configuration.md` have every setting that the reader knows,
//! with the default of the code.

use std::collections::BTreeSet;
use std::path::Path;

use certrelay::config::{Config, Decode, Delivery, Keys, Secret, SinkKind, load, walk};

pub(super) fn text_of(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Checks a text in an environment in which every variable is set.
pub(super) fn read(text: &str) -> (Config, Keys) {
    let (config, keys) =
        walk("certrelay.toml", text, Path::new("config"), &|_| Some("set".to_owned()));
    let mut config = config.unwrap_or_else(|errors| panic!("{errors}\n\nin:\n{text}"));
    // That of another text differs, whatever the text says.
    config.sha256.clear();
    (config, keys)
}

/// A line `#key = value` of the file.
pub(super) struct Setting {
    pub(super) line: usize,
    table: String,
    key: String,
    is_example: bool,
}

/// Returns the settings behind a `#`.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let mut table = String::new();
    let mut settings = Vec::new();
    for (line, content) in text.lines().enumerate() {
        if content.starts_with('[') {
            table = content.to_owned();
        }
        let Some(setting) = content
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
        else {
            continue;
        };
        let (key, value) = setting.split_once('=').expect("a setting has a value");
        settings.push(Setting {
            line,
            table: table.clone(),
            key: key.trim().to_owned(),
            is_example: value.ends_with("# example"),
        });
    }
    assert!(settings.len() > 40, "only {} settings found", settings.len());
    settings
}

/// Keys that exclude each other: one that is tried takes the place of the others.
const ALTERNATIVES: [&str; 4] = ["s3", "sqs", "directory", "file"];

/// A setting that has an effect only with another one.
const DEPENDENT: (&str, &str) = ("expected_owner", "s3");

/// The file with that setting in force, instead of the one of the same name in the same table.
pub(super) fn with_setting(text: &str, setting: &Setting) -> String {
    let is_needed = |one: &Setting| {
        (one.key.as_str(), one.table.as_str()) == (DEPENDENT.1, setting.table.as_str())
    };
    let needed = settings(text).into_iter().find(is_needed);
    if let Some(needed) = needed.filter(|_| setting.key == DEPENDENT.0) {
        return with_setting(&with_setting(text, &needed), setting);
    }
    let mut table = String::new();
    let mut out = String::new();
    for (line, content) in text.lines().enumerate() {
        if content.starts_with('[') {
            table = content.to_owned();
        }
        let instead = |key: &str| {
            key == setting.key || [key, &setting.key].iter().all(|key| ALTERNATIVES.contains(key))
        };
        let replaced = table == setting.table
            && content.split('=').next().is_some_and(|key| instead(key.trim()));
        let content = if line == setting.line { &content[1..] } else { content };
        if !replaced {
            out.push_str(content);
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_shipped_files_have_no_errors_and_no_warnings() {
    let (config, _) = read(&text_of("config/certrelay.toml"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/local.toml");
    let local =
        load(local.to_str().unwrap(), |_, _| Ok(())).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(local.warnings.is_empty(), "{:?}", local.warnings);
    assert!(local.sinks.iter().all(|sink| matches!(sink.kind, SinkKind::Stdout(_))));
}

#[test]
fn every_default_that_is_written_is_the_default_of_the_code() {
    let text = text_of("config/certrelay.toml");
    let base = format!("{:?}", read(&text).0);
    for setting in settings(&text).iter().filter(|setting| !setting.is_example) {
        let (config, keys) = read(&with_setting(&text, setting));
        assert!(keys.written.iter().any(|(_, key)| *key == setting.key), "{} unread", setting.key);
        let place = format!("line {}, `{}`", setting.line + 1, setting.key);
        assert_eq!(format!("{config:?}"), base, "{place} is not the default");
    }
}

#[test]
fn every_example_is_valid_and_changes_something() {
    let text = text_of("config/certrelay.toml");
    let base = format!("{:?}", read(&text).0);
    for setting in settings(&text).iter().filter(|setting| setting.is_example) {
        let (config, _) = read(&with_setting(&text, setting));
        assert_ne!(format!("{config:?}"), base, "line {} changes nothing", setting.line + 1);
    }
}

#[test]
fn every_key_that_the_reader_knows_is_in_the_file() {
    let text = text_of("config/certrelay.toml");
    let mut keys = read(&text).1;
    for setting in settings(&text) {
        let more = read(&with_setting(&text, &setting)).1;
        keys.known.extend(more.known);
        keys.written.extend(more.written);
    }
    let missing: BTreeSet<_> = keys.known.difference(&keys.written).collect();
    assert!(missing.is_empty(), "not in config/certrelay.toml: {missing:?}");
    assert!(keys.known.len() > 80, "only {} keys were looked for", keys.known.len());
}

/// Returns where a key can be added in a line: after a header, and after each `{`.
pub(super) fn positions(line: &str) -> Vec<usize> {
    match line.chars().next() {
        Some('[') => vec![line.len()],
        Some('#') | None => Vec::new(),
        Some(_) => line.match_indices('{').map(|(at, _)| at + 1).collect(),
    }
}

/// Returns the text with an unknown key at a position of a line.
pub(super) fn with_unknown(text: &str, line: usize, position: usize) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (before, after) = lines[line].split_at(position);
    // librdkafka's own names are passed through; labels, and the keys of a mapping, are the
    // operator's.
    if ["options = {", "values = {", "[labels]"].iter().any(|open| before.ends_with(open)) {
        return None;
    }
    let key = match (before.ends_with('{'), after.trim_start().starts_with('}')) {
        (false, _) => "\nzzzz = 1",
        (true, true) => " zzzz = 1 ",
        (true, false) => " zzzz = 1,",
    };
    lines[line] = format!("{before}{key}{after}");
    Some(lines.join("\n"))
}

#[test]
fn an_unknown_key_is_an_error_in_every_table() {
    let text = text_of("config/certrelay.toml");
    let mut variants: Vec<(String, usize)> =
        text.lines().enumerate().map(|(line, _)| (text.clone(), line)).collect();
    let behind_a_hash = settings(&text).into_iter();
    variants.extend(behind_a_hash.map(|setting| (with_setting(&text, &setting), setting.line)));
    let mut tried = 0;
    for (variant, line) in variants {
        for position in positions(variant.lines().nth(line).unwrap_or("")) {
            let Some(invalid) = with_unknown(&variant, line, position) else { continue };
            let set = |_: &str| Some("set".to_owned());
            let (config, _) = walk("x", &invalid, Path::new("."), &set);
            let report = config.expect_err(&invalid).to_string();
            let expected = ["key", "label"].map(|what| format!("unknown {what} `zzzz`"));
            assert!(expected.iter().any(|one| report.contains(one)), "line {}: {report}", line + 1);
            tried += 1;
        }
    }
    assert!(tried > 25, "only {tried} positions tried");
}

#[test]
fn the_page_has_a_row_or_heading_for_every_key() {
    let page = text_of("docs/configuration.md");
    let text = text_of("config/certrelay.toml");
    for (table, key) in read(&text).1.known {
        // A table has a heading of its own, a setting has a row.
        let named = [format!("\n| `{key}` |"), format!("\n## `[{key}"), format!("\n## `[[{key}")];
        let named = named.iter().any(|text| page.contains(text)) || key == "ocsf";
        assert!(named, "neither row nor heading for `{key}` of {table}");
    }
}

#[test]
fn without_tables_the_defaults_of_the_types_hold() {
    let config = super::parse(super::SOUND).unwrap();
    assert_eq!(format!("{:?}", config.delivery), format!("{:?}", Delivery::default()));
    assert_eq!(config.decode, Decode::default());
    assert_eq!(config.events.len(), 12);
    assert!(config.http.is_none());
}

#[test]
fn relative_paths_are_resolved_against_the_configuration_s_folder() {
    let text = super::sound_with(
        "[dead_letter]\ndirectory = \"dead\"\n\
         [sink.soc]\ntype = \"splunk_hec\"\nendpoints = [\"https://hec.example.com:8088\"]\n\
         token = { file = \"token\" }\ntls = { ca_file = \"/etc/ca.pem\" }\n\
         [[route]]\nname = \"soc\"\nwhen = { event = \"Delete*\" }\nsinks = [\"soc\"]\n",
    );
    let config = super::parse(&text).unwrap();
    let shown = config.summary();
    assert!(shown.contains("source directory /etc/certrelay/logs"), "{shown}");
    assert!(shown.contains("dead_letter directory /etc/certrelay/dead"), "{shown}");
    let hec = config.sinks.iter().find_map(|sink| match &sink.kind {
        SinkKind::SplunkHec(hec) => Some(hec),
        _ => None,
    });
    let hec = hec.expect("the sink was read");
    assert!(
        matches!(&hec.token, Secret::File { path, .. } if path == Path::new("/etc/certrelay/token"))
    );
    assert!(
        matches!(&hec.tls.ca, Some(Secret::File { path, .. }) if path == Path::new("/etc/ca.pem"))
    );
}
