//! Remedies for the caller's own credentials.

use super::super::caller::Kind;
use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

pub(super) fn rotate_key(names: &Names) -> Advice {
    let user = || option("user-name", &names.caller);
    let key = || option("access-key-id", &names.key);
    Advice {
        title: "Replace the caller's access key",
        console: "IAM → Users → the caller → Security credentials → Access keys",
        cli: vec![
            words(["iam", "list-access-keys"], vec![user()]),
            words(["iam", "create-access-key"], vec![user()]),
            words(["iam", "update-access-key"], vec![user(), key(), option("status", "Inactive")]),
            words(["iam", "get-access-key-last-used"], vec![key()]),
            words(["iam", "delete-access-key"], vec![user(), key()]),
        ],
        boto3: format!("user, old = {}, {}\n{ROTATE}", python(&names.caller), python(&names.key)),
        mind: "Five steps with time between them: make the new key, move what uses the old one, make it Inactive, see that its last use stays in the past, delete it. A key that is abused is made Inactive at once. A role has no key to rotate: revoke its sessions.",
    }
}

const ROTATE: &str = r#"from datetime import datetime, timedelta, timezone

iam = boto3.client("iam")
new = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
print("move everything from", old, "to", new)
# when that is done:
iam.update_access_key(UserName=user, AccessKeyId=old, Status="Inactive")
# some days later:
used = iam.get_access_key_last_used(AccessKeyId=old)["AccessKeyLastUsed"].get("LastUsedDate")
if used is None or datetime.now(timezone.utc) - used > timedelta(days=3):
    iam.delete_access_key(UserName=user, AccessKeyId=old)
"#;

pub(super) fn mfa(names: &Names) -> Advice {
    match names.caller_kind {
        Kind::Root | Kind::AssumedRoot => mfa_of_root(),
        _ => mfa_of_user(names),
    }
}

/// A user's policies and devices are no use here.
fn mfa_of_root() -> Advice {
    Advice {
        title: "See that root has a second factor",
        console: "Signed in as root: the account's name → Security credentials → Multi-factor authentication (MFA)",
        cli: vec![words(
            ["iam", "get-account-summary"],
            vec![option("query", "SummaryMap.AccountMFAEnabled")],
        )],
        boto3: ROOT_MFA.to_owned(),
        mind: "Hygiene: a signing certificate asks for no second factor. 0 means that root has no device; only root itself can register one, in the console, and no policy in the account binds root. A member account can do without root's credentials: central root access deletes them.",
    }
}

const ROOT_MFA: &str = r#"summary = boto3.client("iam").get_account_summary()["SummaryMap"]
print("root has MFA:", summary.get("AccountMFAEnabled") == 1)
"#;

fn mfa_of_user(names: &Names) -> Advice {
    let user = || option("user-name", &names.caller);
    let Names { partition, account, caller, .. } = names;
    let device = format!("arn:{partition}:iam::{account}:mfa/{caller}");
    Advice {
        title: "List second factors, and require one",
        console: "IAM → Users → the caller → Security credentials → Assign MFA device",
        cli: vec![
            words(
                ["iam", "get-account-summary"],
                vec![option("query", "SummaryMap.AccountMFAEnabled")],
            ),
            words(["iam", "list-mfa-devices"], vec![user()]),
            words(
                ["iam", "create-virtual-mfa-device"],
                vec![
                    option("virtual-mfa-device-name", caller),
                    option("outfile", "mfa.png"),
                    option("bootstrap-method", "QRCodePNG"),
                ],
            ),
            words(
                ["iam", "enable-mfa-device"],
                vec![
                    user(),
                    option("serial-number", &device),
                    option("authentication-code1", "123456"),
                    option("authentication-code2", "654321"),
                ],
            ),
            words(
                ["iam", "put-user-policy"],
                vec![
                    user(),
                    option("policy-name", "RequireMfa"),
                    option("policy-document", REQUIRE_MFA),
                ],
            ),
        ],
        boto3: format!("caller, policy = {}, {}\n{LIST_MFA}", python(caller), python(REQUIRE_MFA)),
        mind: "Hygiene: a signing certificate asks for no second factor. Enabling takes the device and two consecutive codes from it; test the policy with one user before a group.",
    }
}

const REQUIRE_MFA: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"RequireMfa","Effect":"Deny","NotAction":["iam:CreateVirtualMFADevice","iam:EnableMFADevice","iam:GetUser","iam:ListMFADevices","iam:ListVirtualMFADevices","iam:ResyncMFADevice","sts:GetSessionToken"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;

const LIST_MFA: &str = r#"iam = boto3.client("iam")
print("root has MFA:", iam.get_account_summary()["SummaryMap"].get("AccountMFAEnabled") == 1)
for page in iam.get_paginator("list_users").paginate():
    for user in page["Users"]:
        if not iam.list_mfa_devices(UserName=user["UserName"])["MFADevices"]:
            print("no MFA:", user["UserName"])
iam.put_user_policy(UserName=caller, PolicyName="RequireMfa", PolicyDocument=policy)
"#;
