//! Mistakes and warnings about sinks.

use super::super::mistakes;

#[test]
fn kafka_s_own_settings_are_checked() {
    let said = mistakes(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:9:12: mistake: a broker is a host and a port, such as "broker-1.example.com:9092"
       |
     9 | brokers = ["broker.example.com", "broker.example.com:9094"]
       |            ^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:10:9: mistake: a topic is up to 249 letters, digits, `.`, `_` and `-`
        |
     10 | topic = "iam certificates"
        |         ^^^^^^^^^^^^^^^^^^

    certrelay.toml:11:7: mistake: `key` must be "account" or "event_id" or "target_arn"; did you mean `account`?
        |
     11 | key = "acount"
        |       ^^^^^^^^

    certrelay.toml:12:22: mistake: Kerberos is not supported; use mutual TLS, SCRAM over TLS or "aws_msk_iam"
        |
     12 | auth = { mechanism = "kerberos" }
        |                      ^^^^^^^^^^

    certrelay.toml:13:7: mistake: a certificate and its key belong together: write `cert_file` and `key_file`, or `client_cert` and `client_key`, or none
        |
     13 | tls = { cert_file = "client.pem" }
        |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:14:13: mistake: certrelay sets `acks` itself: always `all`: nothing is settled before it is safe
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |             ^^^^

    certrelay.toml:14:23: mistake: certrelay sets `enable.idempotence` itself: always on
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |                       ^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:14:58: mistake: certrelay sets `sasl.username` itself: write `auth`
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |                                                          ^^^^^^^^

    certrelay.toml:14:86: mistake: an option is a string, a decimal integer, or a boolean
        |
     14 | options = { acks = 1, "enable.idempotence" = false, sasl.username = ********, linger.ms = [5] }
        |                                                                                           ^^^

    certrelay.toml: 9 mistakes
    "#);
}

/// What is said of a Kafka sink that is sound but for these lines.
fn of_kafka(lines: &str) -> String {
    mistakes(&format!(
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
fn logins_to_msk_are_checked() {
    let own = r#"brokers = ["kafka.example.com:9098"]
topic = "certificates""#;
    let msk = r#"brokers = ["b-1.lake.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"]
topic = "certificates""#;
    for (brokers, login, said) in [
        (own, r#"auth = { mechanism = "aws_msk_iam" }"#, "`auth` needs `region = "),
        (own, r#"auth = { mechanism = "aws_msk_iam", region = "EU" }"#, "a region is written as"),
        (msk, r#"auth = { mechanism = "aws_msk_iam" }"#, "works over TLS alone: add `tls = {}`"),
        (
            msk,
            r#"auth = { mechanism = "aws_msk_iam", username = "u" }"#,
            "has no `username` and `password`",
        ),
        (msk, r#"auth = { mechanism = "aws_msk_iam", role = { arn = "x" } }"#, "a role's ARN is"),
        (
            msk,
            r#"auth = { mechanism = "PLAIN", username = "u", password = "p", region = "eu-west-1" }"#,
            "only mechanism \"aws_msk_iam\" has a `region`",
        ),
        (
            msk,
            r#"auth = { mechanism = "oauthbearer" }"#,
            "for Amazon MSK alone, as \"aws_msk_iam\"",
        ),
        (msk, r#"auth = { mechanism = "scram" }"#, "\"SCRAM-SHA-512\" or \"aws_msk_iam\""),
    ] {
        let found = of_kafka(&format!("{brokers}\n{login}"));
        assert!(found.contains(said), "{login}: {found}");
    }
}

#[test]
fn topics_of_a_table_and_registries_are_checked() {
    let brokers = r#"brokers = ["kafka.example.com:9092"]"#;
    let plain = r#"topic = "certificates"
schema_registry = "#;
    for (lines, said) in [
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
        assert!(found.contains(said), "{lines}: {found}");
    }
}

#[test]
fn plain_passwords_without_tls_are_warned_about() {
    let said = mistakes(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:6:1: warning: its `timeout` is longer than `drain` in [delivery]: what is under way at SIGTERM may be cut off, and sent again by the next task
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

    certrelay.toml:13:1: mistake: unknown key `unknown` in [sink.lake]
        |
     13 | unknown = ********
        | ^^^^^^^

    certrelay.toml: 1 mistake, 3 warnings
    "#);
}

#[test]
fn splunk_s_own_settings_are_checked() {
    let said = mistakes(
        r#"[[source]]
directory = "logs"
[[route]]
name = "default"
sinks = ["soc"]
[sink.soc]
type = "splunk_hec"

endpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/services/collector"]
mode = "only"
format = "ocsf"
ack = true
tls = { insecure = true }
"#,
    );
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:6:1: mistake: [sink.soc] needs `token`, for example `token = { env = "HEC_TOKEN" }`
       |
     6 | [sink.soc]
       | ^^^^^^^^^^

    certrelay.toml:9:14: mistake: `endpoints` must start with https:// (or http://)
       |
     9 | endpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/se…
       |              ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:38: mistake: `endpoints` must start with https:// (or http://)
       |
     9 | endpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/se…
       |                                      ^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:63: warning: plain http: the token crosses the network unencrypted; use https
       |
     9 | …dpoints = ["hec.example.com:8088", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/serv…
       |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:9:94: mistake: an endpoint is a base URL, such as "https://hec.example.com:8088": leave the path away
       |
     9 | …8", "ftp://hec.example.com", "http://hec.example.com:8088", "https://hec.example.com/services/collector"]
       |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:11:10: mistake: mode "only" sends raw records; remove `format`, or use mode "beside"
        |
     11 | format = "ocsf"
        |          ^^^^^^

    certrelay.toml:13:7: warning: `insecure`: anyone on the way can read and change what is sent
        |
     13 | tls = { insecure = true }
        |       ^^^^^^^^^^^^^^^^^^^

    certrelay.toml: 5 mistakes, 2 warnings
    "#);
}

#[test]
fn a_mapping_is_checked_key_by_key_and_text_by_text() {
    let said = mistakes(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:5:26: mistake: this route names this sink already
       |
     5 | sinks = ["soc", { sink = "soc", index = "Other" }]
       |                          ^^^^^

    certrelay.toml:5:41: mistake: an index has small letters, digits, `_` and `-`, starts with a letter or digit, and does not contain "kvstore"
       |
     5 | sinks = ["soc", { sink = "soc", index = "Other" }]
       |                                         ^^^^^^^

    certrelay.toml:10:16: mistake: `by` must be "account" or "ou" or "event" or "severity"; did you mean `account`?
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                ^^^^^^^^

    certrelay.toml:10:54: mistake: an index has small letters, digits, `_` and `-`, starts with a letter or digit, and does not contain "kvstore"
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                                                      ^^^^^^

    certrelay.toml:10:72: mistake: not a glob: unclosed character class; missing ']'
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                                                                        ^^^^^

    certrelay.toml:10:91: mistake: an index has small letters, digits, `_` and `-`, starts with a letter or digit, and does not contain "kvstore"
        |
     10 | index = { by = "acount", values = { "111122223333" = "Prod", "4444[" = "lab" }, default = "_main" }
        |                                                                                           ^^^^^^^

    certrelay.toml:11:10: mistake: `source` needs `default`, for example `default = "main"`
        |
     11 | source = { by = "severity", values = { hihg = "a", "*" = "" } }
        |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:11:40: mistake: a severity is one of informational, low, medium, high, critical; did you mean `high`?
        |
     11 | source = { by = "severity", values = { hihg = "a", "*" = "" } }
        |                                        ^^^^

    certrelay.toml:11:58: mistake: `entry` must not be empty
        |
     11 | source = { by = "severity", values = { hihg = "a", "*" = "" } }
        |                                                          ^^

    certrelay.toml:12:43: mistake: an account is its 12 digits, in quotes, or a glob
        |
     12 | sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = ******** }
        |                                           ^^^^^^

    certrelay.toml:12:67: mistake: `entry` must be a string, not an integer
        |
     12 | sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = ******** }
        |                                                                   ^

    certrelay.toml:12:87: mistake: unknown key `other` in `sourcetype`
        |
     12 | sourcetype = { by = "account", values = { "1234" = "a", "1111*" = 7 }, default = "b", other = ******** }
        |                                                                                       ^^^^^

    certrelay.toml:13:35: warning: not a certificate event that certrelay knows; did you mean `UploadServerCertificate`?
        |
     13 | host = { by = "event", values = { UploadServerCertificat = "a" }, default = "b" }
        |                                   ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml: 12 mistakes, 1 warning
    "#);
}
