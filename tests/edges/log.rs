//! What reaches the log: text from outside.

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
