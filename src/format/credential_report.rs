//! The facts of a credential report as JSON.

use super::object::{Object, array};
use crate::event::credential_report::CredentialFacts;
use crate::event::date::rfc3339;

/// Returns the facts as a nested object.
pub(super) fn nested(facts: &CredentialFacts<'_>) -> Object {
    let of = facts.of;
    let keys = of.keys.iter().map(|key| {
        Object::default()
            .with("last_rotated", key.rotated.and_then(rfc3339))
            .with("age_days", facts.days(key.rotated))
            .with("last_used", key.used.and_then(rfc3339))
            .into()
    });
    let certificates = of.certificates.iter().map(|rotated| {
        Object::default()
            .with("last_rotated", rotated.and_then(rfc3339))
            .with("age_days", facts.days(*rotated))
            .into()
    });
    Object::default()
        .set("arn", of.arn.as_str())
        .set("mfa_active", of.mfa)
        .with("password_enabled", of.password)
        .with("password_last_used", of.password_used.and_then(rfc3339))
        .set("active_key_count", of.keys.len())
        .with("active_keys", array(keys.collect()))
        .set("active_signing_certificate_count", of.certificates.len())
        .with("active_signing_certificates", array(certificates.collect()))
        .with("report_time", rfc3339(of.reported))
        .set("report_age_hours", facts.report_age())
}

/// Adds the facts to a flat object: all values are text, all names start with `prefix`.
pub(super) fn flat(facts: &CredentialFacts<'_>, prefix: &str, object: Object) -> Object {
    let of = facts.of;
    [
        ("mfa_active", Some(of.mfa.to_string())),
        ("password_enabled", of.password.map(|one| one.to_string())),
        ("active_keys", Some(of.keys.len().to_string())),
        ("oldest_key_days", facts.oldest_key().map(|days| days.to_string())),
        ("key_last_used", facts.last_use().and_then(rfc3339)),
        ("active_signing_certificates", Some(of.certificates.len().to_string())),
        ("report_time", rfc3339(of.reported)),
        ("report_age_hours", Some(facts.report_age().to_string())),
    ]
    .into_iter()
    .fold(object, |object, (name, value)| object.with(&format!("{prefix}_{name}"), value))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use time::macros::datetime;

    use super::*;
    use crate::event::{Report, Reports};

    const REPORT: &str = include_str!("../../examples/credential-reports/111122223333.csv");

    #[test]
    fn facts_have_the_same_values_nested_and_flat() {
        let mut reports = Reports::default();
        let made = datetime!(2026-02-22 12:00 UTC);
        reports.add(Report::parse(REPORT, made).expect("a report"));
        let alice = reports.of("arn:aws:iam::111122223333:user/alice").expect("known");
        let facts = CredentialFacts::new(alice, datetime!(2026-02-22 16:11:47 UTC));
        insta::assert_snapshot!(Value::from(nested(&facts)), @r#"{"active_key_count":1,"active_keys":[{"age_days":476,"last_rotated":"2024-11-03T09:00:00Z","last_used":"2026-02-21T17:45:00Z"}],"active_signing_certificate_count":0,"arn":"arn:aws:iam::111122223333:user/ops/alice","mfa_active":false,"password_enabled":true,"password_last_used":"2026-02-20T08:15:00Z","report_age_hours":4,"report_time":"2026-02-22T12:00:00Z"}"#);
        insta::assert_snapshot!(Value::from(flat(&facts, "caller", Object::default())), @r#"{"caller_active_keys":"1","caller_active_signing_certificates":"0","caller_key_last_used":"2026-02-21T17:45:00Z","caller_mfa_active":"false","caller_oldest_key_days":"476","caller_password_enabled":"true","caller_report_age_hours":"4","caller_report_time":"2026-02-22T12:00:00Z"}"#);
    }
}
