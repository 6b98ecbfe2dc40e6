//! Mistakes about the selection of events and their routes.

use super::super::{mistakes, sound_with};

#[test]
fn groups_and_names_that_do_not_exist_are_refused() {
    let said = mistakes(&sound_with(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:3:25: mistake: neither a group (server-certificate, signing-certificate, audit-trail) nor an event's name; did you mean `signing-certificate`?
       |
     3 |   "server-certificate", "signing-certificates", "UploadServerCertificat",
       |                         ^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:3:49: warning: not a certificate event that certrelay knows; did you mean `UploadServerCertificate`?
       |
     3 |   "server-certificate", "signing-certificates", "UploadServerCertificat",
       |                                                 ^^^^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:4:18: mistake: not a glob: unclosed character class; missing ']'
       |
     4 |   "audit-trail", "Upload[", 7,
       |                  ^^^^^^^^^

    certrelay.toml:4:29: mistake: `include` must be a string, not an integer
       |
     4 |   "audit-trail", "Upload[", 7,
       |                             ^

    certrelay.toml:5:14: mistake: `source` is an eventSource, written out, such as "acm.amazonaws.com"
       |
     5 |   { source = "acm", names = ["*"] },
       |              ^^^^^

    certrelay.toml:6:3: mistake: [events] include needs `source`, for example `source = "acm.amazonaws.com"`
       |
     6 |   { name = [********] },
       |   ^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:6:3: mistake: [events] include needs `names`, for example `names = ["ImportCertificate"]`
       |
     6 |   { name = [********] },
       |   ^^^^^^^^^^^^^^^^^^^^^

    certrelay.toml:6:5: mistake: unknown key `name` in [events] include; did you mean `names`?
       |
     6 |   { name = [********] },
       |     ^^^^

    certrelay.toml: 7 mistakes, 1 warning
    "#);
}

#[test]
fn a_condition_that_is_not_known_or_never_true_is_refused() {
    let said = mistakes(&sound_with(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:3:19: mistake: no event that [events] selects has such a name
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                   ^^^^^^^^

    certrelay.toml:3:51: mistake: an outcome is one of success, failure; did you mean `success`?
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                                                   ^^^^^^^^

    certrelay.toml:3:71: mistake: an account is its 12 digits, or a glob
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                                                                       ^^^^^^

    certrelay.toml:3:88: mistake: a region is written like "us-east-1", or is a glob
       |
     3 | when = { event = ["Uplod*", "Delete*"], outcome = "succes", account = "1234", region = "useast1" }
       |                                                                                        ^^^^^^^^^

    certrelay.toml:7:22: mistake: an ARN, or a glob of one, is expected, such as "arn:aws:iam::111122223333:role/*"
       |
     7 | when = { principal = "alice", regoin = ******** }
       |                      ^^^^^^^

    certrelay.toml:7:31: mistake: unknown key `regoin` in [[route]] when; did you mean `region`?; a route can ask for event, outcome, severity, finding, account, region, principal, target, lane, ou, certificate and label, and ignoring a condition would send events to the wrong place
       |
     7 | when = { principal = "alice", regoin = ******** }
       |                               ^^^^^^

    certrelay.toml:8:20: mistake: this route names this sink already
       |
     8 | sinks = ["screen", "screen"]
       |                    ^^^^^^^^

    certrelay.toml: 7 mistakes
    "#);
}

#[test]
fn routes_have_names_sinks_and_an_end() {
    let said = mistakes(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:5:10: mistake: there is no [sink] of this name; did you mean `screen`?
       |
     5 | sinks = ["scren", "discard", { sink = "lake", topic = "t" }]
       |          ^^^^^^^

    certrelay.toml:5:19: mistake: `discard` is no sink: write `sinks = "discard"`, not a list
       |
     5 | sinks = ["scren", "discard", { sink = "lake", topic = "t" }]
       |                   ^^^^^^^^^

    certrelay.toml:6:1: mistake: never reached: an earlier route without `continue` takes every event
       |
     6 | [[route]]
       | ^^^^^^^^^

    certrelay.toml:7:8: mistake: an earlier [[route]] has this name
       |
     7 | name = "all"
       |        ^^^^^

    certrelay.toml:9:9: mistake: no sinks; if these events are to go nowhere, write `sinks = "discard"`
       |
     9 | sinks = []
       |         ^^

    certrelay.toml:10:1: mistake: no [[route]] names this sink
        |
     10 | [sink.screen]
        | ^^^^^^^^^^^^^

    certrelay.toml:13:8: mistake: `type` must be "kafka" or "splunk_hec" or "stdout" or "file"; did you mean `kafka`?
        |
     13 | type = "kafak"
        |        ^^^^^^^

    certrelay.toml: 7 mistakes
    "#);
}

#[test]
fn the_last_route_takes_everything() {
    let said = mistakes(
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
    insta::assert_snapshot!(said, @r#"
    certrelay.toml:3:1: mistake: the last [[route]] must be a catch-all, without `when`: say where all other events go, if only to "discard"
       |
     3 | [[route]]
       | ^^^^^^^^^

    certrelay.toml:9:1: mistake: [sink.unused] needs `path`, for example `path = "events.ndjson"`
       |
     9 | [sink.unused]
       | ^^^^^^^^^^^^^

    certrelay.toml:9:1: mistake: no [[route]] names this sink
       |
     9 | [sink.unused]
       | ^^^^^^^^^^^^^

    certrelay.toml: 3 mistakes
    "#);
}
