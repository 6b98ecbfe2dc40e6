//! Remediations that are policies: service control policies, MFA, and the account's password
//! policy.

use super::super::caller::Kind;
use super::advice::{Advice, Names, aws};
use super::quote::python;

/// Returns the operation that was called, and those with the same effect; every operation that
/// changes a certificate, if it is unknown.
fn actions(names: &Names) -> &'static str {
    let activated = names.status.as_deref() == Some("Active");
    match names.done.as_deref() {
        Some("UploadSigningCertificate") => "UploadSigningCertificate UpdateSigningCertificate",
        Some("UpdateSigningCertificate") if activated => {
            "UpdateSigningCertificate UploadSigningCertificate"
        }
        Some("UpdateSigningCertificate") => "UpdateSigningCertificate DeleteSigningCertificate",
        Some("DeleteSigningCertificate") => "DeleteSigningCertificate UpdateSigningCertificate",
        Some("UploadServerCertificate") => "UploadServerCertificate",
        Some("UpdateServerCertificate") => "UpdateServerCertificate",
        Some("DeleteServerCertificate") => "DeleteServerCertificate",
        Some("TagServerCertificate" | "UntagServerCertificate") => {
            "TagServerCertificate UntagServerCertificate"
        }
        _ => {
            "UploadSigningCertificate UpdateSigningCertificate DeleteSigningCertificate \
             UploadServerCertificate UpdateServerCertificate DeleteServerCertificate \
             TagServerCertificate UntagServerCertificate"
        }
    }
}

/// Denies changes of certificates to all but named roles; those of incident response stay able to
/// act.
pub(super) fn guard(names: &Names) -> Advice {
    let actions: Vec<_> =
        actions(names).split(' ').map(|action| format!(r#""iam:{action}""#)).collect();
    let role = |name: &str| format!(r#""arn:{}:iam::*:role/{name}""#, names.partition);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"CertificatesByNamedRolesOnly","Effect":"Deny","Action":[{}],"Resource":"*","Condition":{{"ArnNotLike":{{"aws:PrincipalArn":[{},{}]}}}}}}]}}"#,
        actions.join(","),
        role("cert-rotation"),
        role("incident-response"),
    );
    let description = "Changes of IAM certificates are left to named roles";
    let (cli, boto3) =
        service_control("certificates-by-named-roles-only", description, &policy, &names.account);
    Advice {
        title: "Leave changes of certificates to named roles",
        console: "AWS Organizations → Policies → Service control policies → Create policy → Attach",
        cli,
        boto3,
        note: "Service control policies bind member accounts, root included, but not the management account. Name your own two roles, with their paths: the one that renews certificates, and the one of incident response, without which nobody can make a certificate inactive any more. Contain first, attach then, and try it on one account.",
    }
}

pub(super) fn require_mfa(names: &Names) -> Advice {
    match names.caller_kind {
        Kind::Root | Kind::AssumedRoot => mfa_of_root(),
        _ => mfa_of_user(names),
    }
}

/// A user's policies and devices do not apply to root.
fn mfa_of_root() -> Advice {
    Advice {
        title: "See that root has a second factor",
        console: "Signed in as root: the account's name → Security credentials → Multi-factor authentication (MFA)",
        cli: vec![aws("iam get-account-summary", [MFA_ENABLED])],
        boto3: ROOT_MFA.to_owned(),
        note: "Hygiene: a signing certificate asks for no second factor. 0 means that root has no device; only root itself can register one, in the console, and no policy in the account binds root. A member account can do without root's credentials: central root access deletes them.",
    }
}

const MFA_ENABLED: (&str, &str) = ("query", "SummaryMap.AccountMFAEnabled");

const ROOT_MFA: &str = r#"summary = boto3.client("iam").get_account_summary()["SummaryMap"]
print("root has MFA:", summary.get("AccountMFAEnabled") == 1)
"#;

fn mfa_of_user(names: &Names) -> Advice {
    let Names { partition, account, caller, .. } = names;
    let device = format!("arn:{partition}:iam::{account}:mfa/{caller}");
    let user = ("user-name", caller.as_str());
    let create = [
        ("virtual-mfa-device-name", caller.as_str()),
        ("outfile", "mfa.png"),
        ("bootstrap-method", "QRCodePNG"),
    ];
    let codes = [("authentication-code1", "123456"), ("authentication-code2", "654321")];
    let enable = [user, ("serial-number", &device), codes[0], codes[1]];
    let policy = [user, ("policy-name", "RequireMfa"), ("policy-document", REQUIRE_MFA)];
    Advice {
        title: "List second factors, and require one",
        console: "IAM → Users → the caller → Security credentials → Assign MFA device",
        cli: vec![
            aws("iam get-account-summary", [MFA_ENABLED]),
            aws("iam list-mfa-devices", [user]),
            aws("iam create-virtual-mfa-device", create),
            aws("iam enable-mfa-device", enable),
            aws("iam put-user-policy", policy),
        ],
        boto3: format!("caller, policy = {}, {}\n{LIST_MFA}", python(caller), python(REQUIRE_MFA)),
        note: "Hygiene: a signing certificate asks for no second factor. Enabling takes the device and two consecutive codes from it; test the policy with one user before a group.",
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

pub(super) fn password() -> Advice {
    Advice {
        title: "Set the account's password policy",
        console: "IAM → Account settings → Password policy → Edit",
        cli: vec![aws(PASSWORD_COMMAND, [])],
        boto3: PASSWORD.to_owned(),
        note: "Hygiene: it stops no signing certificate. It replaces the whole policy; what is left out falls back to the default.",
    }
}

const PASSWORD_COMMAND: &str = "iam update-account-password-policy --minimum-password-length=14 --require-symbols --require-numbers --require-uppercase-characters --require-lowercase-characters --allow-users-to-change-password --password-reuse-prevention=24";

const PASSWORD: &str = r#"boto3.client("iam").update_account_password_policy(
    MinimumPasswordLength=14,
    RequireSymbols=True,
    RequireNumbers=True,
    RequireUppercaseCharacters=True,
    RequireLowercaseCharacters=True,
    AllowUsersToChangePassword=True,
    PasswordReusePrevention=24,
)
"#;

/// Returns command lines and Python that create a service control policy and attach it to
/// `account`.
pub(super) fn service_control(
    name: &str,
    description: &str,
    policy: &str,
    account: &str,
) -> (Vec<Vec<String>>, String) {
    let create = [
        ("type", "SERVICE_CONTROL_POLICY"),
        ("name", name),
        ("description", description),
        ("content", policy),
    ];
    let attach = [("policy-id", "POLICY_ID"), ("target-id", account)];
    let cli = vec![
        aws("organizations create-policy", create),
        aws("organizations attach-policy", attach),
    ];
    let boto3 = format!(
        r#"account, policy = {}, {}
organizations = boto3.client("organizations")
made = organizations.create_policy(
    Type="SERVICE_CONTROL_POLICY",
    Name="{name}",
    Description="{description}",
    Content=policy,
)
organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=account)
"#,
        python(account),
        python(policy)
    );
    (cli, boto3)
}
