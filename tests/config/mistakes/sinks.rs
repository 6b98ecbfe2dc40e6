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
auth = { mechanism = "aws_msk_iam" }
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

    certrelay.toml:11:7: mistake: `key` must be "account" or "event_id"; did you mean `account`?
        |
     11 | key = "acount"
        |       ^^^^^^^^

    certrelay.toml:12:22: mistake: this mechanism is not supported yet; use PLAIN or SCRAM over TLS
        |
     12 | auth = { mechanism = "aws_msk_iam" }
        |                      ^^^^^^^^^^^^^

    certrelay.toml:13:7: mistake: `cert_file` and `key_file` belong together: write both or none
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
