//! What a finding says and what `explain` tells a person to do: only what is true of this event, works for
//! its caller, and comes in the order in which it should be done.

use certrelay::event::explain;
use serde_json::Value;

use crate::event_actors::{assumed_root, root};
use crate::event_fixtures::read;
use crate::event_stories::{USER, WHO, call, ok};

fn explained(record: &str) -> String {
    explain(&read(record).expect("a record"))
}

/// The command lines to paste, in order.
fn commands(record: &str) -> Vec<String> {
    let text = explained(record);
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
    lines.map(str::to_owned).collect()
}

/// The commands of `record` that have one of `words`, which must be there at all.
fn with(record: &str, words: &str) -> Vec<String> {
    let mut lines = commands(record);
    lines.retain(|line| line.contains(words));
    assert!(!lines.is_empty(), "no {words} in {}", explained(record));
    lines
}

#[test]
fn what_root_gives_another_user_is_not_called_roots_own() {
    for (who, name) in [(root(), "root"), (assumed_root(), "centrally assumed root")] {
        for (operation, did, more) in [
            ("UploadSigningCertificate", "uploaded", vec![]),
            (
                "UpdateSigningCertificate",
                "made active",
                vec![("/requestParameters/status", "Active".into())],
            ),
        ] {
            let text = explained(&ok(operation, &[vec![(WHO, who.clone())], more].concat()));
            let reason = format!(
                "{name} {did} signing certificate TA7SMP42TDN5Z26OBPJE7EXAMPLE of user bob: \
                 root gave user bob a long-lived credential"
            );
            assert!(text.contains(&reason), "{text}");
            assert!(text.contains("critical: Signing certificate by or for root"), "{text}");
            assert!(!text.contains("root now has"), "{text}");
        }
        let own = [(WHO, who.clone()), (USER, Value::Null), ("/responseElements", Value::Null)];
        let text = explained(&ok("UploadSigningCertificate", &own));
        assert!(
            text.contains("root now has a long-lived credential beside its password"),
            "{text}"
        );
        let text = explained(&call("UploadSigningCertificate", "omitted", &[(WHO, who)]));
        assert!(text.contains("root gave a long-lived credential to itself or to a user that the record does not name"), "{text}");
    }
}

#[test]
fn a_root_caller_is_offered_only_what_root_can_do() {
    for who in [root(), assumed_root()] {
        for operation in ["UploadSigningCertificate"] {
            let record = ok(operation, &[(WHO, who.clone())]);
            let lines = commands(&record).join("\n");
            for word in ["CALLER", "put-user-policy", "enable-mfa-device", "create-access-key"] {
                assert!(!lines.contains(word), "{word}: {lines}");
            }
        }
        let lines =
            with(&ok("UploadSigningCertificate", &[(WHO, who)]), "SummaryMap.AccountMFAEnabled");
        assert_eq!(lines.len(), 1);
    }
}
