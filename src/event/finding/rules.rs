//! The rules: one entry each, condition and sentence side by side.

use super::super::caller::Kind;
use super::super::certificate::Flag;
use super::super::remedy::Remedy;
use super::attack::{self, Technique};
use super::{Severity, Subject, trail};

/// One rule.
pub struct Rule {
    /// Stable, for `when`, dashboards and suppression.
    pub id: &'static str,
    /// What it is about, for people.
    pub title: &'static str,
    /// Before anything raises or lowers it.
    pub severity: Severity,
    /// ATT&CK techniques it may be part of. Of `denied`: for a read; a write's are its own ([`Rule::techniques`]).
    pub attack: &'static [Technique],
    /// What to do.
    pub remedies: &'static [Remedy],
    /// Where to read on.
    pub references: &'static [&'static str],
    /// Why this event meets the rule, in one sentence; `None` if it does not.
    pub(super) condition: fn(&Subject<'_>) -> Option<String>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule")
            .field("id", &self.id)
            .field("severity", &self.severity)
            .finish_non_exhaustive()
    }
}

const SIGNING_GUIDE: &str =
    "https://docs.aws.amazon.com/IAM/latest/APIReference/API_UploadSigningCertificate.html";
const SERVER_GUIDE: &str =
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_server-certs.html";
const ROOT_GUIDE: &str =
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html";
const TRAIL_GUIDE: &str =
    "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/best-practices-security.html";

/// All rules, in the order of the documentation.
pub static RULES: [Rule; 14] = [
    Rule {
        id: "signing-certificate-root",
        title: "Signing certificate by or for root",
        severity: Severity::Critical,
        attack: &[attack::CLOUD_CREDENTIALS, attack::CLOUD_ACCOUNTS],
        remedies: &[Remedy::Deactivate, Remedy::DeleteSigning, Remedy::Mfa, Remedy::Guard],
        references: &[ROOT_GUIDE, SIGNING_GUIDE],
        condition: |s| {
            let for_root = s.target.user.as_ref().is_some_and(|user| user.is_root);
            (gives_credential(s) && (for_root || by_root(s)))
                .then(|| format!("{} {} {}: {}", s.who(), verb(s), s.what(), roots_part(s)))
        },
    },
    Rule {
        id: "signing-certificate-other-user",
        title: "Signing certificate for another user",
        severity: Severity::High,
        attack: &[attack::CLOUD_CREDENTIALS],
        remedies: &[Remedy::Deactivate, Remedy::DeleteSigning, Remedy::RotateKey, Remedy::Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            let upload = s.is_iam("UploadSigningCertificate") && s.succeeded();
            (upload && acts_on_other(s)).then(|| {
                format!("{} uploaded {}: a second long-lived credential that access-key reports do not show", s.who(), s.what())
            })
        },
    },
    Rule {
        id: "signing-certificate-uploaded",
        title: "Signing certificate uploaded",
        severity: Severity::Medium,
        attack: &[attack::CLOUD_CREDENTIALS],
        remedies: &[Remedy::Deactivate, Remedy::DeleteSigning, Remedy::Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            let upload = s.is_iam("UploadSigningCertificate") && s.succeeded();
            (upload && !acts_on_other(s) && !by_root(s)).then(|| {
                format!(
                    "{} uploaded {}: hardly anything needs signing certificates today",
                    s.who(),
                    s.what()
                )
            })
        },
    },
    Rule {
        id: "signing-certificate-reactivated",
        title: "Signing certificate made active again",
        severity: Severity::Medium,
        attack: &[attack::CLOUD_CREDENTIALS],
        remedies: &[Remedy::Deactivate, Remedy::RotateKey, Remedy::Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            (reactivates(s) && !by_root(s)).then(|| {
                format!(
                    "{} made {} active: a credential that was off works again",
                    s.who(),
                    s.what()
                )
            })
        },
    },
    Rule {
        id: "signing-certificate-removed",
        title: "Signing certificate of another user disabled or deleted",
        severity: Severity::Medium,
        attack: &[attack::ACCESS_REMOVAL, attack::INDICATOR_REMOVAL],
        remedies: &[Remedy::RotateKey, Remedy::Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            let removes =
                s.is_iam("DeleteSigningCertificate") || sets_status(s, |status| status != "Active");
            let of_other = is_of_other(s) && s.caller.kind != Kind::AssumedRoot;
            (removes && s.succeeded() && of_other).then(|| {
                format!("{} took {} away: access removed, or traces after use", s.who(), s.what())
            })
        },
    },
    Rule {
        id: "server-certificate-uploaded",
        title: "Server certificate uploaded",
        severity: Severity::Medium,
        attack: &[attack::OBTAINED_CERTIFICATE, attack::IN_THE_MIDDLE],
        remedies: &[Remedy::FindUses, Remedy::DeleteServer, Remedy::RotateKey, Remedy::Guard],
        references: &[SERVER_GUIDE],
        condition: |s| {
            (s.is_iam("UploadServerCertificate") && s.succeeded()).then(|| {
                let names =
                    s.certificate().map(|one| format!(" for {}", one.subject)).unwrap_or_default();
                format!(
                    "{} uploaded {}{names} with its private key, past ACM's inventory and renewal",
                    s.who(),
                    s.what()
                )
            })
        },
    },
    Rule {
        id: "weak-certificate",
        title: "Self-signed or weak certificate",
        severity: Severity::Medium,
        attack: &[attack::MADE_CERTIFICATE, attack::IN_THE_MIDDLE],
        remedies: &[Remedy::FindUses, Remedy::DeleteServer],
        references: &[SERVER_GUIDE],
        condition: weak_certificate,
    },
    Rule {
        id: "server-certificate-deleted",
        title: "Server certificate deleted",
        severity: Severity::Medium,
        attack: &[attack::SERVICE_STOP, attack::DATA_DESTRUCTION],
        remedies: &[Remedy::FindUses, Remedy::RotateKey, Remedy::Guard],
        references: &[SERVER_GUIDE],
        condition: |s| {
            (s.is_iam("DeleteServerCertificate") && s.succeeded()).then(|| {
                format!(
                    "{} deleted {}: whatever loads it by name fails next time",
                    s.who(),
                    s.what()
                )
            })
        },
    },
    Rule {
        id: "server-certificate-deletion-in-use",
        title: "Deletion of a server certificate in use",
        severity: Severity::Low,
        attack: &[attack::SERVICE_STOP],
        remedies: &[Remedy::FindUses],
        references: &[SERVER_GUIDE],
        condition: |s| {
            let conflict = s
                .fields
                .error_code
                .as_deref()
                .is_some_and(|code| code.starts_with("DeleteConflict"));
            (s.is_iam("DeleteServerCertificate") && conflict)
                .then(|| format!("{} tried to delete {}, which is in use", s.who(), s.what()))
        },
    },
    Rule {
        id: "server-certificate-renamed",
        title: "Server certificate renamed or moved",
        severity: Severity::Low,
        attack: &[attack::MASQUERADING],
        remedies: &[Remedy::RollBackRename, Remedy::FindUses],
        references: &[SERVER_GUIDE],
        condition: renamed,
    },
    Rule {
        id: "server-certificate-tags",
        title: "Tags of a server certificate changed",
        severity: Severity::Low,
        attack: &[],
        remedies: &[Remedy::RestoreTags, Remedy::Guard],
        references: &[SERVER_GUIDE],
        condition: |s| {
            let tags = s.is_iam("TagServerCertificate") || s.is_iam("UntagServerCertificate");
            (tags && s.succeeded()).then(|| {
                format!(
                    "{} changed tags of {}: access and ownership may hang on them",
                    s.who(),
                    s.what()
                )
            })
        },
    },
    Rule {
        id: "denied",
        title: "Denied attempt",
        severity: Severity::Low,
        attack: &[attack::ACCOUNT_DISCOVERY, attack::INFRASTRUCTURE_DISCOVERY],
        remedies: &[Remedy::RotateKey],
        references: &[SIGNING_GUIDE, SERVER_GUIDE],
        condition: |s| {
            let of_iam = s.fields.source == crate::config::IAM_EVENT_SOURCE
                && s.fields.name.contains("Certificate");
            ((of_iam || on_trail(s)) && s.was_denied()).then(|| {
                let on = s.target.phrase().map(|what| format!(" on {what}")).unwrap_or_default();
                format!("{} tried {}{on} and was denied", s.who(), s.fields.name)
            })
        },
    },
    Rule {
        id: "trail-silenced",
        title: "Audit trail stopped, deleted or narrowed",
        severity: Severity::High,
        attack: &[attack::LOGS_DISABLED],
        remedies: &[Remedy::Trail],
        references: &[TRAIL_GUIDE],
        condition: |s| {
            let called = changed_trail(s)?;
            let how = trail::taken(&s.fields.name, s.root)?;
            let how = if how.is_empty() { how } else { format!(" ({how})") };
            Some(format!("{called}{how}: what follows may go unseen"))
        },
    },
    Rule {
        id: "trail-changed",
        title: "Audit trail changed, and nothing taken from it",
        severity: Severity::Low,
        attack: &[],
        remedies: &[Remedy::Trail],
        references: &[TRAIL_GUIDE],
        condition: |s| {
            let called = changed_trail(s)?;
            let taken = trail::taken(&s.fields.name, s.root);
            taken.is_none().then(|| format!("{called}: it records what it did, or more"))
        },
    },
];

/// Who called what on which trail, if a trail was changed.
fn changed_trail(s: &Subject<'_>) -> Option<String> {
    let called = || format!("{} called {} on {}", s.who(), s.fields.name, s.what());
    (on_trail(s) && s.succeeded()).then(called)
}

/// Whether the call is one that may stop, delete or change a trail.
fn on_trail(s: &Subject<'_>) -> bool {
    let (_, source, names) = crate::config::AUDIT_TRAIL;
    s.fields.source == source && names.contains(&s.fields.name.as_str())
}

/// Whether `status` of an `UpdateSigningCertificate` is one of those meant.
fn sets_status(s: &Subject<'_>, wanted: fn(&str) -> bool) -> bool {
    let status = s.root.text("requestParameters.status");
    s.is_iam("UpdateSigningCertificate") && status.is_some_and(wanted)
}

fn reactivates(s: &Subject<'_>) -> bool {
    s.succeeded() && sets_status(s, |status| status == "Active")
}

/// Whether a signing certificate works now that did not before.
fn gives_credential(s: &Subject<'_>) -> bool {
    (s.is_iam("UploadSigningCertificate") && s.succeeded()) || reactivates(s)
}

/// Whether `signing-certificate-root` speaks about it already.
fn by_root(s: &Subject<'_>) -> bool {
    matches!(s.caller.kind, Kind::Root | Kind::AssumedRoot)
}

/// Whether a caller that is not root acts on another user.
fn acts_on_other(s: &Subject<'_>) -> bool {
    !by_root(s) && is_of_other(s)
}

/// Whether the user acted on is not the caller. Roles have no signing certificates: what they act on is
/// always somebody else's, named or not.
fn is_of_other(s: &Subject<'_>) -> bool {
    match &s.target.user {
        Some(user) => !user.is_caller,
        None => !matches!(s.caller.kind, Kind::User | Kind::Root),
    }
}

fn verb(s: &Subject<'_>) -> &'static str {
    if s.fields.name.starts_with("Upload") { "uploaded" } else { "made active" }
}

/// What root got, or gave.
fn roots_part(s: &Subject<'_>) -> String {
    match &s.target.user {
        Some(user) if user.is_root => {
            "root now has a long-lived credential beside its password".to_owned()
        }
        Some(user) => format!("root gave user {} a long-lived credential", user.name),
        None => {
            "root gave a long-lived credential to itself or to a user that the record does not name"
                .to_owned()
        }
    }
}

fn weak_certificate(s: &Subject<'_>) -> Option<String> {
    let upload = s.is_iam("UploadServerCertificate") && s.succeeded();
    let certificate = s.certificate().filter(|_| upload)?;
    let flags = certificate.flags(s.now);
    let weak: Vec<_> =
        flags.into_iter().filter(|flag| flag.is_weakness()).map(Flag::as_str).collect();
    (!weak.is_empty()).then(|| {
        format!("{} for {} is {}", s.what(), certificate.subject, weak.join(", ").replace('_', " "))
    })
}

fn renamed(s: &Subject<'_>) -> Option<String> {
    let new = s.target.server_certificate.as_ref()?.renamed.as_ref()?;
    (s.is_iam("UpdateServerCertificate") && s.succeeded()).then(|| {
        let path = new.path.as_ref().map(|path| format!(" under {path}")).unwrap_or_default();
        format!(
            "{} made {} into {}{path}: what picks it by name gets another, or none",
            s.who(),
            s.what(),
            new.name
        )
    })
}
