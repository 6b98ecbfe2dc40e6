//! Callers whose credentials are not theirs, or not this account's, to stop.

use super::super::names::words;
use super::super::policies::service_control;
use super::super::quote::option;
use super::super::{Advice, Names, python};
use super::{REVOKE, revocation};

/// Source: IAM user guide, “Disabling permissions for temporary security credentials”: such a session never has more
/// than its user's permissions at the time of each call.
pub(super) fn federated(names: &Names) -> Advice {
    let user = || option("user-name", &names.caller);
    Advice {
        title: "Revoke the federated sessions of the user that got the token",
        console: "IAM → Users → the user that called GetFederationToken → Permissions → Create inline policy",
        cli: vec![
            words(["iam", "put-user-policy"], [vec![user()], revocation(names)].concat()),
            words(["iam", "list-access-keys"], vec![user()]),
        ],
        boto3: format!("{REVOKE}user = {}\n{REVOKE_FEDERATED}", python(&names.caller)),
        mind: "A federated user is nobody in IAM: its session may do at most what the user may that called GetFederationToken. All sessions of that user issued before the time in the policy are denied, the honest ones too. With its access keys it gets new tokens: make those Inactive whose use was not meant. Run it in the user's own account.",
    }
}

const REVOKE_FEDERATED: &str = r#"iam.put_user_policy(UserName=user, PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy)
for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
    print(key["AccessKeyId"], key["Status"])
"#;

/// Source: IAM Identity Center user guide, “Revoke active IAM role sessions created by permission sets”.
pub(super) fn permission_set(names: &Names) -> Advice {
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
        mind: "IAM does not let anybody change this role: IAM Identity Center keeps it. A service control policy denies its sessions in that account issued before the time in it, those of other people with the same permission set too; it is made in the management account, whose own roles it does not bind. The session's name is the person: take the assignments away, disable the user at the identity source and delete the sessions, or a new one is there in a minute.",
    }
}

pub(super) fn identity_center(names: &Names) -> Advice {
    let Names { identity_store, caller, .. } = names;
    let store = || option("identity-store-id", identity_store);
    let member = format!(r#"{{"UserId":{}}}"#, python(caller));
    Advice {
        title: "Disable the user of IAM Identity Center",
        console: "IAM Identity Center → Users → the user → Disable user access; Active sessions: delete",
        cli: vec![
            words(["identitystore", "describe-user"], vec![store(), option("user-id", caller)]),
            words(
                ["identitystore", "list-group-memberships-for-member"],
                vec![store(), option("member-id", &member)],
            ),
        ],
        boto3: format!(
            "store, user = {}, {}\n{DESCRIBE_USER}",
            python(identity_store),
            python(caller)
        ),
        mind: "The commands tell who it is and what groups give it; what stops it is in the console, or at the identity provider that people sign in with. Run them where IAM Identity Center is administered, in its region.",
    }
}

const DESCRIBE_USER: &str = r#"identities = boto3.client("identitystore")
print(identities.describe_user(IdentityStoreId=store, UserId=user)["UserName"])
memberships = identities.list_group_memberships_for_member(IdentityStoreId=store, MemberId={"UserId": user})
for membership in memberships["GroupMemberships"]:
    print(membership["GroupId"])
"#;

pub(super) fn account(names: &Names) -> Advice {
    let account = &names.caller_account;
    Advice {
        title: "Ask the other account's owner to stop the caller",
        console: "AWS Organizations → AWS accounts, in the management account: whose it is",
        cli: vec![words(
            ["organizations", "describe-account"],
            vec![option("account-id", account)],
        )],
        boto3: format!("account = {}\n{DESCRIBE_ACCOUNT}", python(account)),
        mind: "The record names the account, not who in it called: its own CloudTrail does, and its owner stops that caller. Here one can only take away what lets the account in: a trust policy or a resource policy that names it. An account that the command does not know is of another organisation.",
    }
}

const DESCRIBE_ACCOUNT: &str = r#"print(boto3.client("organizations").describe_account(AccountId=account)["Account"]["Name"])
"#;

pub(super) fn service(names: &Names) -> Advice {
    Advice {
        title: "Find who had the service call",
        console: "CloudTrail → Event history → Event source: the service; then the service's own console",
        cli: vec![lookup("EventSource", &names.caller)],
        boto3: lookup_in_python("EventSource", &names.caller),
        mind: "A service has no credentials to stop: it acts for somebody who set it up. The events of the service before the call tell who that was; stop that caller, or take the rights from the role that the service was given. An account without such events was acted on by AWS itself.",
    }
}

pub(super) fn assumed_root() -> Advice {
    Advice {
        title: "Find who assumed root",
        console: "CloudTrail, in the management account → Event history → Event name: AssumeRoot",
        cli: vec![lookup("EventName", "AssumeRoot")],
        boto3: lookup_in_python("EventName", "AssumeRoot"),
        mind: "Such a session has no key to stop and ends by itself within 15 minutes. Ask in the management account or that of the delegated administrator, in the region that answered the call: the record names who assumed root. Stop that caller.",
    }
}

pub(super) fn unknown(names: &Names) -> Advice {
    Advice {
        title: "Find out who the caller is",
        console: "CloudTrail → Event history → AWS access key: the record's accessKeyId",
        cli: vec![lookup("AccessKeyId", &names.key)],
        boto3: lookup_in_python("AccessKeyId", &names.key),
        mind: "The record does not say what kind of caller it was. Other events of the same access key often do, the one that made the key among them; without a key look at those of the same address at the same time. Then stop it as what it is.",
    }
}

fn lookup(key: &str, value: &str) -> Vec<String> {
    words(["cloudtrail", "lookup-events"], vec![option("lookup-attributes", &wanted(key, value))])
}

fn lookup_in_python(key: &str, value: &str) -> String {
    format!("wanted = {}\n{LOOKUP}", wanted(key, value))
}

/// JSON, which is Python too.
fn wanted(key: &str, value: &str) -> String {
    format!(r#"[{{"AttributeKey":"{key}","AttributeValue":{}}}]"#, python(value))
}

const LOOKUP: &str = r#"for page in boto3.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=wanted):
    for event in page["Events"]:
        print(event["EventTime"], event.get("Username"), event["EventId"])
"#;
