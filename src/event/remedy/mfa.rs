//! Second factors: hygiene beside what stops a caller.

use super::super::caller::Kind;
use super::names::words;
use super::quote::option;
use super::{Advice, Names, python};

pub(super) fn require(names: &Names) -> Advice {
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
