//! Remediations that stop the caller's credentials, which differ by its kind: a role has no key,
//! root has no name. If the credentials are not the caller's, or not this account's, the advice
//! finds their owner.

use super::super::caller::Kind;
use super::advice::{Advice, Names, aws};
use super::policies::service_control;
use super::quote::python;

pub(super) fn stop(names: &Names) -> Advice {
    match names.caller_kind {
        Kind::User => user(names),
        Kind::Role if names.caller.starts_with(PERMISSION_SET) => permission_set(names),
        Kind::Role => role(names),
        Kind::Root => root(names),
        Kind::AssumedRoot => assumed_root(),
        Kind::Federated => federated(names),
        Kind::IdentityCenter => identity_center(names),
        Kind::Account => account(names),
        Kind::Service => service(names),
        Kind::Other => unknown(names),
    }
}

/// Prefix of the roles that IAM Identity Center creates for permission sets and alone can change.
/// Source: IAM Identity Center user guide, “Permission sets”.
const PERMISSION_SET: &str = "AWSReservedSSO_";

/// Returns the policy that denies everything to sessions issued before `names.read`. Source: IAM
/// user guide, “Revoke IAM role temporary security credentials”, the policy that the console
/// attaches.
fn revocation(names: &Names) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{{"DateLessThan":{{"aws:TokenIssueTime":{}}}}}}}]}}"#,
        python(&names.read)
    )
}

const POLICY_NAME: (&str, &str) = ("policy-name", "AWSRevokeOlderSessions");

const REVOKE: &str = r#"import json
from datetime import datetime, timedelta, timezone

now = datetime.now(timezone.utc)
older = {"DateLessThan": {"aws:TokenIssueTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}}
statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": older}
policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam = boto3.client("iam")
"#;

fn user(names: &Names) -> Advice {
    let user = ("user-name", names.caller.as_str());
    let key = ("access-key-id", names.key.as_str());
    let policy = revocation(names);
    Advice {
        title: "Stop the caller's access key, replace it later",
        console: "IAM → Users → the caller → Security credentials → Access keys",
        cli: vec![
            aws("iam list-access-keys", [user]),
            aws("iam update-access-key", [user, key, ("status", "Inactive")]),
            aws("iam put-user-policy", [user, POLICY_NAME, ("policy-document", &policy)]),
            aws("iam get-access-key-last-used", [key]),
            aws("iam delete-access-key", [user, key]),
            aws("iam create-access-key", [user]),
        ],
        boto3: format!(
            "{REVOKE}user, old = {}, {}\n{STOP_USER}",
            python(&names.caller),
            python(&names.key)
        ),
        note: "Stop first, if the call was not meant: the key becomes Inactive, and sessions issued before the time in the policy are denied (an inactive key does not end them; a password signs in anew). Days later, when its last use stays in the past, delete the key. A new key is the last step, for what still needs one and once it is known how the old one got out. A planned rotation goes the other way: new key first.",
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
    let policy = revocation(names);
    let role = ("role-name", names.caller.as_str());
    let options = [role, POLICY_NAME, ("policy-document", &policy)];
    Advice {
        title: "Revoke the role's sessions",
        console: "IAM → Roles → the role → Revoke sessions → Revoke active sessions",
        cli: vec![aws("iam put-role-policy", options)],
        boto3: format!("{REVOKE}role = {}\n{REVOKE_ROLE}", python(&names.caller)),
        note: "A role has no access key. All its sessions issued before the time in the policy are denied, the honest ones too; whoever may assume the role takes a new one, so see to its trust policy and to who called AssumeRole, or to the identity provider that signed them in. Run it in the role's own account. A service-linked role (AWSServiceRoleFor…) refuses it: there AWS itself called.",
    }
}

const REVOKE_ROLE: &str = r#"iam.put_role_policy(RoleName=role, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy)
"#;

fn root(names: &Names) -> Advice {
    let key = ("access-key-id", names.key.as_str());
    let present = ("query", "SummaryMap.AccountAccessKeysPresent");
    Advice {
        title: "Stop root's access keys",
        console: "Signed in as root: the account's name → Security credentials → Access keys",
        cli: vec![
            aws("iam get-account-summary", [present]),
            aws("iam list-access-keys", []),
            aws("iam update-access-key", [key, ("status", "Inactive")]),
        ],
        boto3: format!("key = {}\n{STOP_ROOT}", python(&names.key)),
        note: "Only root's own credentials do this, so no user is named: with a user's credentials the same commands act on that user. Root should have no key at all: delete it, change root's password, look at its e-mail address and its second factors. Without a key it was a console session, which lasts twelve hours at most.",
    }
}

const STOP_ROOT: &str = r#"iam = boto3.client("iam")
print("keys of root:", iam.get_account_summary()["SummaryMap"].get("AccountAccessKeysPresent"))
if boto3.client("sts").get_caller_identity()["Arn"].endswith(":root"):
    iam.update_access_key(AccessKeyId=key, Status="Inactive")
"#;

/// Source: IAM user guide, “Disabling permissions for temporary security credentials”: such a
/// session never has more than its user's permissions at the time of each call.
fn federated(names: &Names) -> Advice {
    let user = ("user-name", names.caller.as_str());
    let policy = revocation(names);
    Advice {
        title: "Revoke the federated sessions of the user that got the token",
        console: "IAM → Users → the user that called GetFederationToken → Permissions → Create inline policy",
        cli: vec![
            aws("iam put-user-policy", [user, POLICY_NAME, ("policy-document", &policy)]),
            aws("iam list-access-keys", [user]),
        ],
        boto3: format!("{REVOKE}user = {}\n{REVOKE_FEDERATED}", python(&names.caller)),
        note: "A federated user is nobody in IAM: its session may do at most what the user may that called GetFederationToken. All sessions of that user issued before the time in the policy are denied, the honest ones too. With its access keys it gets new tokens: make those Inactive whose use was not meant. Run it in the user's own account.",
    }
}

const REVOKE_FEDERATED: &str = r#"iam.put_user_policy(UserName=user, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy)
for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
    print(key["AccessKeyId"], key["Status"])
"#;

/// Source: IAM Identity Center user guide, “Revoke active IAM role sessions created by permission
/// sets”.
fn permission_set(names: &Names) -> Advice {
    let Names { partition, caller, .. } = names;
    let role = format!("arn:{partition}:iam::*:role/aws-reserved/sso.amazonaws.com/*{caller}");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"ArnLike":{{"aws:PrincipalArn":{}}},"DateLessThan":{{"aws:TokenIssueTime":{}}}}}}}]}}"#,
        python(&role),
        python(&names.read)
    );
    let description = "Ends the sessions of a permission set";
    let (cli, boto3) =
        service_control("revoke-older-sessions", description, &policy, &names.caller_account);
    Advice {
        title: "Revoke the sessions of the permission set",
        console: "IAM Identity Center → Users → the user → AWS accounts: remove the assignment; Active sessions: delete",
        cli,
        boto3,
        note: "IAM does not let anybody change this role: IAM Identity Center keeps it. A service control policy denies its sessions in that account issued before the time in it, those of other people with the same permission set too; it is made in the management account, whose own roles it does not bind. The session's name is the person: take the assignments away, disable the user at the identity source and delete the sessions, or a new one is there in a minute.",
    }
}

fn identity_center(names: &Names) -> Advice {
    let Names { identity_store, caller, .. } = names;
    let store = ("identity-store-id", identity_store.as_str());
    let member = format!(r#"{{"UserId":{}}}"#, python(caller));
    Advice {
        title: "Disable the user of IAM Identity Center",
        console: "IAM Identity Center → Users → the user → Disable user access; Active sessions: delete",
        cli: vec![
            aws("identitystore describe-user", [store, ("user-id", caller)]),
            aws("identitystore list-group-memberships-for-member", [store, ("member-id", &member)]),
        ],
        boto3: format!(
            "store, user = {}, {}\n{DESCRIBE_USER}",
            python(identity_store),
            python(caller)
        ),
        note: "The commands tell who it is and what groups give it; what stops it is in the console, or at the identity provider that people sign in with. Run them where IAM Identity Center is administered, in its region.",
    }
}

const DESCRIBE_USER: &str = r#"identities = boto3.client("identitystore")
print(identities.describe_user(IdentityStoreId=store, UserId=user)["UserName"])
memberships = identities.list_group_memberships_for_member(IdentityStoreId=store, MemberId={"UserId": user})
for membership in memberships["GroupMemberships"]:
    print(membership["GroupId"])
"#;

fn account(names: &Names) -> Advice {
    let account = &names.caller_account;
    Advice {
        title: "Ask the other account's owner to stop the caller",
        console: "AWS Organizations → AWS accounts, in the management account: whose it is",
        cli: vec![aws("organizations describe-account", [("account-id", account.as_str())])],
        boto3: format!("account = {}\n{DESCRIBE_ACCOUNT}", python(account)),
        note: "The record names the account, not who in it called: its own CloudTrail does, and its owner stops that caller. Here one can only take away what lets the account in: a trust policy or a resource policy that names it. An account that the command does not know is of another organisation.",
    }
}

const DESCRIBE_ACCOUNT: &str = r#"print(boto3.client("organizations").describe_account(AccountId=account)["Account"]["Name"])
"#;

fn service(names: &Names) -> Advice {
    Advice {
        title: "Find who had the service call",
        console: "CloudTrail → Event history → Event source: the service; then the service's own console",
        cli: vec![lookup("EventSource", &names.caller)],
        boto3: lookup_in_python("EventSource", &names.caller),
        note: "A service has no credentials to stop: it acts for somebody who set it up. The events of the service before the call tell who that was; stop that caller, or take the rights from the role that the service was given. An account without such events was acted on by AWS itself.",
    }
}

fn assumed_root() -> Advice {
    Advice {
        title: "Find who assumed root",
        console: "CloudTrail, in the management account → Event history → Event name: AssumeRoot",
        cli: vec![lookup("EventName", "AssumeRoot")],
        boto3: lookup_in_python("EventName", "AssumeRoot"),
        note: "Such a session has no key to stop and ends by itself within 15 minutes. Ask in the management account or that of the delegated administrator, in the region that answered the call: the record names who assumed root. Stop that caller.",
    }
}

fn unknown(names: &Names) -> Advice {
    Advice {
        title: "Find out who the caller is",
        console: "CloudTrail → Event history → AWS access key: the record's accessKeyId",
        cli: vec![lookup("AccessKeyId", &names.key)],
        boto3: lookup_in_python("AccessKeyId", &names.key),
        note: "The record does not say what kind of caller it was. Other events of the same access key often do, the one that made the key among them; without a key look at those of the same address at the same time. Then stop it as what it is.",
    }
}

fn lookup(key: &str, value: &str) -> Vec<String> {
    let attributes = lookup_attributes(key, value);
    aws("cloudtrail lookup-events", [("lookup-attributes", attributes.as_str())])
}

fn lookup_in_python(key: &str, value: &str) -> String {
    format!("wanted = {}\n{LOOKUP}", lookup_attributes(key, value))
}

/// Returns JSON, which is Python too.
fn lookup_attributes(key: &str, value: &str) -> String {
    format!(r#"[{{"AttributeKey":"{key}","AttributeValue":{}}}]"#, python(value))
}

const LOOKUP: &str = r#"for page in boto3.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=wanted):
    for event in page["Events"]:
        print(event["EventTime"], event.get("Username"), event["EventId"])
"#;
