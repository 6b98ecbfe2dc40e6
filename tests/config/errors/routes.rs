//! Errors about the selection of events and their routes.

use super::super::{errors, sound_with};

#[test]
fn unknown_groups_and_names_are_errors() {
    let report = errors(&sound_with(
        r#"
[events]
include = [
  "server-certificate", "signing-certificates", "UploadServerCertificat",
  "audit-trail", "Upload[", 7,
  { source = "acm", names = ["*"] },
  { name = ["*"] },
]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:3:25: error: neither a group (server-certificate, signing-certificate, audit-trail) nor an event's name; did you mean `signing-certificate`?
       |
     3 |   "server-certificate", "signing-certificates", "UploadServerCertificat",
       |                         ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:3:49: warning: not a certificate event that certrelay knows; did you mean `UploadServerCertificate`?
       |
     3 |   "server-certificate", "signing-certificates", "UploadServerCertificat",
       |                                                 ^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:4:18: error: not a glob: unclosed character class; missing ']'
       |
     4 |   "audit-trail", "Upload[", 7,
       |                  ^^^^^^^^^

    certrelay.toml:4:29: error: `include` must be a string, not an integer
       |
     4 |   "audit-trail", "Upload[", 7,
       |                             ^

    certrelay.toml:5:14: error: `source` is an eventSource without wildcards, such as "acm.amazonaws.com"
       |
     5 |   { source = "acm", names = ["*"] },
       |              ^^^^^

    certrelay.toml:6:3: error: [events] include needs `source`, for example `source = "acm.amazonaws.com"`
       |
     6 |   { name = [********] },
       |   ^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:6:3: error: [events] include needs `names`, for example `names = ["ImportCertificate"]`
       |
     6 |   { name = [********] },
       |   ^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:6:5: error: unknown key `name` in [events] include; did you mean `names`?
       |
     6 |   { name = [********] },
       |     ^^^^

    certrelay.toml: 7 errors, 1 warning
    "#);
}

#[test]
fn an_unknown_condition_or_one_that_never_matches_is_an_error() {
    let report = errors(&sound_with(
        r#"
[[route]]
name = "changes"
when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
sinks = ["screen"]
[[route]]
name = "by-principal"
when = { principal = "alice", regoin = "us-east-1" }
sinks = ["screen", "screen"]
"#,
    ));
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:3:19: error: [events] selects no event of this name
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                   ^^^^^^^^

    certrelay.toml:3:51: error: an outcome is one of success, failure; did you mean `success`?
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                                                   ^^^^^^^^

    certrelay.toml:3:71: error: an account is its 12 digits, or a glob
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                                                                       ^^^^^^

    certrelay.toml:3:88: error: not a region; did you mean `us-east-1`?
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                                                                                        ^^^^^^^^^

    certrelay.toml:7:22: error: an ARN, or a glob of one, is expected, such as "arn:aws:iam::111122223333:role/*"
       |
     7 | when = { principal = "alice", regoin = ******** }
       |                      ^^^^^^^

    certrelay.toml:7:31: error: unknown key `regoin` in [[route]] when; did you mean `region`?; the conditions are event, outcome, severity, finding, account, region, principal, target, channel, ou, certificate and label, and ignoring one would send events to the wrong sinks
       |
     7 | when = { principal = "alice", regoin = ******** }
       |                               ^^^^^^

    certrelay.toml:8:20: error: this route names this sink already
       |
     8 | sinks = ["screen", "screen"]
       |                    ^^^^^^^^

    certrelay.toml: 7 errors
    "#);
}

#[test]
fn routes_have_names_sinks_and_an_end() {
    let report = errors(
        r#"[[source]]
directory = "logs"
[[route]]
name = "all"
sinks = ["scren", "discard", { sink = "lake", topic = "t" }]
[[route]]
name = "all"
when = { event = "Delete*" }
sinks = []
[sink.screen]
type = "stdout"
[sink.lake]
type = "kafak"
"#,
    );
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:5:10: error: there is no [sink] of this name; did you mean `screen`?
       |
     5 | sinks = ["scren", "discard", { sink = "lake", topic = "t" }]
       |          ^^^^^^^

    certrelay.toml:5:19: error: `discard` is not a sink: write `sinks = "discard"`, not a list
       |
     5 | sinks = ["scren", "discard", { sink = "lake", topic = "t" }]
       |                   ^^^^^^^^^

    certrelay.toml:6:1: error: never reached: an earlier route without `continue` matches every event
       |
     6 | [[route]]
       | ^^^^^^^^^

    certrelay.toml:7:8: error: an earlier [[route]] has this name
       |
     7 | name = "all"
       |        ^^^^^

    certrelay.toml:9:9: error: no sinks; to discard these events, write `sinks = "discard"`
       |
     9 | sinks = []
       |         ^^

    certrelay.toml:13:8: error: `type` must be "kafka" or "splunk_hec" or "http" or "stdout" or "file"; did you mean `kafka`?
        |
     13 | type = "kafak"
        |        ^^^^^^^

    certrelay.toml: 6 errors
    "#);
}

#[test]
fn the_last_route_must_be_a_catch_all() {
    let report = errors(
        r#"[[source]]
directory = "logs"
[[route]]
name = "deletes"
when = { event = "Delete*" }
sinks = ["screen"]
[sink.screen]
type = "stdout"
[sink.unused]
type = "file"
"#,
    );
    insta::assert_snapshot!(report, @r#"
    certrelay.toml:3:1: error: the last [[route]] must be a catch-all, without `when`: name the sinks of all other events, or "discard"
       |
     3 | [[route]]
       | ^^^^^^^^^

    certrelay.toml:9:1: error: [sink.unused] needs `path`, for example `path = "events.ndjson"`
       |
     9 | [sink.unused]
       | ^^^^^^^^^^^^^

    certrelay.toml:9:1: error: no [[route]] names this sink
       |
     9 | [sink.unused]
       | ^^^^^^^^^^^^^

    certrelay.toml: 3 errors
    "#);
}
