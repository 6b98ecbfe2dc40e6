//! Errors and warnings about sinks.

use super::super::{errors, parse};

#[test]
fn settings_of_kafka_are_checked() {
    let report = errors(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["lake"]
[sink.lake]
type = "kafka"

brokers = ["broker.example.com", "broker.example.com:9094"]
topic = "iam certificates"
key = "acount"
auth = { mechanism = "kerberos" }
tls = { cert_file = "client.pem" }
options = { acks = 1, "enable.idempotence" = false, sasl.username = "u", linger.ms = [5] }
"#,
    );
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:9:12: error: a broker is a host and a port, such as "broker-1.example.com:9092"
       |
     9 | brokers = ["broker.example.com", "broker.example.com:9094"]
       |            ^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:10:9: error: a topic is up to 249 letters, digits, `.`, `_` and `-`
        |
     10 | topic = "iam certificates"
        |         ^^^^^^^^^^^^^^^^^^

    certrelay.toml:11:7: error: `key` must be "account" or "event_id" or "target_arn"; did you mean `account`?
        |
     11 | key = "acount"
        |       ^^^^^^^^

    certrelay.toml:12:22: error: Kerberos is not supported; use mutual TLS, SCRAM over TLS or "aws_msk_iam"
        |
     12 | auth = { mechanism = "kerberos" }
        |                      ^^^^^^^^^^

    certrelay.toml:13:7: error: a certificate and its key belong together: write `cert_file` and `key_file`, or `client_cert` and `client_key`, or none
        |
     13 | tls = { cert_file = "client.pem" }
        |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:14:13: error: certrelay sets `acks` itself: always `all`: an event is delivered when all in-sync replicas have it
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |             ^^^^

    certrelay.toml:14:23: error: certrelay sets `enable.idempotence` itself: always on
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |                       ^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:14:58: error: certrelay sets `sasl.username` itself: write `auth`
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |                                                          ^^^^^^^^

    certrelay.toml:14:86: error: an option is a string, a decimal integer, or a boolean
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |                                                                                           ^^^

    certrelay.toml: 9 errors
    "#);
}

/// Returns the diagnostics of a Kafka sink with these lines.
fn of_kafka(lines: &str) -> String {
    errors(&format!(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["lake"]
[sink.lake]
type = "kafka"
{lines}
"#
    ))
}

#[test]
fn ports_of_other_services_are_warned_about() {
    let warnings = |port: u16, of_kafka: bool| {
        let sink = if of_kafka {
            format!("type = \"kafka\"\nbrokers = [\"broker.example.com:{port}\"]\ntopic = \"all\"")
        } else {
            format!(
                "type = \"splunk_hec\"\nendpoints = [\"https://hec.example.com:{port}\"]\ntoken = {{ env = \"SET\" }}"
            )
        };
        let text = format!(
            "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"one\"]\n[sink.one]\n{sink}\n"
        );
        let warnings = parse(&text).expect("no error").warnings;
        warnings.into_iter().map(|one| one.text).collect::<Vec<_>>().join("; ")
    };
    for (port, text) in
        [(8000, "Splunk Web; HEC's is 8088"), (8089, "management"), (9997, "forwarders")]
    {
        assert!(warnings(port, false).contains(text), "{port}");
    }
    assert!(warnings(2181, true).contains("ZooKeeper"));
    assert_eq!(warnings(8088, false) + &warnings(9092, true) + &warnings(443, false), "");
}

#[test]
fn logins_to_msk_are_checked() {
    let own = r#"brokers = ["kafka.example.com:9098"]
topic = "certificates""#;
    let msk = r#"brokers = ["b-1.lake.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"]
topic = "certificates""#;
    for (brokers, login, report) in [
        (own, r#"auth = { mechanism = "aws_msk_iam" }"#, "`auth` needs `region`: "),
        (own, r#"auth = { mechanism = "aws_msk_iam", region = "EU" }"#, "a region is written like"),
        (msk, r#"auth = { mechanism = "aws_msk_iam" }"#, "works only over TLS: add `tls = {}`"),
        (
            msk,
            r#"auth = { mechanism = "aws_msk_iam", username = "u" }"#,
            "has no `username` and `password`",
        ),
        (msk, r#"auth = { mechanism = "aws_msk_iam", role = { arn = "x" } }"#, "a role's ARN is"),
        (
            msk,
            r#"auth = { mechanism = "aws_msk_iam", role = { arn = "arn:aws:sts::444455556666:assumed-role/msk/x" } }"#,
            "a role's ARN is arn:aws:iam::444455556666:role/msk",
        ),
        (
            msk,
            r#"auth = { mechanism = "PLAIN", username = "u", password = "p", region = "eu-west-1" }"#,
            "only mechanism \"aws_msk_iam\" has a `region`",
        ),
        (msk, r#"auth = { mechanism = "oauthbearer" }"#, "only for Amazon MSK, as \"aws_msk_iam\""),
        (msk, r#"auth = { mechanism = "scram" }"#, "\"SCRAM-SHA-512\" or \"aws_msk_iam\""),
    ] {
        let found = of_kafka(&format!("{brokers}\n{login}"));
        assert!(found.contains(report), "{login}: {found}");
    }
}

#[test]
fn topics_of_a_table_and_registries_are_checked() {
    let brokers = r#"brokers = ["kafka.example.com:9092"]"#;
    let plain = r#"topic = "certificates"
schema_registry = "#;
    for (lines, report) in [
        (
            r#"topic = { by = "account", values = { "111122223333" = "a b" }, default = "certificates" }"#
                .to_owned(),
            "a topic is up to 249 letters",
        ),
        (format!(r#"{plain}"https://registry.example.com""#), "write `schema_registry = { url ="),
        (format!(r#"{plain}{{ url = "registry.example.com" }}"#), "`url` is not a URL"),
        (
            format!(r#"{plain}{{ url = "https://glue.us-east-1.amazonaws.com" }}"#),
            "AWS Glue's schema registry is not supported",
        ),
        (
            format!(r#"{plain}{{ url = "https://registry.example.com", username = "u" }}"#),
            "`username` and `password` belong together",
        ),
        (
            format!(r#"{plain}{{ url = "https://registry.example.com", subject = "value" }}"#),
            "`subject` must be \"topic\" or \"record\" or \"topic_record\"",
        ),
        (
            format!(
                r#"{plain}{{ url = "http://registry.example.com", username = "u", password = {{ env = "P" }} }}
x = 1"#
            ),
            "plain http: the password crosses the network",
        ),
    ] {
        let found = of_kafka(&format!("{brokers}\n{lines}"));
        assert!(found.contains(report), "{lines}: {found}");
    }
}

#[test]
fn plain_passwords_without_tls_are_warned_about() {
    let report = errors(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["lake"]
[sink.lake]
type = "kafka"

brokers = ["broker.example.com:9092"]
topic = "certificates"
timeout = "5 min"
auth = { mechanism = "PLAIN", username = "certrelay", password = { env = "UNSET" } }
unknown = true
"#,
    );
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:6:1: warning: its `timeout` is longer than `shutdown_grace_period` in [delivery]: a request in flight at SIGTERM may be interrupted, and its events sent again by the next task
       |
     6 | [sink.lake]
       | ^^^^^^^^^^^

    certrelay.toml:12:8: warning: PLAIN without `tls`: the password crosses the network unencrypted
        |
     12 | auth = { mechanism = "PLAIN", username = "certrelay", password = { env = "UNSET" } }
        |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:12:74: warning: this environment variable is not set here
        |
     12 | auth = { mechanism = "PLAIN", username = "certrelay", password = { env = "UNSET" } }
        |                                                                          ^^^^^^^

    certrelay.toml:13:1: error: unknown key `unknown` in [sink.lake]
        |
     13 | unknown = ********
        | ^^^^^^^

    certrelay.toml: 1 error, 3 warnings
    "#);
}

#[test]
fn settings_of_splunk_are_checked() {
    let report = errors(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["soc"]
[sink.soc]
type = "splunk_hec"

endpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/services/collector"]
mode = "records"
format = "ocsf"
ack = true
tls = { insecure = true }
"#,
    );
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:6:1: error: [sink.soc] needs `token`, for example `token = { env = "HEC_TOKEN" }`
       |
     6 | [sink.soc]
       | ^^^^^^^^^^

    certrelay.toml:9:14: error: `endpoints` must start with https:// (or http://)
       |
     9 | endpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/se…
       |              ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:38: error: `endpoints` must start with https:// (or http://)
       |
     9 | endpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/se…
       |                                      ^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:63: warning: plain http: the token crosses the network unencrypted; use https
       |
     9 | …dpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/serv…
       |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:94: error: an endpoint is a base URL, such as "https://hec.example.com:8088": remove /services/collector, which certrelay adds
       |
     9 | …8", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/services/collector"]
       |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:11:10: error: mode "records" sends raw records; remove `format`, or use mode "events"
        |
     11 | format = "ocsf"
        |          ^^^^^^

    certrelay.toml:13:7: warning: `insecure`: anyone on the network path can read and change what is sent
        |
     13 | tls = { insecure = true }
        |       ^^^^^^^^^^^^^^^^^^^

    certrelay.toml: 5 errors, 2 warnings
    "#);
}

#[test]
fn every_key_and_value_of_a_mapping_is_checked() {
    let report = errors(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["soc", { sink = "soc", index = "Other" }]
[sink.soc]
type = "splunk_hec"
endpoints = ["https://hec.example.com:8088"]
token = { file = "token" }
index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
source = { by = "severity", values = { hihg = "a", "*" = "" } }
sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = "c" }
host = { by = "event", values = { UploadServerCertificat = "a" }, default = "b" }
"#,
    );
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:5:26: error: this route names this sink already
       |
     5 | sinks = ["soc", { sink = "soc", index = "Other" }]
       |                          ^^^^^

    certrelay.toml:5:41: error: an index has lower-case letters, digits, `_` and `-`, starts with a letter or digit, and does not contain "kvstore"
       |
     5 | sinks = ["soc", { sink = "soc", index = "Other" }]
       |                                         ^^^^^^^

    certrelay.toml:10:16: error: `by` must be "account" or "ou" or "event" or "severity"; did you mean `account`?
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                ^^^^^^^^

    certrelay.toml:10:54: error: an index has lower-case letters, digits, `_` and `-`, starts with a letter or digit, and does not contain "kvstore"
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                                                      ^^^^^^

    certrelay.toml:10:72: error: not a glob: unclosed character class; missing ']'
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                                                                        ^^^^^

    certrelay.toml:10:91: error: an index has lower-case letters, digits, `_` and `-`, starts with a letter or digit, and does not contain "kvstore"
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                                                                                           ^^^^^^^

    certrelay.toml:11:10: error: `source` needs `default`, for example `default = "main"`
        |
     11 | source = { by = "severity", values = { hihg = "a", "*" = "" } }
        |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:11:40: error: a severity is one of informational, low, medium, high, critical; did you mean `high`?
        |
     11 | source = { by = "severity", values = { hihg = "a", "*" = "" } }
        |                                        ^^^^

    certrelay.toml:11:58: error: `entry` must not be empty
        |
     11 | source = { by = "severity", values = { hihg = "a", "*" = "" } }
        |                                                          ^^

    certrelay.toml:12:43: error: an account is its 12 digits, in quotes, or a glob
        |
     12 | sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = ******** }
        |                                           ^^^^^^

    certrelay.toml:12:67: error: `entry` must be a string, not an integer
        |
     12 | sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = ******** }
        |                                                                   ^

    certrelay.toml:12:87: error: unknown key `other` in `sourcetype`
        |
     12 | sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = ******** }
        |                                                                                       ^^^^^

    certrelay.toml:13:35: warning: not a certificate event that certrelay knows; did you mean `UploadServerCertificate`?
        |
     13 | host = { by = "event", values = { UploadServerCertificat = "a" }, default = "b" }
        |                                   ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml: 12 errors, 1 warning
    "#);
}
