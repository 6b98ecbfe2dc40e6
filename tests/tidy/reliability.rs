//! The fault table names a test in every row, and the test exists.

use super::tracked::sources;
use super::{Source, assert_none};

const PAGE: &str = "docs/reliability.md";

fn fault_rule(sources: &[Source]) -> Vec<String> {
    let page = sources.iter().find(|source| source.path == PAGE).map_or("", |source| &source.text);
    let mut complaints = Vec::new();
    for row in page.lines().filter(|row| row.starts_with("| ") && row.split(" | ").count() == 4) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let name = last.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
        let is_there = |name: &str| {
            let function = format!("fn {name}(");
            sources.iter().any(|source| source.is_rust() && source.text.contains(&function))
        };
        if last != "test" && !name.is_some_and(is_there) && !last.starts_with("by hand: ") {
            complaints.push(format!("{PAGE} names no test in: {row}"));
        }
    }
    complaints
}

#[test]
fn every_fault_has_a_test() {
    assert_none(&fault_rule(&sources()));
}

#[test]
fn a_fault_without_a_test_is_found() {
    let row = |test: &str| Source::sample(PAGE, &format!("| a fault | retried | WARN | {test} |"));
    let tests = || Source::sample("tests/x.rs", "fn it_is_retried() {}");
    assert_none(&fault_rule(&[row("`it_is_retried`"), tests()]));
    assert_none(&fault_rule(&[row("by hand: 1 December 2026"), tests()]));
    assert_eq!(fault_rule(&[row("`it_is_lost`"), tests()]).len(), 1);
    assert_eq!(fault_rule(&[row(""), tests()]).len(), 1);
}
