use std::collections::BTreeSet;

use super::super::finding::RULES;
use super::super::remedy::{Names, Remedy};
use super::*;

#[test]
fn the_catalogue_is_the_two_groups_of_the_configuration() {
    let named: BTreeSet<_> = CATALOGUE.iter().map(|operation| operation.name).collect();
    let selected: BTreeSet<_> = crate::config::GROUPS
        .iter()
        .filter(|(group, ..)| group.ends_with("-certificate"))
        .flat_map(|(_, _, names)| names.iter().copied())
        .collect();
    assert_eq!(named, selected);
}

#[test]
fn every_rule_that_an_operation_names_exists() {
    for operation in &CATALOGUE {
        for id in operation.rules {
            assert!(RULES.iter().any(|rule| rule.id == *id), "{}: {id}", operation.name);
        }
        assert!(operation.rules.contains(&"denied"), "each can be denied: {}", operation.name);
        assert!(
            !operation.check.is_empty() && !operation.remedies.is_empty(),
            "{}",
            operation.name
        );
    }
}

#[test]
fn every_remedy_names_what_it_was_given() {
    let names = Names {
        user: Some("bob".to_owned()),
        certificate_id: "TA7SMP".to_owned(),
        server_certificate: "web".to_owned(),
        caller: "alice".to_owned(),
        key: "AKIAEXAMPLE".to_owned(),
        ..Names::default()
    };
    for (remedy, words) in [
        (Remedy::Deactivate, &["bob", "TA7SMP"][..]),
        (Remedy::DeleteSigning, &["bob", "TA7SMP"]),
        (Remedy::DeleteServer, &["web"]),
        (Remedy::RotateKey, &["alice", "AKIAEXAMPLE"]),
    ] {
        let advice = remedy.advice(&names);
        for word in words {
            assert!(advice.command_lines().join("\n").contains(word), "{remedy:?}: {word}");
            assert!(advice.boto3.contains(word), "{remedy:?}: {word}");
        }
    }
}

#[test]
fn the_page_in_docs_is_this_catalogue() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    if std::env::var_os("CERTRELAY_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/events.md is old: run the tests once with CERTRELAY_WRITE_DOCS=1"
    );
}
