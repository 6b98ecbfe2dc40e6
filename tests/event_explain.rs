//! `explain`, and that no value of a record controls the terminal.

use certrelay::config::OutputFormat;
use certrelay::escape::escape;
use certrelay::event::explain;
use certrelay::format::{render, render_for_terminal};
use serde_json::Value;

use crate::event_fixtures::{OPERATIONS, PEM, SHAPES, read, record};
use crate::event_stories::ok;

fn explained(text: &str) -> String {
    explain(&read(text).expect("a record"))
}

#[test]
fn explained_events_equal_their_golden_files() {
    insta::with_settings!({ snapshot_path => "fixtures/events/explain", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("UploadSigningCertificate", explained(&record("UploadSigningCertificate", "success")));
        insta::assert_snapshot!("UpdateServerCertificate", explained(&record("UpdateServerCertificate", "success")));
        insta::assert_snapshot!("denied", explained(&record("DeleteServerCertificate", "denied")));
        insta::assert_snapshot!("minimal", explained(&record("GetServerCertificate", "minimal")));
    });
}

#[test]
fn every_operation_in_every_shape_can_be_explained() {
    for operation in OPERATIONS {
        for shape in SHAPES {
            let text = explained(&record(operation, shape));
            assert!(text.contains(operation) && text.contains("in scope     yes"), "{text}");
        }
    }
}

#[test]
fn no_value_controls_the_terminal_or_reorders_the_text() {
    let evil = "\u{1b}[2J\u{202e}gpj.exe\u{200b}\r\n\u{9b}31m";
    for operation in OPERATIONS {
        for shape in ["success", "denied", "other error"] {
            let mut value: Value = serde_json::from_str(&record(operation, shape)).expect("JSON");
            poison(&mut value, evil);
            let text = explained(&value.to_string());
            assert!(text.contains(r"\u{202e}gpj.exe"), "{text}");
            for line in text.lines() {
                assert_eq!(escape(line), line);
            }
            let event = read(&value.to_string()).expect("a record");
            for format in
                [OutputFormat::Raw, OutputFormat::Ocsf, OutputFormat::Ecs, OutputFormat::Cim]
            {
                let (mut shown, mut exact) = (Vec::new(), Vec::new());
                render_for_terminal(&event, format, &mut shown);
                render(&event, format, &mut exact);
                let text = String::from_utf8(shown).expect("text");
                assert_eq!(escape(&text), text);
                let exact: Value = serde_json::from_slice(&exact).expect("JSON");
                assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), exact);
            }
        }
    }
}

/// Appends `evil` to every string except those that identify the record.
fn poison(value: &mut Value, evil: &str) {
    match value {
        Value::String(text) => text.push_str(evil),
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, evil)),
        Value::Object(members) => members
            .iter_mut()
            .filter(|(name, _)| !["eventName", "eventSource", "type"].contains(&name.as_str()))
            .for_each(|(_, item)| poison(item, evil)),
        _ => {}
    }
}

#[test]
fn a_weak_certificate_has_its_weaknesses_as_reason() {
    let late = ok(
        "UploadServerCertificate",
        &[
            ("/eventTime", "2026-07-01T00:00:00Z".into()),
            ("/requestParameters/certificateBody", PEM.into()),
        ],
    );
    let fields = read(&late).expect("a record").fields;
    let weak = fields
        .findings
        .iter()
        .find(|finding| finding.rule.id == "weak-certificate")
        .expect("named");
    assert_eq!(
        weak.reason,
        "server certificate web.example.com for CN=web.example.com,O=Example AB,C=SE is expired, self signed"
    );
}
