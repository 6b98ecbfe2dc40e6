use time::macros::datetime;

use super::*;

const REPORT: &str = include_str!("../../../examples/credential-reports/111122223333.csv");
const MADE: OffsetDateTime = datetime!(2026-02-22 12:00 UTC);

fn reports() -> Reports {
    let mut reports = Reports::default();
    reports.add(Report::parse(REPORT, MADE).expect("a report"));
    reports
}

#[test]
fn a_report_lists_the_credentials_of_each_user() {
    let reports = reports();
    let alice = reports.of("arn:aws:iam::111122223333:user/ops/alice").expect("known");
    assert!(!alice.mfa && alice.password == Some(true));
    let made = datetime!(2024-11-03 09:00 UTC);
    let used = datetime!(2026-02-21 17:45 UTC);
    assert_eq!(alice.keys, [AccessKey { rotated: Some(made), used: Some(used) }]);
    assert!(alice.certificates.is_empty());
    let bob = reports.of("arn:aws:iam::111122223333:user/bob").expect("known");
    assert!(bob.mfa && bob.keys.is_empty());
    assert_eq!(bob.certificates, [Some(datetime!(2025-06-01 10:30 UTC))]);
    let root = reports.of("arn:aws:iam::111122223333:root").expect("known");
    assert!(root.mfa && root.password.is_none());
}

#[test]
fn a_user_is_found_without_its_path() {
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
fn the_latest_report_of_an_account_counts_and_missing_ones_are_kept() {
    let mut all = reports();
    let older = REPORT.replace("bob", "rob");
    all.add(Report::parse(&older, MADE - time::Duration::DAY).expect("a report"));
    assert!(all.of("arn:aws:iam::111122223333:user/rob").is_none());
    all.add(Report::parse(&older, MADE + time::Duration::DAY).expect("a report"));
    assert!(all.of("arn:aws:iam::111122223333:user/rob").is_some());
    let other = REPORT.replace("111122223333", "444455556666");
    let mut today = Reports::default();
    today.add(Report::parse(&other, MADE).expect("a report"));
    today.add_missing(&all);
    assert_eq!(
        (today.len(), format!("{today:?}")),
        (2, "credential reports of 2 accounts".to_owned())
    );
    assert!(today.of("arn:aws:iam::111122223333:user/rob").is_some());
}

#[test]
fn the_time_of_a_report_is_in_its_name_or_its_modification_time() {
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
fn an_invalid_report_is_rejected_with_its_row() {
    let header = REPORT.lines().next().expect("a header");
    let alice = REPORT.lines().find(|line| line.starts_with("alice")).expect("alice");
    let with = |row: &str| format!("{header}\n{row}\n");
    for (text, part) in [
        (String::new(), "the file is empty"),
        ("id,name\n1,2\n".to_owned(), "no column `user`"),
        (with(""), "the file has no users"),
        (with("alice,x"), "row 2: it has not as many fields"),
        (with(&alice.replace("arn:aws:iam:", "arn:aws:sts:")), "row 2: `arn` is not a user's"),
        (with(&alice.replacen("true", "maybe", 1)), "neither true nor false"),
        (
            format!("{}{}\n", with(alice), alice.replace("111122223333", "444455556666")),
            "row 3: the user is of another account",
        ),
        (with("\"alice"), "row 2: a quotation mark"),
    ] {
        let error = Report::parse(&text, MADE).expect_err("no report");
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

#[test]
fn facts_have_ages_at_the_time_of_the_call() {
    let reports = reports();
    let alice = reports.of("arn:aws:iam::111122223333:user/alice").expect("known");
    let facts = CredentialFacts::new(alice, datetime!(2026-02-22 16:11:47 UTC));
    insta::assert_snapshot!(facts.sentence(), @"no MFA device; 1 active key, the oldest 476 days old, last used 2026-02-21; no active signing certificate (report of 2026-02-22, 4 h before the call)");
    assert_eq!(CredentialFacts::new(alice, datetime!(2026-02-22 9:00 UTC)).report_age(), -3);
}
