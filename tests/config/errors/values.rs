//! Errors about values: units, ranges, variables, words, and what is not TOML.

use super::super::{errors, parse, sound_with};

#[test]
fn numbers_without_a_unit_or_out_of_range_are_errors() {
    let report = errors(&sound_with(
        r#"
[delivery]
max_concurrent_messages = 0
max_in_flight_messages = "many"
memory_limit = 64
shutdown_grace_period = 1
dedup_window = "1 hour"
visibility_timeout = "1 s"
delivery_timeout = "12 h"
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:2:27: error: `max_concurrent_messages` must be a whole number from 1 to 1024
       |
     2 | max_concurrent_messages = 0
       |                           ^

    certrelay.toml:3:26: error: `max_in_flight_messages` must be a whole number, not a string
       |
     3 | max_in_flight_messages = "many"
       |                          ^^^^^^

    certrelay.toml:4:16: error: a size needs a unit: write `memory_limit = "64 MiB"` (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)
       |
     4 | memory_limit = 64
       |                ^^

    certrelay.toml:5:25: error: a duration needs a unit: write `shutdown_grace_period = "1 s"` (units: ms, s, min, h, d)
       |
     5 | shutdown_grace_period = 1
       |                         ^

    certrelay.toml:6:16: error: `dedup_window` must be a duration: a whole number and a unit, such as "100 s" (units: ms, s, min, h, d)
       |
     6 | dedup_window = "1 hour"
       |                ^^^^^^^^

    certrelay.toml:7:22: error: `visibility_timeout` must be from 2 s to 12 h
       |
     7 | visibility_timeout = "1 s"
       |                      ^^^^^

    certrelay.toml:8:20: error: `delivery_timeout` and `visibility_timeout` together must be at most 12 h: SQS redelivers a message 12 h after its receive
       |
     8 | delivery_timeout = "12 h"
       |                    ^^^^^^

    certrelay.toml: 7 errors
    "#);
}

#[test]
fn an_admin_address_beyond_loopback_is_a_warning() {
    let warnings = |listen: &str| {
        let text = sound_with(&format!("[http]\nlisten = \"{listen}\"\n"));
        parse(&text).expect("no error").warnings.len()
    };
    for listen in ["127.0.0.1:9600", "127.8.8.8:9600", "[::1]:9600", "[::ffff:127.0.0.1]:9600"] {
        assert_eq!(warnings(listen), 0, "{listen}");
    }
    for listen in ["0.0.0.0:9600", "[::]:9600", "192.0.2.1:9600"] {
        assert_eq!(warnings(listen), 1, "{listen}");
    }
    let text = sound_with("[http]\nlisten = \"0.0.0.0:9600\"\n");
    insta::assert_snapshot!(parse(&text).expect("no error").warnings[0], @r#"
    certrelay.toml:2:10: warning: whoever can connect reads the names of queues and sinks and their errors: there is neither TLS nor a login. Unless metrics are scraped from another host, listen on 127.0.0.1, as the container's health check does
       |
     2 | listen = "0.0.0.0:9600"
       |          ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn an_overdue_sink_is_called_after_five_minutes_or_as_configured() {
    let after = |text: &str| parse(&sound_with(text)).expect("no error").alerts.sink_after;
    assert_eq!(after("").as_secs(), 300);
    assert_eq!(after("[alerts]\nsink_after = \"1 h\"\n").as_secs(), 3600);
}

#[test]
fn limits_and_flags_have_their_types_and_ranges() {
    let report = errors(&sound_with(
        r#"
[decode]
max_nesting = 1000
strict = "yes"
hash = 1
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:2:15: error: `max_nesting` must be a whole number from 8 to 62
       |
     2 | max_nesting = 1000
       |               ^^^^

    certrelay.toml:3:10: error: `strict` must be `true` or `false`, not a string
       |
     3 | strict = "yes"
       |          ^^^^^

    certrelay.toml:4:8: error: `hash` must be `true` or `false`, not an integer
       |
     4 | hash = 1
       |        ^

    certrelay.toml: 3 errors
    "#);
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let report = errors(&sound_with(
        r#"
[aws]
s3_endpoint = "${ENDPOINT}"
sqs_endpoint = "http://${SET"
[log]
level = "${LEVEL:-inof}"
[delivery]
max_concurrent_messages = "${SET}"
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:2:15: error: environment variable ENDPOINT is not set; set it, or write `${ENDPOINT:-default}`
       |
     2 | s3_endpoint = "${ENDPOINT}"
       |               ^^^^^^^^^^^^^

    certrelay.toml:3:16: error: `${` has no closing `}`; a dollar sign is written `$$`
       |
     3 | sqs_endpoint = "http://${SET"
       |                ^^^^^^^^^^^^^^

    certrelay.toml:5:9: error: `level` is one of off, error, warn, info, debug, trace, or pairs such as "certrelay=debug,warn"; did you mean `info`?
       |
     5 | level = "${LEVEL:-inof}"
       |         ^^^^^^^^^^^^^^^^

    certrelay.toml:7:27: error: `max_concurrent_messages` must be a whole number from 1 to 1024
       |
     7 | max_concurrent_messages = "${SET}"
       |                           ^^^^^^^^

    certrelay.toml: 4 errors
    "#);
}

#[test]
fn words_of_log_http_and_format_are_checked() {
    let report = errors(&sound_with(
        r#"
[log]
format = "jsno"
level = "certrelay=debgu,warn"
[http]
listen = "localhost"
[format.ocsf]
version = "1.7.0"
[privacy]
keep_pem = "no"
keep_key = true
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:2:10: error: `format` must be "json" or "text"; did you mean `json`?
       |
     2 | format = "jsno"
       |          ^^^^^^

    certrelay.toml:3:9: error: `level` is one of off, error, warn, info, debug, trace, or pairs such as "certrelay=debug,warn"; did you mean `debug`?
       |
     3 | level = "certrelay=debgu,warn"
       |         ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:5:10: error: `listen` is an address and a port, such as "127.0.0.1:9600"
       |
     5 | listen = "localhost"
       |          ^^^^^^^^^^^

    certrelay.toml:7:11: error: `version` must be "1.8.0" or "1.5.0"; did you mean `1.8.0`?
       |
     7 | version = "1.7.0"
       |           ^^^^^^^

    certrelay.toml:9:12: error: `keep_pem` must be `true` or `false`, not a string
       |
     9 | keep_pem = ********
       |            ^^^^^^^^

    certrelay.toml:10:1: error: unknown key `keep_key` in [privacy]; did you mean `keep_pem`?
        |
     10 | keep_key = ********
        | ^^^^^^^^

    certrelay.toml: 6 errors
    "#);
}

/// Returns the diagnostics of a text that is not TOML, without the gutter.
fn quoted(text: &str) -> String {
    let report = errors(text);
    assert!(report.ends_with("certrelay.toml: 1 error"), "{report}");
    let lines = report.lines().take(4).map(|line| line.split_once(" | ").map_or(line, |(_, l)| l));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_first_syntax_error_is_shown_alone_where_it_is() {
    let unclosed = "[[source]\ndirectory = logs\n[delivery]\nshutdown_grace_period \"100 s\"\n";
    insta::assert_snapshot!(quoted(unclosed), @r#"
    certrelay.toml:1:10: error: not TOML: unclosed array table, expected `]`
       |
    [[source]
             ^
    "#);
    let duplicate = "[delivery]\nmax_concurrent_messages = 1\nmax_concurrent_messages = 2\n";
    insta::assert_snapshot!(quoted(duplicate), @r#"
    certrelay.toml:3:1: error: not TOML: duplicate key `max_concurrent_messages`; the first is in line 2
       |
    max_concurrent_messages = 2
    ^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    let no_equals = "[delivery]\nshutdown_grace_period \"100 s\"\n";
    insta::assert_snapshot!(quoted(no_equals), @r#"
    certrelay.toml:2:23: error: not TOML: key with no value, expected `=`
       |
    shutdown_grace_period "100 s"
                          ^
    "#);
}

#[test]
fn what_is_not_closed_is_shown_where_it_opens() {
    let list = "[[route]]\nname = \"all\"\nsinks = [\"lake\",\n  \"soc\"\n[sink.soc]\ntype = \"splunk_hec\"\n";
    insta::assert_snapshot!(quoted(list), @r#"
    certrelay.toml:3:9: error: not TOML: not closed
       |
    sinks = ["lake",
            ^^^^^^^^
    "#);
    let table = "[sink.lake]\ntls = { insecure = false\ntopic = \"all\"\n[log]\n";
    insta::assert_snapshot!(quoted(table), @r#"
    certrelay.toml:2:7: error: not TOML: not closed
       |
    tls = { insecure = false
          ^^^^^^^^^^^^^^^^^^
    "#);
    let long = "[log]\nlevel = \"\"\"info\nformat = \"json\"\n";
    insta::assert_snapshot!(quoted(long), @r#"
    certrelay.toml:2:9: error: not TOML: not closed
       |
    level = """info
            ^^^
    "#);
}

#[test]
fn a_syntax_error_beside_a_secret_shows_all_but_the_secret() {
    for (line, shown) in [
        (r#"token = "cAnArY"#, "token = ********"),
        (
            r#"auth = { mechanism = "PLAIN", username = "relay, password = "cAnArY" }"#,
            r#"auth = { mechanism = "PLAIN", username = "relay, password = ********"#,
        ),
        (
            r#"auth = { mechanism = "PLAIN", username = "relay", password = "cAnArY" "#,
            r#"auth = { mechanism = "PLAIN", username = "relay", password = ********"#,
        ),
        (r#"brokers = ["b.example.com:9092" # cAnArY"#, r#"brokers = ["b.example.com:9092""#),
    ] {
        let report = quoted(&format!("[sink.lake]\n{line}\n[log]\nlevel = \"info\"\n"));
        assert_eq!(report.lines().nth(2), Some(shown), "{report}");
    }
}
