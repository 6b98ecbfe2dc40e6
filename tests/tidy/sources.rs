//! What every source file says first, and what only one may say.

use super::tracked::sources;
use super::{Source, assert_none};

/// A file `tests.rs` needs no reason of its own: it tests the module beside it.
fn opening_rule(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.is_rust() && !source.path.ends_with("/tests.rs"))
        .filter(|source| !source.text.starts_with("//! ") && !source.text.starts_with("#![doc = "))
        .map(|source| format!("{}: does not open with `//!` and why it exists", source.path))
        .collect()
}

fn unsafe_rule(sources: &[Source]) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        if source.path.starts_with("tests/tidy/") {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.split(|c| !is_word(c)).any(|word| word == "unsafe") {
                complaints.push(format!("{}:{}: unsafe", source.path, number + 1));
            }
        }
    }
    complaints
}

#[test]
fn every_module_says_why_it_exists() {
    assert_none(&opening_rule(&sources()));
}

#[test]
fn no_source_contains_unsafe() {
    assert_none(&unsafe_rule(&sources()));
}

#[test]
fn a_module_without_its_reason_is_found() {
    assert_eq!(opening_rule(&[Source::sample("src/x.rs", "use std::fmt;\n")]).len(), 1);
    assert_none(&opening_rule(&[Source::sample("src/x.rs", "//! Why.\n")]));
}

#[test]
fn an_unsafe_block_is_found() {
    let text = "#![deny(unsafe_code)]\n// unsafe\nfn f() { unsafe { g() } }\n";
    let complaints = unsafe_rule(&[Source::sample("src/queue/mod.rs", text)]);
    assert_eq!(complaints, ["src/queue/mod.rs:3: unsafe"]);
}
