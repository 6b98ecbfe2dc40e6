//! A code that the runbook does not explain helps nobody at night: each one that a message, an object
//! or a record can end with is in `docs/delivery.md`.

use std::collections::BTreeSet;

use super::tracked::sources;
use super::{Source, assert_none, shipped};

const PAGE: &str = "docs/delivery.md";

/// Rooms whose codes the page explains; those of sinks are on pages of their own.
const ROOMS: [&str; 4] = ["src/queue/", "src/store/", "src/cloudtrail/", "src/pipeline/"];

/// Literals after `Error::new(`, `Skip(` and `Filter(`, and those of `code()` and `label()` tables.
fn codes(source: &Source) -> BTreeSet<String> {
    let code: String = source.code().iter().map(|(_, line)| line.trim()).collect();
    let mut codes = BTreeSet::new();
    for opening in ["Why::new(", "Skip(", "Filter(", "=> ", "code = "] {
        for (at, _) in code.match_indices(opening) {
            let Some(rest) = code[at + opening.len()..].strip_prefix('"') else { continue };
            let literal = rest.split('"').next().unwrap_or_default();
            let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !literal.is_empty() && literal.chars().all(is_code) {
                codes.insert(literal.to_owned());
            }
        }
    }
    codes
}

fn code_rule(sources: &[&Source], page: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| ROOMS.iter().any(|room| s.path.starts_with(room))) {
        for code in codes(source) {
            if !page.contains(&format!("`{code}`")) {
                complaints.push(format!("{}: {PAGE} does not explain `{code}`", source.path));
            }
        }
    }
    complaints
}

#[test]
fn every_code_is_in_the_runbook() {
    let sources = sources();
    let page = sources.iter().find(|source| source.path == PAGE).expect("the operator's page");
    let shipped = shipped(&sources);
    let found: usize = shipped.iter().map(|source| codes(source).len()).sum();
    assert!(found > 40, "only {found} codes found");
    assert_none(&code_rule(&shipped, &page.text));
}

#[test]
fn a_code_that_the_page_lacks_is_found() {
    let text = "let a = Why::new(\n    \"known\", x);\nlet b = Why::new(\"unknown\", x);\n";
    let sample = Source::sample("src/queue/sqs.rs", text);
    assert_eq!(code_rule(&[&sample], "| `known` |").len(), 1);
    let sink = Source::sample("src/sink/splunk.rs", text);
    assert!(code_rule(&[&sink], "").is_empty());
}
