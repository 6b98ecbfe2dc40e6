//! Scenarios: every attack must have its finding, routine work must stay below medium.

use certrelay::config::{EventOptions, Network, Pattern};
use certrelay::event::Severity::{self, Critical, High, Informational, Low, Medium};
use serde_json::{Value, json};

use crate::event_actors::{assumed_root, own_role, root, script, stranger};
use crate::event_fixtures::{read_with, record, role};

/// Returns the record of an operation in a shape, with some values replaced by pointer.
pub(crate) fn call(operation: &str, shape: &str, changes: &[(&str, Value)]) -> String {
    let mut record: Value = serde_json::from_str(&record(operation, shape)).expect("JSON");
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        record.pointer_mut(parent).expect("a parent")[name] = value.clone();
    }
    record.to_string()
}

pub(crate) fn ok(operation: &str, changes: &[(&str, Value)]) -> String {
    call(operation, "success", changes)
}

fn options() -> EventOptions {
    let arn = "arn:aws:iam::444455556666:role/ci/cert-rotation";
    EventOptions {
        expected_principals: vec![Pattern::new(arn).expect("a pattern")],
        known_networks: vec![Network::new("203.0.113.0/24").expect("a network")],
        ..EventOptions::default()
    }
}

/// Returns the findings of a record, its severity and the reasons.
fn judged(record: &str) -> (Vec<&'static str>, Severity, Vec<String>) {
    let fields = read_with(record, options()).expect("a record").fields;
    let reasons =
        fields.findings.iter().flat_map(|finding| finding.severity_reasons.clone()).collect();
    (fields.findings.iter().map(|finding| finding.rule.id).collect(), fields.severity, reasons)
}

pub(crate) const WHO: &str = "/userIdentity";
pub(crate) const USER: &str = "/requestParameters/userName";

/// A scenario, its record, its finding and its severity.
type Attack = (&'static str, String, &'static str, Severity);

/// Credentials for root.
fn on_root() -> Vec<Attack> {
    let no_response = ("/responseElements", Value::Null);
    vec![
        (
            "a signing certificate for root, by root",
            ok(
                "UploadSigningCertificate",
                &[(WHO, root()), (USER, Value::Null), no_response.clone()],
            ),
            "signing-certificate-root",
            Critical,
        ),
        (
            "a signing certificate for root, by centrally assumed root",
            ok(
                "UploadSigningCertificate",
                &[(WHO, assumed_root()), (USER, Value::Null), no_response.clone()],
            ),
            "signing-certificate-root",
            Critical,
        ),
        (
            "root's signing certificate made active again",
            ok(
                "UpdateSigningCertificate",
                &[
                    (WHO, root()),
                    (USER, Value::Null),
                    ("/requestParameters/status", "Active".into()),
                ],
            ),
            "signing-certificate-root",
            Critical,
        ),
    ]
}

/// Signing certificates as a second credential.
fn new_credentials() -> Vec<Attack> {
    vec![
        (
            "a signing certificate for another user",
            ok("UploadSigningCertificate", &[]),
            "signing-certificate-other-user",
            High,
        ),
        (
            "the same with a stolen long-term key",
            ok("UploadSigningCertificate", &[(WHO, script())]),
            "signing-certificate-other-user",
            Critical,
        ),
        (
            "the same by a role of another account",
            ok("UploadSigningCertificate", &[(WHO, stranger())]),
            "signing-certificate-other-user",
            Critical,
        ),
        (
            "the same from an unknown network",
            ok("UploadSigningCertificate", &[("/sourceIPAddress", "198.51.100.7".into())]),
            "signing-certificate-other-user",
            Critical,
        ),
        (
            "persistence for oneself with a stolen key",
            ok(
                "UploadSigningCertificate",
                &[
                    (WHO, script()),
                    (USER, "alice".into()),
                    ("/responseElements/certificate/userName", "alice".into()),
                ],
            ),
            "signing-certificate-uploaded",
            High,
        ),
    ]
}

/// Signing certificates activated, deactivated or deleted.
fn changed_credentials() -> Vec<Attack> {
    vec![
        (
            "an old signing certificate of another user made active again",
            ok("UpdateSigningCertificate", &[("/requestParameters/status", "Active".into())]),
            "signing-certificate-reactivated",
            Medium,
        ),
        (
            "another user's signing certificate switched off",
            ok("UpdateSigningCertificate", &[]),
            "signing-certificate-removed",
            Medium,
        ),
        (
            "another user's signing certificate deleted after use",
            ok("DeleteSigningCertificate", &[(USER, "bob".into())]),
            "signing-certificate-removed",
            Medium,
        ),
        (
            "a user's signing certificate switched off by root",
            ok("UpdateSigningCertificate", &[(WHO, root())]),
            "signing-certificate-removed",
            High,
        ),
        (
            "a user's signing certificate deleted by root",
            ok("DeleteSigningCertificate", &[(WHO, root()), (USER, "bob".into())]),
            "signing-certificate-removed",
            High,
        ),
    ]
}

/// Server certificates.
fn on_servers() -> Vec<Attack> {
    vec![
        (
            "a self-signed server certificate under the path of CloudFront",
            ok("UploadServerCertificate", &[]),
            "weak-certificate",
            High,
        ),
        (
            "a server certificate uploaded with a script's key",
            ok("UploadServerCertificate", &[(WHO, script())]),
            "server-certificate-uploaded",
            High,
        ),
        (
            "a server certificate uploaded by a role of another account",
            ok("UploadServerCertificate", &[(WHO, stranger())]),
            "server-certificate-uploaded",
            High,
        ),
        (
            "a server certificate swapped by rename",
            ok("UpdateServerCertificate", &[(WHO, script())]),
            "server-certificate-renamed",
            Medium,
        ),
        (
            "a server certificate deleted",
            ok("DeleteServerCertificate", &[(WHO, own_role())]),
            "server-certificate-deleted",
            Medium,
        ),
        (
            "deletion of a server certificate in use",
            call("DeleteServerCertificate", "other error", &[]),
            "server-certificate-deletion-in-use",
            Low,
        ),
        (
            "tags changed to get past a policy",
            ok("TagServerCertificate", &[(WHO, stranger())]),
            "server-certificate-tags",
            Medium,
        ),
    ]
}

/// Reconnaissance and disabled logging.
fn around() -> Vec<Attack> {
    vec![
        (
            "denied probing of the inventory",
            call("ListServerCertificates", "denied", &[]),
            "denied",
            Low,
        ),
        (
            "a denied signing certificate for another user",
            call("UploadSigningCertificate", "denied", &[]),
            "denied",
            Medium,
        ),
        (
            "the trail stopped before the rest",
            ok(
                "GetServerCertificate",
                &[
                    ("/eventSource", "cloudtrail.amazonaws.com".into()),
                    ("/eventName", "StopLogging".into()),
                    ("/requestParameters", json!({ "name": "org-trail" })),
                    ("/readOnly", false.into()),
                    (WHO, own_role()),
                ],
            ),
            "trail-silenced",
            High,
        ),
    ]
}

#[test]
fn every_attack_has_its_finding() {
    let attacks =
        [on_root(), new_credentials(), changed_credentials(), on_servers(), around()].concat();
    assert!(attacks.len() >= 15);
    for (story, record, finding, severity) in attacks {
        let (findings, judged, reasons) = judged(&record);
        assert!(findings.contains(&finding), "{story}: {findings:?}");
        assert_eq!(judged, severity, "{story}: {reasons:?}");
    }
}

#[test]
fn routine_work_is_at_most_low() {
    let benign: Vec<(&str, String)> = vec![
        ("Terraform applies: upload", ok("UploadServerCertificate", &[(WHO, role())])),
        ("Terraform applies: tags", ok("TagServerCertificate", &[(WHO, role())])),
        ("Terraform plans: read", ok("GetServerCertificate", &[(WHO, role())])),
        ("Terraform plans: tags read", ok("ListServerCertificateTags", &[(WHO, role())])),
        ("Terraform destroys: delete", ok("DeleteServerCertificate", &[(WHO, role())])),
        (
            "Terraform destroys a user: lists its signing certificates",
            ok("ListSigningCertificates", &[(WHO, role())]),
        ),
        (
            "Terraform destroys a user: deletes its signing certificate",
            ok("DeleteSigningCertificate", &[(WHO, role()), (USER, "bob".into())]),
        ),
        (
            "ACME renewal: upload of the new one",
            ok(
                "UploadServerCertificate",
                &[(WHO, role()), ("/requestParameters/serverCertificateName", "web-2".into())],
            ),
        ),
        ("ACME renewal: old one deleted", ok("DeleteServerCertificate", &[(WHO, role())])),
        (
            "ACME renewal: old one still in use",
            call("DeleteServerCertificate", "other error", &[(WHO, role())]),
        ),
        ("a scanner lists server certificates", ok("ListServerCertificates", &[(WHO, script())])),
        ("a scanner lists signing certificates", ok("ListSigningCertificates", &[(WHO, script())])),
        ("a scanner of another account reads", ok("GetServerCertificate", &[(WHO, stranger())])),
        ("a scanner may not read", call("GetServerCertificate", "denied", &[(WHO, own_role())])),
        ("console browsing", ok("ListServerCertificates", &[])),
        ("read of a deleted certificate", call("GetServerCertificate", "other error", &[])),
        (
            "central root clean-up deletes root's signing certificate",
            ok("DeleteSigningCertificate", &[(WHO, assumed_root())]),
        ),
        (
            "central root clean-up switches it off",
            ok("UpdateSigningCertificate", &[(WHO, assumed_root()), (USER, Value::Null)]),
        ),
        ("root deletes its own", ok("DeleteSigningCertificate", &[(WHO, root())])),
        (
            "root, with an unrecorded target",
            call("DeleteSigningCertificate", "omitted", &[(WHO, root())]),
        ),
        ("a user deletes its own signing certificate", ok("DeleteSigningCertificate", &[])),
        ("a user switches its own off", ok("UpdateSigningCertificate", &[(USER, "alice".into())])),
        (
            "a malformed upload",
            call("UploadServerCertificate", "other error", &[(WHO, own_role())]),
        ),
        ("a person renames a certificate", ok("UpdateServerCertificate", &[(WHO, own_role())])),
        ("a person tags a certificate", ok("UntagServerCertificate", &[])),
    ];
    assert!(benign.len() >= 15);
    for (story, record) in benign {
        let (findings, severity, reasons) = judged(&record);
        assert!(severity <= Low, "{story}: {severity:?} by {findings:?}, {reasons:?}");
    }
}

#[test]
fn successful_reads_have_no_finding() {
    for operation in [
        "GetServerCertificate",
        "ListServerCertificates",
        "ListServerCertificateTags",
        "ListSigningCertificates",
    ] {
        for who in [role(), script(), stranger(), root(), own_role()] {
            assert_eq!(judged(&ok(operation, &[(WHO, who)])).0.len(), 0, "{operation}");
        }
        assert_eq!(judged(&ok(operation, &[])).1, Informational);
    }
}

#[test]
fn an_expected_principal_lowers_the_severity_with_a_reason() {
    let (findings, severity, reasons) = judged(&ok("UploadServerCertificate", &[(WHO, role())]));
    assert_eq!((findings.len(), severity), (2, Low));
    assert!(
        reasons.iter().all(|reason| reason
            .starts_with("lowered: arn:aws:iam::444455556666:role/ci/cert-rotation is expected")),
        "{reasons:?}"
    );
    let imposter = judged(&ok("UploadServerCertificate", &[(WHO, stranger())]));
    assert!(imposter.1 > Low, "a role of the same name in another account is not the expected one");
    let (_, severity, _) = judged(&ok("UploadSigningCertificate", &[(WHO, role())]));
    assert_eq!(severity, Medium, "a signing certificate for another user is never lowered away");
}

#[test]
fn stopping_a_trail_is_never_lowered() {
    let stop = ok(
        "GetServerCertificate",
        &[
            ("/eventSource", "cloudtrail.amazonaws.com".into()),
            ("/eventName", "StopLogging".into()),
            (WHO, role()),
        ],
    );
    assert!(judged(&stop).1 >= High, "{:?}", judged(&stop));
}

#[test]
fn a_role_with_an_unknown_target_acts_on_another_user() {
    let omitted = call("UploadSigningCertificate", "omitted", &[(WHO, own_role())]);
    assert_eq!(judged(&omitted).0, ["signing-certificate-other-user"]);
    let by_user = call("UploadSigningCertificate", "omitted", &[]);
    assert_eq!(judged(&by_user).0, ["signing-certificate-uploaded"]);
}

#[test]
fn a_wildcard_for_the_account_is_a_warning() {
    let with = |arn: &str| {
        EventOptions {
            expected_principals: vec![Pattern::new(arn).expect("a pattern")],
            ..EventOptions::default()
        }
        .warnings()
    };
    assert!(with("arn:aws:iam::111122223333:role/ci/*").is_empty());
    for arn in ["arn:aws:iam::*:role/ci", "*", "arn:aws:iam::1111*:role/ci"] {
        assert_eq!(with(arn).len(), 1, "{arn}");
    }
}
