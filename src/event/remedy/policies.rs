//! Remedies for the account and the organisation.

use super::names::words;
use super::quote::option;
use super::{Advice, Names};

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

pub(super) fn trail(names: &Names) -> Advice {
    let Names { partition, account, .. } = names;
    let arn = format!("arn:{partition}:cloudtrail:REGION:{account}:trail/TRAIL");
    let name = || option("name", "TRAIL");
    let create = vec![
        name(),
        option("s3-bucket-name", "BUCKET"),
        "--is-multi-region-trail".to_owned(),
        "--include-global-service-events".to_owned(),
        "--enable-log-file-validation".to_owned(),
    ];
    Advice {
        title: "Turn CloudTrail on everywhere, with log-file validation",
        console: "CloudTrail → Trails → Create trail; Enable for all accounts in my organization; Log file validation: Enabled",
        cli: vec![
            words(["cloudtrail", "create-trail"], create),
            words(["cloudtrail", "start-logging"], vec![name()]),
            words(["cloudtrail", "get-trail-status"], vec![name()]),
            words(
                ["cloudtrail", "validate-logs"],
                vec![option("trail-arn", &arn), option("start-time", "2026-01-01T00:00:00Z")],
            ),
        ],
        boto3: TRAIL.to_owned(),
        mind: "A trail that is created does not log until it is started, and the bucket's policy must let CloudTrail write.",
    }
}

const TRAIL: &str = r#"cloudtrail = boto3.client("cloudtrail")
cloudtrail.create_trail(
    Name="TRAIL",
    S3BucketName="BUCKET",
    IsMultiRegionTrail=True,
    IncludeGlobalServiceEvents=True,
    EnableLogFileValidation=True,
)
cloudtrail.start_logging(Name="TRAIL")
print(cloudtrail.get_trail_status(Name="TRAIL")["IsLogging"])
"#;
