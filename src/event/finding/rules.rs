//! The rules: one entry each, with its condition and its sentence.

use super::super::caller::Kind;
use super::super::certificate::Flag;
use super::super::remediation::Remediation::{
    self, Deactivate, DeleteServer, DeleteSigning, FindUses, Guard, Mfa, RestoreTags,
    RollBackRename, RotateKey, Trail,
};
use super::attack::{self, Technique};
use super::{Severity, Subject, trail};

/// One rule.
pub struct Rule {
    /// Stable id, for `when`, dashboards and suppression.
    pub id: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// Severity before anything raises or lowers it.
    pub severity: Severity,
    /// ATT&CK techniques that a match may be part of; those of `denied` are a read's, see
    /// [`Rule::techniques`].
    pub attack: &'static [Technique],
    /// What to do about a match.
    pub remediations: &'static [Remediation],
    /// Further reading.
    pub references: &'static [&'static str],
    /// Returns why an event matches the rule, in one sentence; `None` if it does not.
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

impl Rule {
    /// Returns the techniques of a finding by this rule for this operation. A denied write has
    /// those of its success; only denied reads are discovery.
    #[must_use]
    pub fn techniques(&self, operation: &str) -> &'static [Technique] {
        if self.id == "denied" { of_denied(operation).unwrap_or(self.attack) } else { self.attack }
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

/// All rules, in the order of docs/events.md.
pub static RULES: [Rule; 14] = [
    Rule {
        id: "signing-certificate-root",
        title: "Signing certificate by or for root",
        severity: Severity::Critical,
        attack: &[attack::CLOUD_CREDENTIALS, attack::CLOUD_ACCOUNTS],
        remediations: &[Deactivate, DeleteSigning, Mfa, Guard],
        references: &[ROOT_GUIDE, SIGNING_GUIDE],
        condition: |s| {
            let for_root = s.target.user.as_ref().is_some_and(|user| user.is_root);
            (gives_credential(s) && (for_root || by_root(s)))
                .then(|| format!("{} {} {}: {}", s.who(), verb(s), s.what(), root_credential(s)))
        },
    },
    Rule {
        id: "signing-certificate-other-user",
        title: "Signing certificate for another user",
        severity: Severity::High,
        attack: &[attack::CLOUD_CREDENTIALS],
        remediations: &[Deactivate, DeleteSigning, RotateKey, Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            let upload = s.did("UploadSigningCertificate");
            let consequence = "a second long-lived credential that access-key reports do not show";
            (upload && acts_on_other(s)).then(|| s.sentence("uploaded", consequence))
        },
    },
    Rule {
        id: "signing-certificate-uploaded",
        title: "Signing certificate uploaded",
        severity: Severity::Medium,
        attack: &[attack::CLOUD_CREDENTIALS],
        remediations: &[Deactivate, DeleteSigning, Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            let upload = s.did("UploadSigningCertificate");
            (upload && !acts_on_other(s) && !by_root(s))
                .then(|| s.sentence("uploaded", "few workloads need signing certificates today"))
        },
    },
    Rule {
        id: "signing-certificate-reactivated",
        title: "Signing certificate made active again",
        severity: Severity::Medium,
        attack: &[attack::CLOUD_CREDENTIALS],
        remediations: &[Deactivate, RotateKey, Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            (reactivates(s) && !by_root(s)).then(|| {
                format!(
                    "{} made {} active: an inactive credential is valid again",
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
        remediations: &[RotateKey, Guard],
        references: &[SIGNING_GUIDE],
        condition: |s| {
            let removes = s.call.is_iam("DeleteSigningCertificate")
                || sets_status(s, |status| status != "Active");
            let of_other = is_of_other(s) && s.caller.kind != Kind::AssumedRoot;
            (removes && s.call.succeeded() && of_other).then(|| {
                s.sentence("disabled or deleted", "access removal, or removal of traces after use")
            })
        },
    },
    Rule {
        id: "server-certificate-uploaded",
        title: "Server certificate uploaded",
        severity: Severity::Medium,
        attack: &[attack::OBTAINED_CERTIFICATE, attack::IN_THE_MIDDLE],
        remediations: &[FindUses, DeleteServer, RotateKey, Guard],
        references: &[SERVER_GUIDE],
        condition: |s| {
            s.did("UploadServerCertificate").then(|| {
                let names =
                    s.certificate().map(|one| format!(" for {}", one.subject)).unwrap_or_default();
                format!(
                    "{} uploaded {}{names} with its private key, outside ACM's inventory and renewal",
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
        remediations: &[FindUses, DeleteServer],
        references: &[SERVER_GUIDE],
        condition: weak_certificate,
    },
    Rule {
        id: "server-certificate-deleted",
        title: "Server certificate deleted",
        severity: Severity::Medium,
        attack: &[attack::SERVICE_STOP, attack::DATA_DESTRUCTION],
        remediations: &[FindUses, RotateKey, Guard],
        references: &[SERVER_GUIDE],
        condition: |s| {
            s.did("DeleteServerCertificate")
                .then(|| s.sentence("deleted", "what loads it by name will fail"))
        },
    },
    Rule {
        id: "server-certificate-deletion-in-use",
        title: "Deletion of a server certificate in use",
        severity: Severity::Low,
        attack: &[attack::SERVICE_STOP],
        remediations: &[FindUses],
        references: &[SERVER_GUIDE],
        condition: |s| {
            let conflict = s.call.error_code.is_some_and(|code| code.starts_with("DeleteConflict"));
            (s.call.is_iam("DeleteServerCertificate") && conflict).then(|| {
                let user = s.target.server_certificate.as_ref();
                let user = user.and_then(|one| Some(format!(" by {}", one.in_use_by.as_ref()?)));
                let user = user.unwrap_or_default();
                format!("{} tried to delete {}, which is in use{user}", s.who(), s.what())
            })
        },
    },
    Rule {
        id: "server-certificate-renamed",
        title: "Server certificate renamed or moved",
        severity: Severity::Low,
        attack: &[attack::MASQUERADING],
        remediations: &[RollBackRename, FindUses],
        references: &[SERVER_GUIDE],
        condition: renamed,
    },
    Rule {
        id: "server-certificate-tags",
        title: "Tags of a server certificate changed",
        severity: Severity::Low,
        attack: &[],
        remediations: &[RestoreTags, Guard],
        references: &[SERVER_GUIDE],
        condition: |s| {
            let tags = s.did("TagServerCertificate") || s.did("UntagServerCertificate");
            tags.then(|| s.sentence("changed tags of", "access and ownership may depend on them"))
        },
    },
    Rule {
        id: "denied",
        title: "Denied attempt",
        severity: Severity::Low,
        attack: &[attack::ACCOUNT_DISCOVERY, attack::INFRASTRUCTURE_DISCOVERY],
        remediations: &[RotateKey],
        references: &[SIGNING_GUIDE, SERVER_GUIDE],
        condition: |s| {
            let of_iam = s.call.is_of_iam() && s.call.name.contains("Certificate");
            ((of_iam || on_trail(s)) && s.call.was_denied()).then(|| {
                let on = s.target.phrase().map(|what| format!(" on {what}")).unwrap_or_default();
                format!("{} tried {}{on} and was denied", s.who(), s.call.name)
            })
        },
    },
    Rule {
        id: "trail-silenced",
        title: "Audit trail stopped, deleted or reduced",
        severity: Severity::High,
        attack: &[attack::LOGS_DISABLED],
        remediations: &[Trail],
        references: &[TRAIL_GUIDE],
        condition: |s| {
            let called = changed_trail(s)?;
            let how = trail::reduced(s.call.name, s.root)?;
            let how = if how.is_empty() { how } else { format!(" ({how})") };
            Some(format!("{called}{how}: later calls may not be logged"))
        },
    },
    Rule {
        id: "trail-changed",
        title: "Audit trail changed without reducing it",
        severity: Severity::Low,
        attack: &[],
        remediations: &[Trail],
        references: &[TRAIL_GUIDE],
        condition: |s| {
            let called = changed_trail(s)?;
            let reduced = trail::reduced(s.call.name, s.root);
            reduced.is_none().then(|| format!("{called}: it records as much as before, or more"))
        },
    },
];

/// Returns who called what on which trail, if a trail was changed.
fn changed_trail(s: &Subject<'_>) -> Option<String> {
    let called = || format!("{} called {} on {}", s.who(), s.call.name, s.what());
    (on_trail(s) && s.call.succeeded()).then(called)
}

/// Returns whether the call may stop, delete or change a trail.
fn on_trail(s: &Subject<'_>) -> bool {
    let (_, source, names) = crate::config::AUDIT_TRAIL;
    s.call.source == source && names.contains(&s.call.name)
}

/// Returns whether `matches` is true of the status that an `UpdateSigningCertificate` sets.
fn sets_status(s: &Subject<'_>, matches: fn(&str) -> bool) -> bool {
    let status = s.root.text("requestParameters.status");
    s.call.is_iam("UpdateSigningCertificate") && status.is_some_and(matches)
}

fn reactivates(s: &Subject<'_>) -> bool {
    s.call.succeeded() && sets_status(s, |status| status == "Active")
}

/// Returns whether a signing certificate is valid now that was not before.
fn gives_credential(s: &Subject<'_>) -> bool {
    s.did("UploadSigningCertificate") || reactivates(s)
}

/// Returns whether root called, for which `signing-certificate-root` is the finding.
fn by_root(s: &Subject<'_>) -> bool {
    matches!(s.caller.kind, Kind::Root | Kind::AssumedRoot)
}

/// Returns whether a caller that is not root acts on another user.
fn acts_on_other(s: &Subject<'_>) -> bool {
    !by_root(s) && is_of_other(s)
}

/// Returns whether the user acted on is not the caller. Roles have no signing certificates: they
/// always act on another user's, named or not.
fn is_of_other(s: &Subject<'_>) -> bool {
    match &s.target.user {
        Some(user) => !user.is_caller,
        None => !matches!(s.caller.kind, Kind::User | Kind::Root),
    }
}

fn verb(s: &Subject<'_>) -> &'static str {
    if s.call.name.starts_with("Upload") { "uploaded" } else { "made active" }
}

/// Returns what root was given, or gave.
fn root_credential(s: &Subject<'_>) -> String {
    match &s.target.user {
        Some(user) if user.is_root => {
            "root now has a long-lived credential besides its password".to_owned()
        }
        Some(user) => format!("root gave user {} a long-lived credential", user.name),
        None => {
            "root gave a long-lived credential to itself or to a user that the record does not name"
                .to_owned()
        }
    }
}

fn weak_certificate(s: &Subject<'_>) -> Option<String> {
    let upload = s.did("UploadServerCertificate");
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
    s.did("UpdateServerCertificate").then(|| {
        let path = new.path.as_ref().map(|path| format!(" under {path}")).unwrap_or_default();
        format!(
            "{} renamed {} to {}{path}: what refers to it by name gets another certificate, or none",
            s.who(),
            s.what(),
            new.name
        )
    })
}

/// Returns the techniques of a denied operation that changes something.
fn of_denied(operation: &str) -> Option<&'static [Technique]> {
    let success = match operation {
        // Their success matches one of several rules, depending on the user.
        "UploadSigningCertificate" | "UpdateSigningCertificate" => {
            return Some(&[attack::CLOUD_CREDENTIALS]);
        }
        "DeleteSigningCertificate" => return Some(&[attack::ACCESS_REMOVAL]),
        "UploadServerCertificate" => "server-certificate-uploaded",
        "UpdateServerCertificate" => "server-certificate-renamed",
        "DeleteServerCertificate" => "server-certificate-deleted",
        "TagServerCertificate" | "UntagServerCertificate" => "server-certificate-tags",
        _ if crate::config::AUDIT_TRAIL.2.contains(&operation) => "trail-silenced",
        _ => return None,
    };
    RULES.iter().find(|rule| rule.id == success).map(|rule| rule.attack)
}
