use time::macros::datetime;

use super::super::object::Object;
use super::*;

const REPORT: &str = include_str!("../../../examples/credential-reports/111122223333.csv");
const MADE: OffsetDateTime = datetime!(2026-02-22 12:00 UTC);

fn reports() -> Reports {
    let mut reports = Reports::default();
    reports.add(Report::parse(REPORT, MADE).expect("a report"));
    reports
}

#[test]
fn a_report_tells_what_each_user_has() {
    let reports = reports();
    let alice = reports.of("arn:aws:iam::111122223333:user/ops/alice").expect("known");
    assert!(!alice.mfa && alice.password == Some(true));
    let made = datetime!(2024-11-03 09:00 UTC);
    let used = datetime!(2026-02-21 17:45 UTC);
    assert_eq!(alice.keys, [Key { rotated: Some(made), used: Some(used) }]);
    assert!(alice.certificates.is_empty());
    let bob = reports.of("arn:aws:iam::111122223333:user/bob").expect("known");
    assert!(bob.mfa && bob.keys.is_empty());
    assert_eq!(bob.certificates, [Some(datetime!(2025-06-01 10:30 UTC))]);
    let root = reports.of("arn:aws:iam::111122223333:root").expect("known");
    assert!(root.mfa && root.password.is_none());
}

#[test]
fn a_path_that_a_record_does_not_state_is_no_other_user() {
    let reports = reports();
    assert_eq!(
        reports.of("arn:aws:iam::111122223333:user/alice"),
        reports.of("arn:aws:iam::111122223333:user/ops/alice")
    );
    for stranger in [
        "arn:aws:iam::111122223333:user/mallory",
        "arn:aws:iam::444455556666:user/alice",
        "arn:aws:iam::111122223333:role/alice",
        "arn:aws:sts::111122223333:assumed-role/alice/alice",
        "arn:aws:iam::111122223333:user/root",
        "alice",
        "",
    ] {
        assert!(reports.of(stranger).is_none(), "{stranger}");
    }
}

#[test]
fn the_newest_report_of_an_account_counts_and_a_lost_one_stays() {
    let mut all = reports();
    let older = REPORT.replace("bob", "rob");
    all.add(Report::parse(&older, MADE - time::Duration::DAY).expect("a report"));
    assert!(all.of("arn:aws:iam::111122223333:user/rob").is_none());
    all.add(Report::parse(&older, MADE + time::Duration::DAY).expect("a report"));
    assert!(all.of("arn:aws:iam::111122223333:user/rob").is_some());
    let other = REPORT.replace("111122223333", "444455556666");
    let mut today = Reports::default();
    today.add(Report::parse(&other, MADE).expect("a report"));
    today.keep(&all);
    assert_eq!(
        (today.len(), format!("{today:?}")),
        (2, "credential reports of 2 accounts".to_owned())
    );
    assert!(today.of("arn:aws:iam::111122223333:user/rob").is_some());
}

#[test]
fn the_time_of_a_report_is_in_its_name_or_that_of_its_file() {
    let written = Some(MADE);
    let at = Some(datetime!(2026-02-22 16:11:47 UTC));
    for (name, made) in [
        ("credential-report-2026-02-22T16:11:47Z.csv", at),
        ("111122223333/2026-02-22T16_11_47Z.csv", at),
        ("status_reports_111122223333_20260222T161147Z.csv", at),
        ("111122223333.csv", written),
        ("2026-02-22.csv", written),
        ("11112222333312345678.csv", written),
        ("2026-99-22T16:11:47Z.csv", written),
        ("é.csv", written),
    ] {
        assert_eq!(Report::made(name, written), made, "{name}");
    }
    assert_eq!(Report::made("111122223333.csv", None), None);
}

#[test]
fn what_is_no_report_is_refused_with_its_row() {
    let header = REPORT.lines().next().expect("a header");
    let alice = REPORT.lines().find(|line| line.starts_with("alice")).expect("alice");
    let with = |row: &str| format!("{header}\n{row}\n");
    for (text, part) in [
        (String::new(), "it is empty"),
        ("id,name\n1,2\n".to_owned(), "no column `user`"),
        (with(""), "there is no user in it"),
        (with("alice,x"), "row 2: another number of fields"),
        (with(&alice.replace("arn:aws:iam:", "arn:aws:sts:")), "row 2: `arn` is no user's"),
        (with(&alice.replacen("true", "maybe", 1)), "neither true nor false"),
        (
            format!("{}{}\n", with(alice), alice.replace("111122223333", "444455556666")),
            "row 3: a user of another account",
        ),
        (with("\"alice"), "row 2: another number of fields"),
    ] {
        let said = Report::parse(&text, MADE).expect_err("no report");
        assert!(said.contains(part), "{part:?} in {said:?}");
    }
}

#[test]
fn facts_carry_ages_at_the_time_of_the_call() {
    let reports = reports();
    let alice = reports.of("arn:aws:iam::111122223333:user/alice").expect("known");
    let facts = Facts::new(alice, datetime!(2026-02-22 16:11:47 UTC));
    insta::assert_snapshot!(sentence(&facts), @"no MFA device; 1 active key, the oldest 476 days old, last used 2026-02-21; no active signing certificate (report of 2026-02-22, 4 h before the call)");
    insta::assert_snapshot!(serde_json::Value::from(object(&facts)), @r#"{"active_key_count":1,"active_keys":[{"age_days":476,"last_rotated":"2024-11-03T09:00:00Z","last_used":"2026-02-21T17:45:00Z"}],"active_signing_certificate_count":0,"arn":"arn:aws:iam::111122223333:user/ops/alice","mfa_active":false,"password_enabled":true,"password_last_used":"2026-02-20T08:15:00Z","report_age_hours":4,"report_time":"2026-02-22T12:00:00Z"}"#);
    insta::assert_snapshot!(serde_json::Value::from(facts.flat("caller", Object::default())), @r#"{"caller_active_keys":"1","caller_active_signing_certificates":"0","caller_key_last_used":"2026-02-21T17:45:00Z","caller_mfa_active":"false","caller_oldest_key_days":"476","caller_password_enabled":"true","caller_report_age_hours":"4","caller_report_time":"2026-02-22T12:00:00Z"}"#);
    assert_eq!(Facts::new(alice, datetime!(2026-02-22 9:00 UTC)).report_age(), -3);
}
