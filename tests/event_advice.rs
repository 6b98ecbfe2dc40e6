//! Findings and the remediations of `explain`: they are true of this event, apply to its caller,
//! and are in the order in which they should be done.

use certrelay::config::OutputFormat;
use certrelay::event::explain;
use serde_json::{Value, json};

use crate::event_actors::{assumed_root, own_role, root, script, stranger};
use crate::event_fixtures::{OPERATIONS, payload, read, record};
use crate::event_stories::{USER, WHO, call, ok};
use crate::event_trail::trail_record;

fn explained(record: &str) -> String {
    explain(&read(record).expect("a record"))
}

/// Returns the command lines, in order.
fn commands(record: &str) -> Vec<String> {
    let text = explained(record);
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
    lines.map(str::to_owned).collect()
}

/// Returns the commands of `record` that contain `words`; there must be one.
fn with(record: &str, words: &str) -> Vec<String> {
    let mut lines = commands(record);
    lines.retain(|line| line.contains(words));
    assert!(!lines.is_empty(), "no {words} in {}", explained(record));
    lines
}

#[test]
fn a_credential_that_root_gives_a_user_is_not_roots_own() {
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
            text.contains("root now has a long-lived credential besides its password"),
            "{text}"
        );
        let text = explained(&call("UploadSigningCertificate", "omitted", &[(WHO, who)]));
        assert!(text.contains("root gave a long-lived credential to itself or to a user that the record does not name"), "{text}");
    }
}

#[test]
fn remediations_for_root_are_those_that_root_can_perform() {
    for who in [root(), assumed_root()] {
        for operation in ["UploadSigningCertificate", "UploadServerCertificate"] {
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

/// Returns the technique ids of a record's findings.
fn techniques(record: &str) -> Vec<String> {
    let cim: Value = serde_json::from_str(&payload(record, OutputFormat::Cim)).expect("JSON");
    let ids = cim["mitre_technique_id"].as_array().cloned().unwrap_or_default();
    ids.iter().map(|id| id.as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_denied_write_has_the_techniques_of_its_success_and_a_denied_read_is_discovery() {
    for (operation, expected) in [
        ("UploadSigningCertificate", &["T1098.001"][..]),
        ("UpdateSigningCertificate", &["T1098.001"]),
        ("DeleteSigningCertificate", &["T1531"]),
        ("UploadServerCertificate", &["T1557", "T1588.004"]),
        ("UpdateServerCertificate", &["T1036"]),
        ("DeleteServerCertificate", &["T1485", "T1489"]),
        ("TagServerCertificate", &[]),
        ("UntagServerCertificate", &[]),
        ("GetServerCertificate", &["T1087.004", "T1580"]),
        ("ListServerCertificates", &["T1087.004", "T1580"]),
        ("ListServerCertificateTags", &["T1087.004", "T1580"]),
        ("ListSigningCertificates", &["T1087.004", "T1580"]),
    ] {
        assert!(OPERATIONS.contains(&operation));
        let denied = record(operation, "denied");
        assert_eq!(techniques(&denied), expected, "{operation}");
        let ecs: Value = serde_json::from_str(&payload(&denied, OutputFormat::Ecs)).expect("JSON");
        let ocsf: Value =
            serde_json::from_str(&payload(&denied, OutputFormat::Ocsf)).expect("JSON");
        let parents: Vec<_> = expected.iter().filter_map(|id| id.split('.').next()).collect();
        let of_ecs = ecs.pointer("/threat/technique/id").and_then(Value::as_array);
        let mut of_ecs: Vec<_> = of_ecs.into_iter().flatten().filter_map(Value::as_str).collect();
        of_ecs.sort_unstable();
        assert_eq!(of_ecs, parents, "{operation}");
        let of_ocsf = ocsf["attacks"].as_array().map_or(0, Vec::len);
        assert_eq!(of_ocsf, expected.len(), "{operation}");
        let words = explained(&denied);
        assert!(expected.iter().all(|id| words.contains(id)), "{words}");
        assert_eq!(words.contains("T1580"), expected.contains(&"T1580"), "{words}");
    }
    for operation in certrelay::config::AUDIT_TRAIL.2 {
        assert_eq!(techniques(&trail_record(operation, "denied")), ["T1562.008"], "{operation}");
    }
}

#[test]
fn a_users_key_is_stopped_first_and_replaced_last() {
    for who in [script(), json!(null)] {
        let mut changes = vec![("/sourceIPAddress", json!("203.0.113.9"))];
        changes.extend((!who.is_null()).then_some((WHO, who)));
        let lines = commands(&ok("UploadServerCertificate", &changes));
        let at = |words: &str| {
            let found = lines.iter().position(|line| line.contains(words));
            found.unwrap_or_else(|| panic!("no {words} in {lines:?}"))
        };
        assert!(at("update-access-key") < at("put-user-policy"), "{lines:?}");
        assert!(at("put-user-policy") < at("delete-access-key"), "{lines:?}");
        assert!(at("delete-access-key") < at("create-access-key"), "{lines:?}");
        assert!(lines[at("update-access-key")].contains("--status=Inactive"));
    }
    let lines = with(&ok("UploadServerCertificate", &[(WHO, script())]), "update-access-key");
    assert!(lines[0].contains("--user-name=alice --access-key-id=AKIAEXAMPLEALICE0001"));
}

#[test]
fn a_roles_sessions_are_revoked_because_it_has_no_key() {
    for (who, role) in [(own_role(), "ops"), (stranger(), "cert-rotation")] {
        let record = ok("UploadServerCertificate", &[(WHO, who)]);
        let lines = commands(&record).join("\n");
        for word in ["access-key", "CALLER", "ACCESS_KEY_ID"] {
            assert!(!lines.contains(word), "{word}: {lines}");
        }
        let revoked = with(&record, "put-role-policy");
        let start = format!(
            "aws iam put-role-policy --role-name={role} --policy-name=AWSRevokeOlderSessions '--policy-document="
        );
        let document = revoked[0].strip_prefix(&start).and_then(|rest| rest.strip_suffix('\''));
        let document: Value =
            serde_json::from_str(document.unwrap_or_else(|| panic!("{revoked:?}"))).expect("JSON");
        let expected = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Action": ["*"], "Resource": ["*"],
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": "2026-02-22T16:20:00Z" } } }] });
        assert_eq!(document, expected, "everything that was issued before the record was read");
    }
}

/// Returns the policy of the command that creates it.
fn guard(record: &str) -> Value {
    let lines = with(record, "organizations create-policy");
    let content = lines[0].split("'--content=").nth(1).and_then(|rest| rest.strip_suffix('\''));
    serde_json::from_str(content.unwrap_or_else(|| panic!("{lines:?}"))).expect("JSON")
}

#[test]
fn the_policy_denies_the_operation_except_to_responders() {
    for (operation, actions) in [
        ("UploadSigningCertificate", &["UploadSigningCertificate", "UpdateSigningCertificate"][..]),
        ("UpdateSigningCertificate", &["UpdateSigningCertificate", "DeleteSigningCertificate"]),
        ("DeleteSigningCertificate", &["DeleteSigningCertificate", "UpdateSigningCertificate"]),
        ("UploadServerCertificate", &["UploadServerCertificate"]),
        ("DeleteServerCertificate", &["DeleteServerCertificate"]),
        ("TagServerCertificate", &["TagServerCertificate", "UntagServerCertificate"]),
        ("UntagServerCertificate", &["TagServerCertificate", "UntagServerCertificate"]),
    ] {
        let statement =
            &guard(&ok(operation, &[(USER, "bob".into()), (WHO, own_role())]))["Statement"][0];
        let expected: Vec<_> = actions.iter().map(|action| format!("iam:{action}")).collect();
        assert_eq!(statement["Action"], json!(expected), "{operation}");
        let exempt = ["role/cert-rotation", "role/incident-response"];
        let exempt = exempt.map(|role| format!("arn:aws:iam::*:{role}"));
        assert_eq!(statement["Condition"], json!({ "ArnNotLike": { "aws:PrincipalArn": exempt } }));
    }
    let active = [("/requestParameters/status", Value::from("Active"))];
    let statement = &guard(&ok("UpdateSigningCertificate", &active))["Statement"][0];
    let actions = json!(["iam:UpdateSigningCertificate", "iam:UploadSigningCertificate"]);
    assert_eq!(statement["Action"], actions, "what gives a credential in another way");
    let text = explained(&ok("UploadSigningCertificate", &[]));
    assert!(text.contains("incident response"), "{text}");
}

#[test]
fn changed_tags_are_restored_by_their_own_keys() {
    let put = commands(&ok("TagServerCertificate", &[]));
    let name = "--server-certificate-name=web.example.com";
    assert!(put.contains(&format!("aws iam list-server-certificate-tags {name}")), "{put:?}");
    let untag =
        format!(r#"aws iam untag-server-certificate {name} '--tag-keys=["owner","empty"]'"#);
    assert!(put.contains(&untag), "{put:?}");
    let taken = commands(&ok("UntagServerCertificate", &[]));
    let tag = format!(
        r#"aws iam tag-server-certificate {name} '--tags=[{{"Key":"owner","Value":"OLD_VALUE"}},{{"Key":"cost-centre","Value":"OLD_VALUE"}}]'"#
    );
    assert!(taken.contains(&tag), "{taken:?}");
    assert!(!taken.iter().any(|line| line.contains("untag-server")), "{taken:?}");
}

#[test]
fn uses_of_a_renamed_certificate_are_searched_by_both_names() {
    let record = ok("UpdateServerCertificate", &[]);
    let get = with(&record, "get-server-certificate");
    assert_eq!(
        get,
        ["aws iam get-server-certificate --server-certificate-name=web-2025.example.com"]
    );
    let served = with(&record, "elbv2 describe-listener-certificates --listener-arn=LISTENER_ARN");
    for lines in [with(&record, "elb describe-load-balancers"), served] {
        for arn in [
            "server-certificate/web.example.com",
            "server-certificate/retired/web-2025.example.com",
        ] {
            assert!(
                lines[0].contains(&format!("`\"arn:aws:iam::111122223333:{arn}\"`")),
                "{lines:?}"
            );
        }
    }
}

#[test]
fn a_certificate_that_was_only_moved_keeps_its_name() {
    let moved = ok(
        "UpdateServerCertificate",
        &[("/requestParameters/newServerCertificateName", Value::Null)],
    );
    let back = "aws iam update-server-certificate --server-certificate-name=web.example.com --new-path=/OLD/PATH/";
    assert_eq!(with(&moved, "update-server-certificate"), [back]);
    let text = explained(&moved);
    assert!(text.contains("/OLD/PATH/: the path that it had"), "{text}");
}

#[test]
fn a_trail_is_restored_by_its_own_name() {
    for (operation, command) in [
        ("StopLogging", "start-logging --name=audit --region=eu-west-1"),
        ("DeleteTrail", "create-trail --name=audit --s3-bucket-name=BUCKET"),
        ("UpdateTrail", "update-trail --name=audit --s3-bucket-name=BUCKET"),
        ("PutEventSelectors", "put-event-selectors --trail-name=audit"),
    ] {
        for shape in ["success", "by ARN"] {
            let record = trail_record(operation, shape);
            assert_eq!(with(&record, command).len(), 1);
            let lines = commands(&record).join("\n");
            assert_eq!(lines.contains("create-trail"), operation == "DeleteTrail", "{lines}");
            let arn = "--trail-arn=arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit";
            assert!(lines.contains(arn), "{lines}");
        }
    }
}

#[test]
fn a_denied_listing_has_no_target_certificate() {
    let text = explained(&record("ListServerCertificates", "denied"));
    assert!(text.contains("user alice tried ListServerCertificates and was denied"), "{text}");
}

#[test]
fn a_deleted_certificate_is_not_looked_up() {
    let record = ok("DeleteServerCertificate", &[]);
    let lines = commands(&record).join("\n");
    assert!(!lines.contains("get-server-certificate"), "{lines}");
    assert!(lines.contains("elbv2 describe-listeners"), "{lines}");
    assert!(
        explained(&record).contains("id must come from an earlier event"),
        "{}",
        explained(&record)
    );
    let conflict = call("DeleteServerCertificate", "other error", &[]);
    assert_eq!(with(&conflict, "get-server-certificate").len(), 1, "it is still there");
}
