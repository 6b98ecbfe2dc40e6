//! Which module may import which, which file names each outside client, and what pure modules do
//! not use.

use super::tracked::sources;
use super::{Source, assert_none, shipped};

/// May import every module before it in [`MODULES`].
const ALL_BEFORE: &[&str] = &["*"];

/// Each module and the `crate::…` modules that it may import.
const MODULES: [(&str, &[&str]); 16] = [
    ("escape", &[]),
    ("error", &["escape"]),
    ("aws_error", &["error"]),
    ("config", &["error"]),
    ("telemetry", &["escape", "error", "config"]),
    ("queue", &["error", "aws_error", "config", "telemetry"]),
    ("store", &["error", "aws_error", "config", "telemetry"]),
    ("cloudtrail", &["error", "config"]),
    ("event", &["escape", "cloudtrail", "error", "config"]),
    ("format", &["escape", "event", "cloudtrail", "error", "config"]),
    ("route", &["event", "error", "config"]),
    ("sink", &["event", "format", "error", "config", "telemetry"]),
    ("pipeline", ALL_BEFORE),
    ("app", ALL_BEFORE),
    ("jobs", ALL_BEFORE),
    ("cli", ALL_BEFORE),
];

/// Outside clients and the files that may name each; reqwest has one for each kind of server and
/// one for what they share.
const CLIENTS: [(&str, &[&str]); 7] = [
    ("aws_sdk_sqs", &["src/queue/sqs.rs", "src/aws_error.rs"]),
    ("aws_sdk_s3", &["src/store/s3.rs"]),
    ("aws_sdk_secretsmanager", &["src/app/secrets"]),
    ("rdkafka", &["src/sink/kafka.rs", "src/sink/kafka/"]),
    ("aws_sigv4", &["src/sink/kafka/"]),
    ("rustls", &["src/sink/tls.rs"]),
    (
        "reqwest",
        &[
            "src/sink/http_client.rs",
            "src/sink/http.rs",
            "src/sink/splunk/http.rs",
            "src/sink/kafka/registry.rs",
        ],
    ),
];

/// Modules and files without I/O, clock, randomness or logging.
const PURE: [&str; 7] = [
    "src/cloudtrail/",
    "src/event/",
    "src/format/",
    "src/route",
    "src/error.rs",
    "src/escape.rs",
    "src/store/notification",
];

/// What pure modules do not use.
const IMPURE: [&str; 9] = [
    "async fn",
    "tokio::",
    "tracing::",
    "std::fs",
    "TcpStream",
    "std::env",
    "fastrand::",
    "SystemTime::now",
    "now_utc()",
];

/// `src/queue/sqs.rs` → `queue`; `src/error.rs` → `error`.
fn module(path: &str) -> Option<&str> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// Whether `line` names `word` as a path segment of its own, followed by `::`.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        starts && line[at + word.len()..].starts_with("::")
    })
}

/// The `x` of every `crate::x` and `crate::{x…, y…}` of a line of text.
fn crate_names(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, opening) in text.match_indices("crate::") {
        let rest = &text[at + opening.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut start = 0;
            for (place, c) in group.char_indices() {
                let ends = depth == 0 && (c == ',' || c == '}');
                if ends {
                    found.push(group[start..place].trim().split(|c| !is_word(c)).next());
                    start = place + 1;
                }
                match c {
                    '}' if depth == 0 => break,
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
            }
        } else {
            found.push(rest.split(|c| !is_word(c)).next());
        }
    }
    found.into_iter().flatten().filter(|name| !name.is_empty()).collect()
}

fn import_rule(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in shipped(sources).into_iter().filter(|source| source.is_rust()) {
        let Some(module) = module(&source.path) else { continue };
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let position = |name: &str| MODULES.iter().position(|(known, _)| *known == name);
        let Some(own) = position(module) else {
            complaints
                .push(format!("{}: a module that the import rule does not know", source.path));
            continue;
        };
        let allowed = MODULES[own].1;
        let code: String = source.code().iter().map(|(_, line)| format!("{line}\n")).collect();
        for name in crate_names(&code) {
            let Some(other) = position(name).filter(|other| *other != own) else { continue };
            let is_allowed =
                if allowed == ALL_BEFORE { other < own } else { allowed.contains(&name) };
            if !is_allowed {
                complaints.push(format!("{}: {module} may not import crate::{name}", source.path));
            }
        }
    }
    complaints
}

fn client_rule(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in shipped(sources).into_iter().filter(|s| s.is_rust() && s.path.starts_with("src/"))
    {
        for (number, line) in source.code() {
            for (client, places) in CLIENTS {
                let at_home = places.iter().any(|place| source.path.starts_with(place));
                if names(line, client) && !at_home {
                    complaints.push(format!(
                        "{}:{number}: only {} names {client}",
                        source.path, places[0]
                    ));
                }
            }
        }
    }
    complaints
}

fn purity_rule(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in shipped(sources).into_iter().filter(|source| source.is_rust()) {
        if !PURE.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for (number, line) in source.code() {
            if let Some(word) = IMPURE.iter().find(|word| line.contains(**word)) {
                complaints
                    .push(format!("{}:{number}: a pure module does not use {word}", source.path));
            }
        }
    }
    complaints
}

#[test]
fn modules_import_only_the_modules_they_may() {
    assert_none(&import_rule(&sources()));
}

#[test]
fn outside_clients_are_named_in_one_place_each() {
    assert_none(&client_rule(&sources()));
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    assert_none(&purity_rule(&sources()));
}

#[test]
fn a_sibling_import_is_found_however_it_is_written() {
    for text in [
        "use crate::store::ObjectRef;",
        "use crate::{error::{Error, Disposition}, store};",
        "fn f() { crate::store::open() }",
        "use crate::{\n    error::Error,\n    store::ObjectRef,\n};",
    ] {
        assert_eq!(import_rule(&[Source::sample("src/queue/sqs.rs", text)]).len(), 1, "{text}");
    }
    let fine =
        "// crate::store\nuse crate::{error::{Error, Disposition}, config};\nuse crate::queue::X;";
    assert_none(&import_rule(&[Source::sample("src/queue/sqs.rs", fine)]));
    assert_eq!(import_rule(&[Source::sample("src/utils/mod.rs", "")]).len(), 1);
}

#[test]
fn a_client_outside_its_place_is_found() {
    let text = "use rdkafka::config::ClientConfig;";
    assert_eq!(client_rule(&[Source::sample("src/pipeline/mod.rs", text)]).len(), 1);
    assert_none(&client_rule(&[Source::sample("src/sink/kafka.rs", text)]));
    assert_none(&client_rule(&[Source::sample("src/config/read.rs", "let our_rdkafka = 1;")]));
}

#[test]
fn a_clock_in_a_pure_module_is_found_but_not_in_its_tests() {
    let text = "fn f() -> T { SystemTime::now() }";
    assert_eq!(purity_rule(&[Source::sample("src/event/record.rs", text)]).len(), 1);
    assert_none(&purity_rule(&[Source::sample("src/queue/mod.rs", text)]));
    let tested = format!("fn g() {{}}\n#[cfg(test)]\nmod tests {{\n{text}\n}}");
    assert_none(&purity_rule(&[Source::sample("src/event/record.rs", &tested)]));
}
