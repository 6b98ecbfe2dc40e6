//! Mistakes about values: units, ranges, variables, words, and what is not TOML.

use super::super::{mistakes, sound_with};

#[test]
fn numbers_without_a_unit_or_out_of_range_are_refused() {
    let said = mistakes(&sound_with(
        r#"
[delivery]
work = 0
unacknowledged = "many"
memory = 64
drain = 1
ledger = "1 hour"
visibility = "1 s"
patience = "12 h"
"#,
    ));
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:2:8: mistake: `work` must be a whole number from 1 to 1024
       |
     2 | work = 0
       |        ^

    certrelay.toml:3:18: mistake: `unacknowledged` must be a whole number, not a string
       |
     3 | unacknowledged = "many"
       |                  ^^^^^^

    certrelay.toml:4:10: mistake: a size needs a unit: write `memory = "64 MiB"` (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)
       |
     4 | memory = 64
       |          ^^

    certrelay.toml:5:9: mistake: a duration needs a unit: write `drain = "1 s"` (units: ms, s, min, h, d)
       |
     5 | drain = 1
       |         ^

    certrelay.toml:6:10: mistake: `ledger` must be a duration: a whole number and a unit, such as "100 s" (units: ms, s, min, h, d)
       |
     6 | ledger = "1 hour"
       |          ^^^^^^^^

    certrelay.toml:7:14: mistake: `visibility` must be from 2 s to 12 h
       |
     7 | visibility = "1 s"
       |              ^^^^^

    certrelay.toml:8:12: mistake: `patience` and `visibility` together must be at most 12 h: SQS takes a message back 12 h after its receive
       |
     8 | patience = "12 h"
       |            ^^^^^^

    certrelay.toml: 7 mistakes
    "#);
}

#[test]
fn limits_and_flags_have_their_types_and_ranges() {
    let said = mistakes(&sound_with(
        r#"
[decode]
max_nesting = 1000
strict = "yes"
hash = 1
"#,
    ));
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:2:15: mistake: `max_nesting` must be a whole number from 8 to 62
       |
     2 | max_nesting = 1000
       |               ^^^^

    certrelay.toml:3:10: mistake: `strict` must be `true` or `false`, not a string
       |
     3 | strict = "yes"
       |          ^^^^^

    certrelay.toml:4:8: mistake: `hash` must be `true` or `false`, not an integer
       |
     4 | hash = 1
       |        ^

    certrelay.toml: 3 mistakes
    "#);
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let said = mistakes(&sound_with(
        r#"
[aws]
s3_endpoint = "${ENDPOINT}"
sqs_endpoint = "http://${SET"
[log]
level = "${LEVEL:-inof}"
[delivery]
work = "${SET}"
"#,
    ));
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:2:15: mistake: environment variable ENDPOINT is not set; set it, or write `${ENDPOINT:-default}`
       |
     2 | s3_endpoint = "${ENDPOINT}"
       |               ^^^^^^^^^^^^^

    certrelay.toml:3:16: mistake: `${` has no closing `}`; a dollar sign is written `$$`
       |
     3 | sqs_endpoint = "http://${SET"
       |                ^^^^^^^^^^^^^^

    certrelay.toml:5:9: mistake: `level` is one of off, error, warn, info, debug, trace, or pairs such as "certrelay=debug,warn"; did you mean `info`?
       |
     5 | level = "${LEVEL:-inof}"
       |         ^^^^^^^^^^^^^^^^

    certrelay.toml:7:8: mistake: `work` must be a whole number from 1 to 1024
       |
     7 | work = "${SET}"
       |        ^^^^^^^^

    certrelay.toml: 4 mistakes
    "#);
}

#[test]
fn log_http_and_format_take_few_words() {
    let said = mistakes(&sound_with(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:2:10: mistake: `format` must be "json" or "text"; did you mean `json`?
       |
     2 | format = "jsno"
       |          ^^^^^^

    certrelay.toml:3:9: mistake: `level` is one of off, error, warn, info, debug, trace, or pairs such as "certrelay=debug,warn"; did you mean `debug`?
       |
     3 | level = "certrelay=debgu,warn"
       |         ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:5:10: mistake: `listen` is an address and a port, such as "127.0.0.1:9600"
       |
     5 | listen = "localhost"
       |          ^^^^^^^^^^^

    certrelay.toml:7:11: mistake: `version` must be "1.8.0" or "1.5.0"; did you mean `1.8.0`?
       |
     7 | version = "1.7.0"
       |           ^^^^^^^

    certrelay.toml:9:12: mistake: `keep_pem` must be `true` or `false`, not a string
       |
     9 | keep_pem = ********
       |            ^^^^^^^^

    certrelay.toml:10:1: mistake: unknown key `keep_key` in [privacy]; did you mean `keep_pem`?
        |
     10 | keep_key = ********
        | ^^^^^^^^

    certrelay.toml: 6 mistakes
    "#);
}

#[test]
fn what_is_not_toml_is_shown_where_it_breaks() {
    let said = mistakes(
        r#"[[source]
directory = logs
[delivery]
work = 1
work = 2
drain "100 s"
"#,
    );
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:1:10: mistake: not TOML: unclosed array table, expected `]`
       |
     1 | [[source]
       |          ^

    certrelay.toml:5:1: mistake: not TOML: duplicate key `work`; the first is in line 4
       |
     5 | work = ********
       | ^^^^

    certrelay.toml:6:7: mistake: not TOML: key with no value, expected `=`
       |
     6 | ********
       |         ^

    certrelay.toml: 3 mistakes
    "#);
}
