//! Policies that more than certificates stand under: the account's for passwords, and service control policies.

use super::names::words;
use super::quote::option;
use super::{Advice, python};

pub(super) fn password() -> Advice {
    let flags = [
        "--minimum-password-length=14",
        "--require-symbols",
        "--require-numbers",
        "--require-uppercase-characters",
        "--require-lowercase-characters",
        "--allow-users-to-change-password",
        "--password-reuse-prevention=24",
    ];
    Advice {
        title: "Set the account's password policy",
        console: "IAM → Account settings → Password policy → Edit",
        cli: vec![words(
            ["iam", "update-account-password-policy"],
            flags.map(str::to_owned).to_vec(),
        )],
        boto3: PASSWORD.to_owned(),
        mind: "Hygiene: it stops no signing certificate. It replaces the whole policy; what is left out falls back to the default.",
    }
}

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

/// Makes `policy` a service control policy and attaches it to `account`: as command lines, and in Python.
pub(super) fn service_control(
    name: &str,
    description: &str,
    policy: &str,
    account: &str,
) -> (Vec<Vec<String>>, String) {
    let create = vec![
        option("type", "SERVICE_CONTROL_POLICY"),
        option("name", name),
        option("description", description),
        option("content", policy),
    ];
    let attach = vec![option("policy-id", "POLICY_ID"), option("target-id", account)];
    let cli = vec![
        words(["organizations", "create-policy"], create),
        words(["organizations", "attach-policy"], attach),
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
