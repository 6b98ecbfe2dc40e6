//! What reaches the log: panics, and text from outside.

use std::sync::Arc;

use super::*;

/// What outsiders write into keys, responses and names.
const EVIL: &str = "\u{1b}[2J\u{202e}gpj\u{200b}\r\n\u{9b}31m\u{7f}";

/// Returns a line of a log in this format about [`EVIL`], in a field of the event and of its
/// span.
fn logged(json: bool) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let log = Arc::new(file.reopen().expect("the file"));
    let builder = tracing_subscriber::fmt().with_ansi(false);
    let log_evil = || {
        let _span = tracing::error_span!("object", key = EVIL).entered();
        tracing::error!(error = EVIL, "object rejected");
    };
    if json {
        let writer = move || JsonLines(Arc::clone(&log));
        let subscriber = builder.json().flatten_event(true).with_writer(writer).finish();
        tracing::subscriber::with_default(subscriber, log_evil);
    } else {
        let subscriber = builder.with_writer(log).finish();
        tracing::subscriber::with_default(subscriber, log_evil);
    }
    std::fs::read_to_string(file.path()).expect("text")
}

/// As a task of the service panics: caught, and logged once.
#[test]
fn a_panic_is_one_line_of_the_log_with_its_spans() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let log = Arc::new(file.reopen().expect("the file"));
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(log);
    log_panics();
    tracing::subscriber::with_default(subscriber.finish(), || {
        let _span = tracing::error_span!("object", key = "a").entered();
        let caught = panic::catch_unwind(|| panic!("a {}", "defect"));
        assert!(caught.is_err());
    });
    let text = std::fs::read_to_string(file.path()).expect("text");
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line");
    assert_eq!((&line["level"], &line["panic"]), (&"ERROR".into(), &"a defect".into()));
    assert!(line["location"].as_str().is_some_and(|at| at.contains("log.rs:")), "{line}");
    assert_eq!(line["span"]["key"], "a");
}

#[test]
fn characters_that_could_forge_a_log_line_are_escaped() {
    for json in [true, false] {
        let log = logged(json);
        let line = log.strip_suffix('\n').expect("a whole line");
        assert_eq!(crate::escape::escape(line), line);
    }
    let line: serde_json::Value = serde_json::from_str(&logged(true)).expect("JSON");
    assert_eq!((&line["error"], &line["span"]["key"]), (&EVIL.into(), &EVIL.into()));
}
