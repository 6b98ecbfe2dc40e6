//! Enrichment in every format: accounts, labels, credential reports.

use std::sync::Arc;

use certrelay::config::{Accounts, EventOptions, OutputFormat};
use certrelay::event::{Context, Event, Report, Reports, Severity, explain};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::event_fixtures::{OPERATIONS, read, read_in, record, rendered, role};
use crate::event_golden::pretty;

const ACCOUNTS: &str = include_str!("../examples/accounts.csv");
const REPORT: &str = include_str!("../examples/credential-reports/111122223333.csv");
const MADE: OffsetDateTime = datetime!(2026-02-22 12:00 UTC);

/// Returns the examples' accounts and report.
pub(crate) fn context() -> Context {
    let mut reports = Reports::default();
    reports.add(Report::parse(REPORT, MADE).expect("a report"));
    let accounts = Accounts::parse("accounts.csv", ACCOUNTS).expect("a table");
    Context { accounts: Arc::new(accounts), reports: Arc::new(reports) }
}

/// Returns two labels, one of them an account's.
pub(crate) fn options() -> EventOptions {
    let labels = [("team", "security"), ("environment", "unknown")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    EventOptions { labels, ..EventOptions::default() }
}

fn known(text: &str) -> Event {
    read_in(text, options(), &context()).expect("a record")
}

fn out(event: &Event, format: OutputFormat) -> Value {
    serde_json::from_str(&rendered(event, format)).expect("JSON")
}

#[test]
fn enrichment_is_in_every_format() {
    let event = known(&record("UploadSigningCertificate", "success"));
    for (format, name) in
        [(OutputFormat::Ocsf, "ocsf"), (OutputFormat::Ecs, "ecs"), (OutputFormat::Cim, "cim")]
    {
        insta::with_settings!({ snapshot_path => "fixtures/events/known", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, pretty(&rendered(&event, format)));
        });
    }
    insta::with_settings!({ snapshot_path => "fixtures/events/known", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("explain", explain(&event));
    });
}

#[test]
fn raw_has_no_enrichment() {
    for operation in OPERATIONS {
        let text = record(operation, "success");
        let plain = read(&text).expect("a record");
        assert_eq!(rendered(&known(&text), OutputFormat::Raw), rendered(&plain, OutputFormat::Raw));
    }
}

#[test]
fn enrichment_only_adds_fields() {
    for operation in OPERATIONS {
        let text = record(operation, "success");
        let mut known = out(&known(&text), OutputFormat::Cim);
        let plain = out(&read(&text).expect("a record"), OutputFormat::Cim);
        let members = known.as_object_mut().expect("an object");
        members.retain(|name, value| plain.get(name) != Some(&*value));
        let allowed =
            ["label_", "vendor_account_", "caller_", "target_", "severity_reasons", "severity"];
        for name in members.keys() {
            assert!(allowed.iter().any(|start| name.starts_with(start)), "{operation}: {name}");
        }
    }
}

#[test]
fn the_account_is_the_recipients_not_the_callers() {
    let mut record: Value =
        serde_json::from_str(&record("UpdateSigningCertificate", "success")).expect("JSON");
    record["userIdentity"] = role();
    let event = known(&record.to_string());
    assert_eq!(event.account.as_ref().and_then(|one| one.name.as_deref()), Some("shop"));
    assert_eq!(
        (event.label("environment"), event.label("team")),
        (Some("production"), Some("security"))
    );
    record["recipientAccountId"] = "999988887777".into();
    let event = known(&record.to_string());
    assert_eq!((event.label("environment"), event.label("owner")), (Some("sandbox"), None));
    record["recipientAccountId"] = "222233334444".into();
    let event = known(&record.to_string());
    assert_eq!((event.account.as_ref(), event.label("environment")), (None, Some("unknown")));
    let ocsf = out(&event, OutputFormat::Ocsf);
    assert_eq!(ocsf["cloud"]["account"]["name"], Value::Null);
    let tags = json!([{ "name": "environment", "value": "unknown" }, { "name": "team", "value": "security" }]);
    assert_eq!(ocsf["metadata"]["tags"], tags);
}

#[test]
fn caller_and_target_are_not_confused() {
    let event = known(&record("UploadSigningCertificate", "success"));
    let caller = event.credential_report.caller.as_ref().expect("alice");
    let target = event.credential_report.target.as_ref().expect("bob");
    assert!(caller.arn.ends_with("user/ops/alice") && target.arn.ends_with("user/bob"));
    let cim = out(&event, OutputFormat::Cim);
    assert_eq!(
        (&cim["caller_mfa_active"], &cim["target_mfa_active"]),
        (&json!("false"), &json!("true"))
    );
    let counts =
        (&cim["caller_active_signing_certificates"], &cim["target_active_signing_certificates"]);
    assert_eq!(counts, (&json!("0"), &json!("1")));
    let ecs = out(&event, OutputFormat::Ecs);
    assert_eq!(ecs["aws"]["iam"]["credential_report"]["caller"]["active_keys"][0]["age_days"], 476);
    assert_eq!(ecs["aws"]["iam"]["credential_report"]["target"]["report_age_hours"], 4);
}

#[test]
fn a_report_raises_the_severity_with_a_reason() {
    let text = record("UploadSigningCertificate", "success");
    let reasons = |event: &Event| event.fields.findings[0].severity_reasons.join("\n");
    let severity = read(&text).expect("a record").fields.severity;
    assert_eq!((severity, known(&text).fields.severity), (Severity::High, Severity::Critical));
    assert!(!reasons(&known(&text)).contains("MFA"), "the session has MFA");
    let text = text.replace(r#""mfaAuthenticated":"true""#, r#""mfaAuthenticated":"false""#);
    let (plain, known) = (read(&text).expect("a record"), known(&text));
    assert!(
        reasons(&known)
            .contains("user alice has no MFA device, by the credential report of 2026-02-22")
    );
    assert!(reasons(&known).contains("had an active signing certificate already"));
    assert!(!reasons(&plain).contains("report"));
    // A report after the call: it may list the very certificate that the call uploaded.
    let early = text.replace("2026-02-22T16:11:47Z", "2026-02-22T10:00:00Z");
    let early = read_in(&early, options(), &context()).expect("a record");
    assert!(!reasons(&early).contains("already"));
}

#[test]
fn the_same_enrichment_data_makes_the_same_event() {
    for operation in OPERATIONS {
        let text = record(operation, "success");
        for format in crate::event_fixtures::FORMATS {
            assert_eq!(rendered(&known(&text), format), rendered(&known(&text), format));
        }
    }
}

#[test]
fn ecs_has_the_name_of_the_account_whose_id_it_has() {
    let account = |event: &Event| {
        let ecs = out(event, OutputFormat::Ecs);
        (ecs["cloud"]["account"].clone(), ecs["labels"]["ou"].clone())
    };
    let text = record("UpdateSigningCertificate", "success");
    let shop = json!({ "id": "111122223333", "name": "shop" });
    let (same, ou) = account(&known(&text));
    assert_eq!(same, shop);
    assert!(ou.is_string(), "{ou}");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    record["userIdentity"] = role();
    let event = known(&record.to_string());
    assert_eq!(account(&event), (json!({ "id": "444455556666" }), Value::Null));
    assert_eq!(event.label("environment"), Some("production"), "labels are the recipient's still");
    let cim = out(&event, OutputFormat::Cim);
    assert_eq!(cim["vendor_account_name"], "shop");
}
