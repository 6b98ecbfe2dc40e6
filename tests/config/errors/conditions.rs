//! Errors about conditions, expected principals, and a sink's topic or index for one route.

use super::super::{errors, sound_with};

#[test]
fn a_condition_that_can_never_match_is_an_error() {
    let report = errors(&sound_with(
        r#"
[[route]]
name = "one"
when = { severity = ">critical", finding = "denid", target = "server", channel = "fast", outcome = "!succes" }
sinks = ["screen"]
[[route]]
name = "two"
when = { severity = [">=hihg", "hgh", "!*"], account = "!1234", ou = "prod" }
sinks = ["screen"]
[[route]]
name = "three"
when = { severity = ["low", "!low"] }
sinks = ["screen"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:3:21: error: there is no severity beyond this one: the route would never match
       |
     3 | when = { severity = ">critical", finding = "denid", target = "server", channel = "fast", outcome = "!succes" }
       |                     ^^^^^^^^^^^

    certrelay.toml:3:44: error: a finding is one of signing-certificate-root, signing-certificate-other-user, signing-certificate-uploaded, signing-certificate-reactivated, signing-certificate-removed, server-certificate-uploaded, weak-certificate, server-certificate-deleted, server-certificate-deletion-in-use, server-certificate-renamed, server-certificate-tags, denied, trail-silenced, trail-changed; did you mean `denied`?
       |
     3 | when = { severity = ">critical", finding = "denid", target = "server", channel = "fast", outcome = "!succes" }
       |                                            ^^^^^^^

    certrelay.toml:3:62: error: an ARN, or a glob of one, is expected, such as "arn:aws:iam::111122223333:role/*"
       |
     3 | when = { severity = ">critical", finding = "denid", target = "server", channel = "fast", outcome = "!succes" }
       |                                                              ^^^^^^^^

    certrelay.toml:3:82: error: a channel is one of s3, eventbridge
       |
     3 | when = { severity = ">critical", finding = "denid", target = "server", channel = "fast", outcome = "!succes" }
       |                                                                                  ^^^^^^

    certrelay.toml:3:100: error: an outcome is one of success, failure; did you mean `success`?
       |
     3 | when = { severity = ">critical", finding = "denid", target = "server", channel = "fast", outcome = "!succes" }
       |                                                                                                    ^^^^^^^^^

    certrelay.toml:7:22: error: a comparison names one of informational, low, medium, high, critical; did you mean `high`?
       |
     7 | when = { severity = [">=hihg", "hgh", "!*"], account = "!1234", ou = "prod" }
       |                      ^^^^^^^^

    certrelay.toml:7:56: error: an account is its 12 digits, or a glob
       |
     7 | when = { severity = [">=hihg", "hgh", "!*"], account = "!1234", ou = "prod" }
       |                                                        ^^^^^^^

    certrelay.toml:7:65: error: the unit of an account comes from a table of accounts: add [accounts]
       |
     7 | when = { severity = [">=hihg", "hgh", "!*"], account = "!1234", ou = "prod" }
       |                                                                 ^^

    certrelay.toml:11:21: error: no severity is left: the route would never match
        |
     11 | when = { severity = ["low", "!low"] }
        |                     ^^^^^^^^^^^^^^^

    certrelay.toml: 9 errors
    "#);
}

#[test]
fn a_route_that_earlier_ones_cover_is_an_error() {
    let report = errors(&sound_with(
        r#"
[[route]]
name = "changes"
when = { event = ["Upload*", "DeleteServerCertificate"] }
sinks = ["screen"]
[[route]]
name = "deletes-of-one"
when = { event = "DeleteServerCertificate", account = "111122223333" }
sinks = ["screen"]
[[route]]
name = "other"
when = { event = ["Upload*", "Update*"] }
sinks = ["screen"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:5:1: error: never reached: route "changes" has no `continue` and matches every event that this one matches
       |
     5 | [[route]]
       | ^^^^^^^^^

    certrelay.toml: 1 error
    "#);
}

#[test]
fn only_kafka_has_a_topic_and_only_splunk_an_index() {
    let report = errors(&sound_with(
        r#"
[[route]]
name = "changes"
when = { event = "Upload*" }
sinks = [{ sink = "screen", topic = "changes" }, { sink = "lake", index = "main" }, { sink = "soc", format = "ecs" }]
[[route]]
name = "deletes"
when = { event = "Delete*" }
sinks = [{ sink = "lake", topic = "a b" }]
[sink.lake]
type = "kafka"
brokers = ["broker-1.example.com:9092"]
topic = "certificates"
[sink.soc]
type = "splunk_hec"
endpoints = ["https://hec.example.com:8088"]
token = { env = "SET" }
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:4:37: error: only a sink of type "kafka" has a `topic`
       |
     4 | sinks = [{ sink = "screen", topic = "changes" }, { sink = "lake", index = "main" }, { sink = "soc", format = "ecs" }]
       |                                     ^^^^^^^^^

    certrelay.toml:4:75: error: only a sink of type "splunk_hec" has an `index`
       |
     4 | sinks = [{ sink = "screen", topic = "changes" }, { sink = "lake", index = "main" }, { sink = "soc", format = "ecs" }]
       |                                                                           ^^^^^^

    certrelay.toml:4:101: error: `format` in [[route]] sinks is not supported yet; remove it
       |
     4 | sinks = [{ sink = "screen", topic = "changes" }, { sink = "lake", index = "main" }, { sink = "soc", format = "ecs" }]
       |                                                                                                     ^^^^^^

    certrelay.toml:8:35: error: a topic is up to 249 letters, digits, `.`, `_` and `-`
       |
     8 | sinks = [{ sink = "lake", topic = "a b" }]
       |                                   ^^^^^

    certrelay.toml: 4 errors
    "#);
}

#[test]
fn an_expected_principal_is_an_arn_and_a_known_network_a_cidr() {
    let report = errors(&sound_with(
        r#"
[events]
expected_principals = ["alice", "arn:aws:iam::*:role/cert-rotation"]
known_networks = ["203.0.113.0/24", "203.0.113.0/33", "office"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:2:24: error: an ARN, or a glob of one, is expected, such as "arn:aws:iam::111122223333:role/*"
       |
     2 | expected_principals = ["alice", "arn:aws:iam::*:role/cert-rotation"]
       |                        ^^^^^^^

    certrelay.toml:2:33: warning: this does not name one account: a principal of any account may match
       |
     2 | expected_principals = ["alice", "arn:aws:iam::*:role/cert-rotation"]
       |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:3:37: error: a network is written like "203.0.113.0/24" or "2001:db8::/32", or is one address
       |
     3 | known_networks = ["203.0.113.0/24", "203.0.113.0/33", "office"]
       |                                     ^^^^^^^^^^^^^^^^

    certrelay.toml:3:55: error: a network is written like "203.0.113.0/24" or "2001:db8::/32", or is one address
       |
     3 | known_networks = ["203.0.113.0/24", "203.0.113.0/33", "office"]
       |                                                       ^^^^^^^^

    certrelay.toml: 3 errors, 1 warning
    "#);
}

#[test]
fn a_sessions_arn_is_answered_with_its_roles() {
    let report = errors(&sound_with(
        r#"
[events]
expected_principals = ["arn:aws:sts::111122223333:assumed-role/deploy/build-*", "alice"]
[[route]]
name = "one"
when = { principal = ["!arn:aws-cn:sts::111122223333:assumed-role/ops/alice", "*:assumed-role/deploy"] }
sinks = ["screen"]
"#,
    ));
    let warnings: Vec<_> = report.lines().filter(|line| line.contains("a session is")).collect();
    for (warning, role) in warnings.iter().zip([
        "arn:aws:iam::111122223333:role/deploy",
        "arn:aws-cn:iam::111122223333:role/ops",
        "*:role/deploy",
    ]) {
        assert!(warning.contains(&format!("write \"{role}\"")), "{report}");
    }
    assert_eq!(warnings.len(), 3, "{report}");
}

#[test]
fn labels_units_and_flags_that_no_event_can_have_are_errors() {
    let report = errors(&sound_with(
        r#"
[labels]
team = "security"
"a.b" = "x"
ou = "prod"
long = "\u0007"
[[route]]
name = "one"
when = { label = { taem = "x", environment = "prod*", team = "sec*" }, certificate = ["self-signed", "shiny"] }
sinks = ["screen"]
[[route]]
name = "two"
when = { ou = "prod", label = {} }
sinks = ["screen"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:3:1: error: a label's name is a letter and up to 63 more letters, digits or `_`
       |
     3 | "a.b" = "x"
       | ^^^^^

    certrelay.toml:4:1: error: `ou` is an account's: it comes from [accounts]
       |
     4 | ou = "prod"
       | ^^

    certrelay.toml:5:8: error: a label must not have control characters
       |
     5 | long = "\u0007"
       |        ^^^^^^^^

    certrelay.toml:8:20: error: unknown label `taem`: neither in [labels] nor of an account; did you mean `team`?
       |
     8 | when = { label = { taem = "x", environment = "prod*", team = "sec*" }, certificate = ["self-signed", "shiny"] }
       |                    ^^^^

    certrelay.toml:8:32: error: `environment` is a label of accounts: add [accounts], or `environment` to [labels]
       |
     8 | when = { label = { taem = "x", environment = "prod*", team = "sec*" }, certificate = ["self-signed", "shiny"] }
       |                                ^^^^^^^^^^^

    certrelay.toml:8:87: error: a certificate's flag is one of expired, not_yet_valid, valid_over_398_days, valid_over_825_days, rsa_below_2048, weak_signature, self_signed, certificate_authority, wildcard, internal_name; did you mean `self_signed`?
       |
     8 | when = { label = { taem = "x", environment = "prod*", team = "sec*" }, certificate = ["self-signed", "shiny"] }
       |                                                                                       ^^^^^^^^^^^^^

    certrelay.toml:8:102: error: a certificate's flag is one of expired, not_yet_valid, valid_over_398_days, valid_over_825_days, rsa_below_2048, weak_signature, self_signed, certificate_authority, wildcard, internal_name
       |
     8 | when = { label = { taem = "x", environment = "prod*", team = "sec*" }, certificate = ["self-signed", "shiny"] }
       |                                                                                                      ^^^^^^^

    certrelay.toml:12:10: error: the unit of an account comes from a table of accounts: add [accounts]
        |
     12 | when = { ou = "prod", label = {} }
        |          ^^

    certrelay.toml:12:31: error: `label` has no label: { environment = "prod*" }
        |
     12 | when = { ou = "prod", label = {} }
        |                               ^^

    certrelay.toml: 9 errors
    "#);
}

#[test]
fn a_table_of_accounts_is_one_file_or_object_of_a_known_kind() {
    for (text, part) in [
        ("", "[accounts] needs `file"),
        ("file = \"a.csv\"\ns3 = \"s3://b/a.csv\"", "not both"),
        ("file = \"a.xlsx\"", "a .csv or a .json"),
        ("s3 = \"b/a.csv\"", "s3://bucket/accounts.csv"),
        ("s3 = \"s3://b/\"", "a .csv or a .json"),
        ("file = \"a.csv\"\nrefresh = \"1 s\"", "must be from 1 min to 1 d"),
    ] {
        let report = errors(&sound_with(&format!("[accounts]\n{text}\n")));
        assert!(report.contains(part), "{text}: {report}");
    }
}
