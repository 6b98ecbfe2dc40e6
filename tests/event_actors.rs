//! Callers of the scenarios: the kinds that CloudTrail distinguishes.

use serde_json::{Value, json};

use crate::event_fixtures::role;

pub(crate) fn root() -> Value {
    json!({ "type": "Root", "principalId": "111122223333", "accountId": "111122223333",
            "arn": "arn:aws:iam::111122223333:root", "accessKeyId": "ASIAEXAMPLEROOT00001",
            "sessionContext": { "attributes": { "creationDate": "2026-02-22T16:00:01Z", "mfaAuthenticated": "false" } } })
}

pub(crate) fn assumed_root() -> Value {
    let mut identity = root();
    identity["sessionContext"]["assumedRoot"] = "true".into();
    identity
}

pub(crate) fn stranger() -> Value {
    let mut identity = role();
    identity["arn"] = "arn:aws:sts::777788889999:assumed-role/cert-rotation/deploy-42".into();
    identity["accountId"] = "777788889999".into();
    identity["sessionContext"]["sessionIssuer"]["arn"] =
        "arn:aws:iam::777788889999:role/ci/cert-rotation".into();
    identity["sessionContext"]["sessionIssuer"]["accountId"] = "777788889999".into();
    identity
}

/// Alice with a long-term key and no session, as a script has it.
pub(crate) fn script() -> Value {
    json!({ "type": "IAMUser", "principalId": "AIDAEXAMPLEALICE00001", "arn": "arn:aws:iam::111122223333:user/ops/alice",
            "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLEALICE0001", "userName": "alice" })
}

/// A role of the account itself that is not an expected principal.
pub(crate) fn own_role() -> Value {
    json!({ "type": "AssumedRole", "principalId": "AROAEXAMPLEOPS0000001:alice", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/ops/alice", "accessKeyId": "ASIAEXAMPLEOPS000001",
            "sessionContext": { "sessionIssuer": { "type": "Role", "arn": "arn:aws:iam::111122223333:role/ops", "userName": "ops" },
                                "attributes": { "mfaAuthenticated": "true" } } })
}
