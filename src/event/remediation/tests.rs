//! Each kind of caller is stopped in its own way, and every placeholder is explained.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::cloudtrail::{Origin, Record};
use crate::config::EventOptions;
use crate::event::explain::names;
use crate::event::{Arrival, Channel, Event};

/// An upload by `identity`, read at 16:20:00.
fn event(identity: &Value) -> Event {
    let record = json!({
        "eventName": "UploadServerCertificate", "eventSource": "iam.amazonaws.com", "recipientAccountId": "111122223333",
        "userIdentity": identity, "requestParameters": { "serverCertificateName": "web" } });
    let record = Record { bytes: Bytes::from(record.to_string()), index: 0, offset: 0 };
    let origin = Origin::Message { message_id: "m".to_owned() };
    let seen = datetime!(2026-02-22 16:20:00 UTC);
    let arrival = Arrival { origin, channel: Channel::EventBridge, seen, delivered: None };
    Event::read_with(record, arrival, &Arc::<EventOptions>::default()).expect("a record")
}

/// A caller, its name in a sentence, and the start of its first command.
type Row = (Value, &'static str, &'static str);

/// Every `userIdentity.type` of CloudTrail's user guide, and the forms that some of them have.
fn callers() -> Vec<Row> {
    [own_credentials(), sessions(), without_credentials()].concat()
}

fn own_credentials() -> Vec<Row> {
    vec![
        (
            json!({ "type": "IAMUser", "userName": "alice", "arn": "arn:aws:iam::111122223333:user/alice", "accessKeyId": "AKIAEXAMPLEALICE0001" }),
            "user alice",
            "aws iam list-access-keys --user-name=alice",
        ),
        (
            json!({ "type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root" }),
            "root",
            "aws iam get-account-summary",
        ),
        (
            json!({ "type": "Root", "arn": "arn:aws:iam::111122223333:root", "sessionContext": { "assumedRoot": "true" } }),
            "centrally assumed root",
            r#"aws cloudtrail lookup-events '--lookup-attributes=[{"AttributeKey":"EventName","AttributeValue":"AssumeRoot"}]'"#,
        ),
    ]
}

fn sessions() -> Vec<Row> {
    let role = |name: &str, session: &str| {
        json!({ "type": "AssumedRole", "accountId": "444455556666", "accessKeyId": "ASIAEXAMPLEROLE00001",
                "arn": format!("arn:aws:sts::444455556666:assumed-role/{name}/{session}"),
                "sessionContext": { "sessionIssuer": { "type": "Role", "userName": name },
                                    "webIdFederationData": { "federatedProvider": "accounts.example.com" } } })
    };
    let federated = |issuer: Value| {
        json!({ "type": "FederatedUser", "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLETOKEN0001",
                "arn": "arn:aws:sts::111122223333:federated-user/guest", "sessionContext": { "sessionIssuer": issuer } })
    };
    vec![
        (
            role("ops", "alice"),
            "role ops (session alice)",
            "aws iam put-role-policy --role-name=ops --policy-name=AWSRevokeOlderSessions",
        ),
        (
            role("AWSReservedSSO_Admins_0123456789abcdef", "alice"),
            "role AWSReservedSSO_Admins_0123456789abcdef (session alice)",
            "aws organizations create-policy --type=SERVICE_CONTROL_POLICY",
        ),
        (
            json!({ "type": "Role", "arn": "arn:aws:iam::111122223333:role/ci/ops" }),
            "role ops",
            "aws iam put-role-policy --role-name=ops",
        ),
        (
            json!({ "type": "Unknown", "arn": "arn:aws:sts::111122223333:assumed-role/ops/alice" }),
            "role ops (session alice)",
            "aws iam put-role-policy --role-name=ops",
        ),
        (
            federated(
                json!({ "type": "IAMUser", "userName": "broker", "arn": "arn:aws:iam::111122223333:user/broker" }),
            ),
            "federated user guest (token of user broker)",
            "aws iam put-user-policy --user-name=broker --policy-name=AWSRevokeOlderSessions",
        ),
        (
            federated(json!({ "type": "Root", "arn": "arn:aws:iam::111122223333:root" })),
            "root",
            "aws iam get-account-summary",
        ),
    ]
}

fn without_credentials() -> Vec<Row> {
    let by_key = r#"aws cloudtrail lookup-events '--lookup-attributes=[{"AttributeKey":"AccessKeyId","AttributeValue":"#;
    let key = |kind: &str| json!({ "type": kind, "principalId": "p", "accessKeyId": "ASIAEXAMPLE000000001" });
    vec![
        (
            json!({ "type": "IdentityCenterUser", "accountId": "111122223333", "onBehalfOf": {
                "userId": "0a1b", "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-0123456789" } }),
            "Identity Center user 0a1b",
            "aws identitystore describe-user --identity-store-id=d-0123456789 --user-id=0a1b",
        ),
        (
            json!({ "type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "444455556666" }),
            "account 444455556666",
            "aws organizations describe-account --account-id=444455556666",
        ),
        (
            json!({ "type": "AWSService", "invokedBy": "elasticmapreduce.amazonaws.com" }),
            "elasticmapreduce.amazonaws.com",
            r#"aws cloudtrail lookup-events '--lookup-attributes=[{"AttributeKey":"EventSource","AttributeValue":"elasticmapreduce.amazonaws.com"}]'"#,
        ),
        (key("Unknown"), "an unknown caller", by_key),
        (key("Directory"), "an unknown caller", by_key),
        (key("SAMLUser"), "an unknown caller", by_key),
        (key("WebIdentityUser"), "an unknown caller", by_key),
        (json!({}), "an unknown caller", by_key),
    ]
}

#[test]
fn every_kind_of_caller_is_named_and_stopped_in_its_own_way() {
    for (identity, called, first) in callers() {
        let event = event(&identity);
        let reason = &event.fields.findings[0].reason;
        assert!(reason.starts_with(&format!("{called} uploaded")), "{identity}: {reason}");
        let advice = Remediation::RotateKey.advice(&names(&event));
        let lines = advice.command_lines();
        assert!(lines[0].starts_with(first), "{identity}: {lines:?}");
        let is_user = identity["type"] == "IAMUser";
        assert_eq!(
            lines.iter().any(|line| line.contains("create-access-key")),
            is_user,
            "{lines:?}"
        );
        let known = identity != json!({});
        let left: Vec<_> = advice.placeholders().into_iter().map(|(word, _)| word).collect();
        let expected: &[&str] = match identity["type"].as_str() {
            Some("Root") if !lines[0].contains("AssumeRoot") => &["ACCESS_KEY_ID"],
            Some("FederatedUser") if called == "root" => &["ACCESS_KEY_ID"],
            _ if lines[0].contains("organizations create-policy") => &["POLICY_ID"],
            _ if known => &[],
            _ => &["ACCESS_KEY_ID"],
        };
        assert_eq!(left, expected, "{lines:?}");
    }
}

#[test]
fn sessions_of_a_permission_set_are_denied_in_the_callers_account() {
    let (identity, ..) = &sessions()[1];
    let lines = Remediation::RotateKey.advice(&names(&event(identity))).command_lines();
    let policy = lines[0].split("'--content=").nth(1).and_then(|rest| rest.strip_suffix('\''));
    let policy: Value = serde_json::from_str(policy.expect("a policy")).expect("JSON");
    assert_eq!(
        policy["Statement"][0]["Condition"],
        json!({
        "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admins_0123456789abcdef" },
        "DateLessThan": { "aws:TokenIssueTime": "2026-02-22T16:20:00Z" } })
    );
    assert_eq!(
        lines[1],
        "aws organizations attach-policy --policy-id=POLICY_ID --target-id=444455556666"
    );
}

#[test]
fn every_placeholder_is_explained() {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for remediation in Remediation::ALL {
        for done in [None, Some("UpdateServerCertificate"), Some("UntagServerCertificate")] {
            for names in remediation.examples() {
                let advice = remediation.advice(&Names { done: done.map(str::to_owned), ..names });
                let explained: Vec<_> =
                    advice.placeholders().into_iter().map(|(word, _)| word).collect();
                let lines = advice.command_lines().join("\n").replace("/OLD/PATH/", "");
                for word in lines.split(|c| !is_word(c)) {
                    let free = word.strip_prefix("AWSReservedSSO_").unwrap_or(word);
                    let capitals =
                        free.len() > 2 && free.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                    if capitals && !["IAM", "SERVICE_CONTROL_POLICY"].contains(&word) {
                        assert!(explained.contains(&word), "{word} in {lines}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_remediation_contains_the_names_it_is_given() {
    let names = Names {
        user: Some("bob".to_owned()),
        certificate_id: "TA7SMP".to_owned(),
        server_certificate: "web".to_owned(),
        caller: "alice".to_owned(),
        key: "AKIAEXAMPLE".to_owned(),
        ..Names::default()
    };
    for (remediation, words) in [
        (Remediation::Deactivate, &["bob", "TA7SMP"][..]),
        (Remediation::DeleteSigning, &["bob", "TA7SMP"]),
        (Remediation::DeleteServer, &["web"]),
        (Remediation::RotateKey, &["alice", "AKIAEXAMPLE"]),
    ] {
        let advice = remediation.advice(&names);
        for word in words {
            assert!(advice.command_lines().join("\n").contains(word), "{remediation:?}: {word}");
            assert!(advice.boto3.contains(word), "{remediation:?}: {word}");
        }
    }
}
