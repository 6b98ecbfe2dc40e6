//! Errors about sources and dead letters.

use std::path::Path;

use certrelay::config::parse_with;

use super::super::{errors, parse, sound_with};

#[test]
fn a_source_is_a_queue_with_buckets_or_a_folder() {
    let report = errors(&sound_with(
        r#"
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
directory = "logs"
[[source]]
region = "us-east-1"
[[source]]
queue_url = "https://queue.example.com/111122223333/objects"
buckets = ["s3://audit-logs/AWSLogs"]
[dead_letter]
redrive = true
keep_bytes = false
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:1:1: error: an SQS source needs `buckets`, for example `buckets = ["audit-logs"]`: whoever can send to the queue must not choose which objects are read
       |
     1 | [[source]]
       | ^^^^^^^^^^

    certrelay.toml:3:13: error: a source has `queue_url` or `directory`, not both
       |
     3 | directory = "logs"
       |             ^^^^^^

    certrelay.toml:4:1: error: [[source]] needs `queue_url` (and `buckets`), or `directory`
       |
     4 | [[source]]
       | ^^^^^^^^^^

    certrelay.toml:7:13: error: this URL does not contain its region: add `region`, where the queue is
       |
     7 | queue_url = "https://queue.example.com/111122223333/objects"
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:8:12: error: a bucket is its bare name, without `s3://`, ARN, prefix or `*`
       |
     8 | buckets = ["s3://audit-logs/AWSLogs"]
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:1: error: a folder has no redrive policy; write `directory = "…"`
       |
     9 | [dead_letter]
       | ^^^^^^^^^^^^^

    certrelay.toml:11:14: error: `keep_bytes` has no effect with `redrive`; remove it
        |
     11 | keep_bytes = false
        |              ^^^^^

    certrelay.toml: 7 errors
    "#);
}

#[test]
fn a_queue_s_url_region_and_policies_are_checked() {
    let report = errors(&sound_with(
        r#"
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/"
buckets = []
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
region = "eu-west-1"
buckets = ["audit-logs"]
on_missing = "retri"
role = { arn = "arn:aws:iam::444455556666:user/reader", external = "x" }
[[source]]
directory = "logs"
buckets = ["audit-logs"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:2:13: error: a queue's URL ends in account and name: https://sqs.REGION.amazonaws.com/111122223333/NAME
       |
     2 | queue_url = "https://sqs.us-east-1.amazonaws.com/"
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:3:11: error: `buckets` must not be empty
       |
     3 | buckets = []
       |           ^^

    certrelay.toml:6:10: error: `region` differs from the region in `queue_url`; remove it
       |
     6 | region = "eu-west-1"
       |          ^^^^^^^^^^^

    certrelay.toml:8:14: error: `on_missing` must be "retry" or "dead_letter"; did you mean `retry`?
       |
     8 | on_missing = "retri"
       |              ^^^^^^^

    certrelay.toml:9:16: error: a role's ARN is arn:PARTITION:iam::ACCOUNT:role/NAME: the partition is `aws` in most regions, the account has 12 digits
       |
     9 | role = { arn = "arn:aws:iam::444455556666:user/reader", external = ******** }
       |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:57: error: unknown key `external` in `role`; did you mean `external_id`?
       |
     9 | role = { arn = "arn:aws:iam::444455556666:user/reader", external = ******** }
       |                                                         ^^^^^^^^

    certrelay.toml:12:11: error: `buckets` has no effect with `directory`; remove it
        |
     12 | buckets = ["audit-logs"]
        |           ^^^^^^^^^^^^^^

    certrelay.toml:14:1: error: an earlier [[source]] reads the same
        |
     14 | [[source]]
        | ^^^^^^^^^^

    certrelay.toml: error: there is no [dead_letter], which an SQS source needs: write `s3 = "s3://bucket/prefix/"` (or `sqs`, or `directory`), or `redrive = true` to leave it to the queue's own redrive policy

    certrelay.toml: 9 errors
    "#);
}

#[test]
fn a_queue_needs_a_dead_letter_and_is_read_once() {
    let report = errors(&sound_with(
        r#"
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
buckets = ["audit-logs"]
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
buckets = ["other-logs"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:4:1: error: an earlier [[source]] reads the same
       |
     4 | [[source]]
       | ^^^^^^^^^^

    certrelay.toml: error: there is no [dead_letter], which an SQS source needs: write `s3 = "s3://bucket/prefix/"` (or `sqs`, or `directory`), or `redrive = true` to leave it to the queue's own redrive policy

    certrelay.toml: 2 errors
    "#);
}

#[test]
fn redrive_is_a_queue_s_and_needs_no_bytes() {
    let report = errors(&sound_with(
        r#"
[dead_letter]
redrive = true
keep_bytes = true
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:1:1: error: a folder has no redrive policy; write `directory = "…"`
       |
     1 | [dead_letter]
       | ^^^^^^^^^^^^^

    certrelay.toml:3:14: error: `keep_bytes` has no effect with `redrive`; remove it
       |
     3 | keep_bytes = true
       |              ^^^^

    certrelay.toml: 2 errors
    "#);
}

/// Returns the errors of a `[dead_letter]` table, without the quoted line.
fn errors_of(dead_letter: &str) -> String {
    let report = errors(&sound_with(&format!("[dead_letter]\n{dead_letter}\n")));
    let error = |line: &str| line.split_once(" error: ").map(|(_, text)| text.to_owned());
    report.lines().filter_map(error).collect::<Vec<_>>().join("; ")
}

#[test]
fn dead_letters_have_one_location() {
    let both = errors_of("s3 = \"s3://audit-dead-letters/\"\ndirectory = \"letters\"");
    assert!(both.contains("not several"), "{both}");
    assert!(errors_of("s3 = \"s3://b/\"\nredrive = true").contains("not several"));
    assert!(errors_of("keep_bytes = true").contains("[dead_letter] needs `s3 ="));
}

#[test]
fn a_location_of_dead_letters_is_written_in_full() {
    for wrong in
        ["audit-dead-letters", "s3://", "s3://b/prefix", "s3://b//", "s3://b*/", "https://b/"]
    {
        let report = errors_of(&format!("s3 = \"{wrong}\""));
        assert!(report.contains("a prefix that ends in `/`"), "{wrong}: {report}");
    }
    let fifo = "sqs = \"https://sqs.us-east-1.amazonaws.com/111122223333/letters.fifo\"";
    assert!(errors_of(fifo).contains("FIFO"));
    assert!(
        errors_of("sqs = \"https://sqs.us-east-1.amazonaws.com/\"").contains("account and name")
    );
}

#[test]
fn buckets_and_keys_of_a_source_are_checked() {
    let report = errors(&sound_with(
        r#"
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
buckets = ["audit-logs", { name = "audit-logs" }]
keys = { include = ["/AWSLogs/**"] }
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/others"
buckets = [{ name = "other-logs", expected_owner = "4444" }, { requester_pays = true }]
keys = { exclude = ["AWSLogs/[a"] }
[dead_letter]
redrive = false
"#,
    ));
    let texts: Vec<&str> =
        report.lines().filter(|line| line.starts_with("certrelay.toml:")).collect();
    for (place, text) in [
        (":3:26: ", "this bucket is in the list already"),
        (":4:21: ", "a key starts neither with `/` nor with its bucket"),
        (":7:52: ", "12 digits"),
        (":8:21: ", "not a glob"),
    ] {
        let found = texts.iter().any(|line| line.contains(place) && line.contains(text));
        assert!(found, "{place}{text} in {texts:#?}");
    }
}

#[test]
fn a_selection_of_iam_without_its_region_is_warned_about() {
    let warnings = |regions: &str, include: &str| {
        let text = format!(
            "[[source]]\nqueue_url = \"https://sqs.eu-west-1.amazonaws.com/111122223333/objects\"\n\
             buckets = [\"audit-logs\"]\n{regions}\n[dead_letter]\ndirectory = \"letters\"\n\
             [events]\ninclude = [{include}]\n"
        );
        let config = super::super::parse(&sound_with(&text)).unwrap();
        config.warnings.iter().filter(|w| w.to_string().contains("us-east-1")).count()
    };
    let acm = r#"{ source = "acm.amazonaws.com", names = ["ImportCertificate"] }"#;
    assert_eq!(warnings("regions = [\"eu-west-1\"]", "\"server-certificate\""), 1);
    assert_eq!(warnings("regions = [\"eu-west-1\", \"us-east-1\"]", "\"server-certificate\""), 0);
    assert_eq!(warnings("", "\"server-certificate\""), 0);
    assert_eq!(warnings("regions = [\"eu-west-1\"]", acm), 0);
}

/// Returns the errors and warnings of a source with these lines and of another table, without the
/// quoted lines.
fn found(lines: &str, table: &str, env: &[(&str, &str)]) -> String {
    let text = sound_with(&format!(
        "[[source]]\n{lines}\nbuckets = [\"audit-logs\"]\n[dead_letter]\nredrive = true\n{table}\n"
    ));
    // The folder of SOUND has no redrive policy.
    let text = text.replace("[[source]]\ndirectory = \"logs\"\n", "");
    let lookup =
        |name: &str| env.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
    let parsed = parse_with("certrelay.toml", &text, Path::new("/etc/certrelay"), &lookup);
    let diagnostics = parsed.map_or_else(|errors| errors.diagnostics, |config| config.warnings);
    diagnostics.into_iter().map(|one| one.text).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_mistyped_region_or_account_is_found_wherever_it_is_written() {
    let queue = "queue_url = \"https://sqs.eu-west-1.amazonaws.com/111122223333/q\"";
    let near = "did you mean `eu-west-1`?";
    for (lines, part) in [
        ("queue_url = \"https://sqs.eu-west1.amazonaws.com/111122223333/q\"", near),
        ("queue_url = \"https://sqs.internal/111122223333/q\"\nregion = \"eu-west1\"", near),
        (&format!("{queue}\nregions = [\"us-east-1\", \"eu-west1\"]"), near),
        (&format!("{queue}\nregions = [\"us-east-1\", \"eu-wset-1\"]"), near),
        ("queue_url = \"https://sqs.us-east-1.amazonaws.eu/111122223333/q\"", "amazonaws.com"),
        ("queue_url = \"arn:aws-cn:sqs:cn-north-1:111122223333:q\"", "not its name or ARN"),
        ("queue_url = \"cloudtrail-objects\"", "not its name or ARN"),
        ("queue_url = \"https://sqs.eu-west-1.amazonaws.com/11112222333/q\"", "12 digits"),
        (&format!("{queue}\nrole = {{ arn = \"arn:aws:iam::11112222333:role/r\" }}"), "12 digits"),
        (&format!("{queue}\nkeys = {{ include = [\"AWSLogs/1111222233334/**\"] }}"), "12 digits"),
        (
            "queue_url = \"https://sqs.us-gov-west-1.internal/111122223333/q\"",
            "add `region`, where the queue is",
        ),
    ] {
        let found = found(lines, "", &[]);
        let found: Vec<&str> = found.lines().filter(|line| line.contains(part)).collect();
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(part.contains("us-east-1") || !found[0].contains("us-east-1 "), "{found:?}");
    }
    assert_eq!(found(&format!("{queue}\nregions = [\"us-east-1\", \"eu-west-1\"]"), "", &[]), "");
}

#[test]
fn a_queue_url_whose_host_is_not_the_one_asked_is_warned_about() {
    const PLAIN: &str = "https://sqs.us-east-1.amazonaws.com";
    const VPC: &str = "https://vpce-0a1.sqs.us-east-1.vpce.amazonaws.com";
    const FIPS: &str = "https://sqs-fips.us-east-1.amazonaws.com";
    let on = |name: &'static str| Some((name, "true"));
    for (host, endpoint, variable, warned) in [
        (PLAIN, None, None, false),
        (VPC, None, None, true),
        (FIPS, None, None, true),
        (FIPS, None, on("AWS_USE_FIPS_ENDPOINT"), false),
        ("https://sqs.us-east-1.api.aws", None, None, true),
        ("https://sqs.us-east-1.api.aws", None, on("AWS_USE_DUALSTACK_ENDPOINT"), false),
        ("https://us-east-1.queue.amazonaws.com", None, None, false),
        ("https://queue.amazonaws.com", None, None, false),
        ("https://sqs.eusc-de-east-1.amazonaws.eu", None, None, false),
        ("https://sqs.us-iso-east-1.c2s.ic.gov", None, None, false),
        ("https://sqs.us-isob-east-1.sc2s.sgov.gov", None, None, false),
        ("https://sqs.us-isof-south-1.csp.hci.ic.gov", None, None, false),
        ("https://sqs.eu-isoe-west-1.cloud.adc-e.uk", None, None, false),
        // Every queue's URL names it; the endpoint says how to reach the same service.
        (PLAIN, Some(VPC), None, false),
        (PLAIN, None, on("AWS_USE_FIPS_ENDPOINT"), false),
        (PLAIN, Some("https://vpce-0a1.sqs.eu-west-1.vpce.amazonaws.com"), None, true),
        (PLAIN, Some("http://127.0.0.1:4566"), None, true),
        (PLAIN, None, Some(("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:4566")), true),
        (VPC, Some(VPC), None, false),
        (VPC, Some("https://vpce-0b2.sqs.us-east-1.vpce.amazonaws.com"), None, true),
        ("http://127.0.0.1:4566", None, None, true),
        ("http://127.0.0.1:4566", Some("http://127.0.0.1:4566"), None, false),
    ] {
        let region = if host.starts_with("http:") { "region = \"us-east-1\"\n" } else { "" };
        let lines = format!("queue_url = \"{host}/111122223333/q\"\n{region}");
        let aws =
            endpoint.map_or_else(String::new, |url| format!("[aws]\nsqs_endpoint = \"{url}\""));
        let found = found(&lines, &aws, variable.as_slice());
        assert_eq!(found.contains("requests go to"), warned, "{host} {endpoint:?}: {found}");
    }
}

#[test]
fn the_owner_of_the_dead_letter_bucket_is_checked() {
    let s3 = "s3 = \"s3://audit-dead-letters/\"\n";
    assert!(errors_of(&format!("{s3}expected_owner = \"1111\"")).contains("12 digits"));
    let alone = errors_of("directory = \"letters\"\nexpected_owner = \"111122223333\"");
    assert!(alone.contains("only with `s3`"), "{alone}");
    let sound = format!("[dead_letter]\n{s3}expected_owner = \"111122223333\"\n");
    assert!(parse(&sound_with(&sound)).is_ok());
}

#[test]
fn a_dead_letter_location_that_a_source_reads_is_an_error() {
    let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/objects";
    for dead_letters in [queue, "https://us-east-1.queue.amazonaws.com/111122223333/objects"] {
        let report = errors(&sound_with(&format!(
            "[[source]]\nqueue_url = \"{queue}\"\nbuckets = [\"audit-logs\"]\n[dead_letter]\nsqs = \"{dead_letters}\"\n"
        )));
        let expected = "certrelay.toml:4:1: error: a [[source]] reads this queue";
        assert!(report.contains(expected) && report.contains("1 error"), "{report}");
    }
    for (source, dead_letter) in
        [("in", "[dead_letter]\ndirectory = \"in/../in/dead\"\n"), (".", "")]
    {
        let text = format!("[[source]]\ndirectory = \"{source}\"\n{dead_letter}");
        let report = errors(&sound_with(&text));
        assert!(report.contains("into the folder that a [[source]] reads"), "{report}");
    }
}

#[test]
fn dead_letters_in_a_bucket_of_a_source_are_warned_about_unless_excluded() {
    let warnings = |keys: &str, bucket: &str| {
        let text = format!(
            r#"
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
buckets = ["audit-logs"]
keys = {keys}
[dead_letter]
s3 = "s3://{bucket}/letters/"
"#
        );
        let config = parse(&sound_with(&text)).expect("no error");
        config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = r#"{ include = ["**"] }"#;
    let [warning] = <[String; 1]>::try_from(warnings(all, "audit-logs")).expect("one");
    assert!(warning.contains("a [[source]] reads this bucket"), "{warning}");
    assert_eq!(warnings(all, "letters"), Vec::<String>::new());
    assert_eq!(warnings(r#"{ exclude = ["letters/**"] }"#, "audit-logs"), Vec::<String>::new());
}
