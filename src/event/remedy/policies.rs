//! The account's password policy.

use super::Advice;
use super::names::words;

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
