//! Stops the caller's own credentials, each kind in its own way: a role has no key, root has no name. Who has no
//! credentials of its own here is found out instead, or asked for.

mod others;

use super::super::caller::Kind;
use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

pub(super) fn stop(names: &Names) -> Advice {
    match names.caller_kind {
        Kind::User => user(names),
        Kind::Role if names.caller.starts_with(PERMISSION_SET) => others::permission_set(names),
        Kind::Role => role(names),
        Kind::Root => root(names),
        Kind::AssumedRoot => others::assumed_root(),
        Kind::Federated => others::federated(names),
        Kind::IdentityCenter => others::identity_center(names),
        Kind::Account => others::account(names),
        Kind::Service => others::service(names),
        Kind::Other => others::unknown(names),
    }
}

/// How the names of roles begin that IAM Identity Center makes of permission sets, and alone can change.
/// Source: IAM Identity Center user guide, “Permission sets”.
const PERMISSION_SET: &str = "AWSReservedSSO_";

/// Denies everything to sessions issued before `names.read`. Source: IAM user guide, “Revoke IAM role
/// temporary security credentials”, the policy that the console attaches.
fn revocation(names: &Names) -> Vec<String> {
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{{"DateLessThan":{{"aws:TokenIssueTime":{}}}}}}}]}}"#,
        python(&names.read)
    );
    vec![option("policy-name", "AWSRevokeOlderSessions"), option("policy-document", &document)]
}

const REVOKE: &str = r#"import json
from datetime import datetime, timedelta, timezone

now = datetime.now(timezone.utc)
older = {"DateLessThan": {"aws:TokenIssueTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}}
statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": older}
policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam = boto3.client("iam")
"#;

fn user(names: &Names) -> Advice {
    let user = || option("user-name", &names.caller);
    let key = || option("access-key-id", &names.key);
    Advice {
        title: "Stop the caller's access key, replace it later",
        console: "IAM → Users → the caller → Security credentials → Access keys",
        cli: vec![
            words(["iam", "list-access-keys"], vec![user()]),
            words(["iam", "update-access-key"], vec![user(), key(), option("status", "Inactive")]),
            words(["iam", "put-user-policy"], [vec![user()], revocation(names)].concat()),
            words(["iam", "get-access-key-last-used"], vec![key()]),
            words(["iam", "delete-access-key"], vec![user(), key()]),
            words(["iam", "create-access-key"], vec![user()]),
        ],
        boto3: format!(
            "{REVOKE}user, old = {}, {}\n{STOP_USER}",
            python(&names.caller),
            python(&names.key)
        ),
        mind: "Stop first, if the call was not meant: the key becomes Inactive, and sessions issued before the time in the policy are denied (an inactive key does not end them; a password signs in anew). Days later, when its last use stays in the past, delete the key. A new key is the last step, for what still needs one and once it is known how the old one got out. A planned rotation goes the other way: new key first.",
    }
}

const STOP_USER: &str = r#"iam.update_access_key(UserName=user, AccessKeyId=old, Status="Inactive")
iam.put_user_policy(UserName=user, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy)
# some days later:
used = iam.get_access_key_last_used(AccessKeyId=old)["AccessKeyLastUsed"].get("LastUsedDate")
if used is None or now - used > timedelta(days=3):
    iam.delete_access_key(UserName=user, AccessKeyId=old)
# last, if anything still needs a key:
new = iam.create_access_key(UserName=user)["AccessKey"]
print("made", new["AccessKeyId"], "for", old)
# new["SecretAccessKey"] is never told again: put it where secrets are kept
"#;

fn role(names: &Names) -> Advice {
    let role = option("role-name", &names.caller);
    Advice {
        title: "Revoke the role's sessions",
        console: "IAM → Roles → the role → Revoke sessions → Revoke active sessions",
        cli: vec![words(["iam", "put-role-policy"], [vec![role], revocation(names)].concat())],
        boto3: format!("{REVOKE}role = {}\n{REVOKE_ROLE}", python(&names.caller)),
        mind: "A role has no access key. All its sessions issued before the time in the policy are denied, the honest ones too; whoever may assume the role takes a new one, so see to its trust policy and to who called AssumeRole, or to the identity provider that signed them in. Run it in the role's own account. A service-linked role (AWSServiceRoleFor…) refuses it: there AWS itself called.",
    }
}

const REVOKE_ROLE: &str = r#"iam.put_role_policy(RoleName=role, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy)
"#;

fn root(names: &Names) -> Advice {
    let key = option("access-key-id", &names.key);
    Advice {
        title: "Stop root's access keys",
        console: "Signed in as root: the account's name → Security credentials → Access keys",
        cli: vec![
            words(
                ["iam", "get-account-summary"],
                vec![option("query", "SummaryMap.AccountAccessKeysPresent")],
            ),
            words(["iam", "list-access-keys"], Vec::new()),
            words(["iam", "update-access-key"], vec![key, option("status", "Inactive")]),
        ],
        boto3: format!("key = {}\n{STOP_ROOT}", python(&names.key)),
        mind: "Only root's own credentials do this, so no user is named: with a user's credentials the same commands act on that user. Root should have no key at all: delete it, change root's password, look at its e-mail address and its second factors. Without a key it was a console session, which lasts twelve hours at most.",
    }
}

const STOP_ROOT: &str = r#"iam = boto3.client("iam")
print("keys of root:", iam.get_account_summary()["SummaryMap"].get("AccountAccessKeysPresent"))
if boto3.client("sts").get_caller_identity()["Arn"].endswith(":root"):
    iam.update_access_key(AccessKeyId=key, Status="Inactive")
"#;
