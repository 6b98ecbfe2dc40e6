//! Every error code is explained to operators: an unexplained label in a log or metric helps
//! nobody.

use crate::error::Code;

use super::tracked::sources;
use super::{Source, assert_none};

/// The pages that explain codes, by the prefix of the label; the last one explains all others.
const PAGES: [(&str, &str); 3] =
    [("splunk_", "docs/splunk.md"), ("kafka_", "docs/kafka.md"), ("", "docs/delivery.md")];

/// Codes that end a command with their text, and that no running service reports.
const OF_COMMANDS: [Code; 4] = [Code::Usage, Code::LogLevel, Code::LogStart, Code::Runtime];

fn code_rule(codes: &[Code], sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for code in codes.iter().filter(|code| !OF_COMMANDS.contains(code)) {
        let label = code.as_str();
        let (_, page) =
            PAGES.iter().find(|(prefix, _)| label.starts_with(prefix)).expect("the last");
        let text = sources.iter().find(|source| source.path == *page).map(|source| &source.text);
        if !text.is_some_and(|text| text.contains(&format!("`{label}`"))) {
            complaints.push(format!("{page} does not explain `{label}`"));
        }
    }
    complaints
}

#[test]
fn every_code_is_explained() {
    assert_none(&code_rule(Code::ALL, &sources()));
}

#[test]
fn an_unexplained_code_is_found() {
    let page = |text: &str| [Source::sample("docs/delivery.md", text)];
    assert_none(&code_rule(&[Code::OverLimit], &page("| `over_limit` |")));
    assert_eq!(code_rule(&[Code::OverLimit], &page("over_limit")).len(), 1);
    assert_eq!(code_rule(&[Code::KafkaTopic], &page("`kafka_topic`")).len(), 1);
}

#[test]
fn labels_are_unique() {
    let labels: std::collections::BTreeSet<&str> =
        Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(labels.len(), Code::ALL.len());
}
