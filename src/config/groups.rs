//! Names that a configuration may use: groups of events for `[events] include`, severities,
//! findings and certificate flags for `when`.

use super::types::EventRule;
use super::when::Pattern;

/// `eventSource` of IAM.
pub const IAM_EVENT_SOURCE: &str = "iam.amazonaws.com";

/// A group: its name, an `eventSource`, and the event names it stands for.
pub type Group = (&'static str, &'static str, &'static [&'static str]);

/// The groups that are included by default.
/// Source: AWS IAM API Reference, actions on server certificates and signing certificates.
pub const GROUPS: [Group; 2] = [
    (
        "server-certificate",
        IAM_EVENT_SOURCE,
        &[
            "UploadServerCertificate",
            "UpdateServerCertificate",
            "DeleteServerCertificate",
            "GetServerCertificate",
            "ListServerCertificates",
            "TagServerCertificate",
            "UntagServerCertificate",
            "ListServerCertificateTags",
        ],
    ),
    (
        "signing-certificate",
        IAM_EVENT_SOURCE,
        &[
            "UploadSigningCertificate",
            "UpdateSigningCertificate",
            "DeleteSigningCertificate",
            "ListSigningCertificates",
        ],
    ),
];

/// Not included by default, because it is not about certificates: the calls that stop, delete or
/// change a trail, after which nothing else is seen. Source: AWS CloudTrail API Reference.
pub const AUDIT_TRAIL: Group = (
    "audit-trail",
    "cloudtrail.amazonaws.com",
    &["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"],
);

/// Returns all groups.
pub(super) fn groups() -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().chain([&AUDIT_TRAIL])
}

/// Returns the event names of all groups.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    groups().flat_map(|(_, _, names)| names.iter().copied())
}

impl EventRule {
    /// Returns the rules of the default groups: every IAM certificate event.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        GROUPS.iter().flat_map(|(_, source, names)| Self::exactly(source, names)).collect()
    }

    /// Returns a rule for each name; names of ours need no escaping.
    pub(super) fn exactly(source: &str, names: &[&str]) -> Vec<Self> {
        let rule = |name: &&str| {
            let name = Pattern::new(name).ok()?;
            Some(Self { source: source.to_owned(), name })
        };
        names.iter().filter_map(rule).collect()
    }
}

/// Severities, lowest first, as OCSF names them.
pub(crate) const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// The ids of all findings, for `when.finding`. A test of the router compares them with the rules.
pub(crate) const FINDINGS: [&str; 14] = [
    "signing-certificate-root",
    "signing-certificate-other-user",
    "signing-certificate-uploaded",
    "signing-certificate-reactivated",
    "signing-certificate-removed",
    "server-certificate-uploaded",
    "weak-certificate",
    "server-certificate-deleted",
    "server-certificate-deletion-in-use",
    "server-certificate-renamed",
    "server-certificate-tags",
    "denied",
    "trail-silenced",
    "trail-changed",
];

/// Flags of the certificate in a call, for `when.certificate`. A test compares them with those of
/// events.
pub(crate) const CERTIFICATE_FLAGS: [&str; 10] = [
    "expired",
    "not_yet_valid",
    "valid_over_398_days",
    "valid_over_825_days",
    "rsa_below_2048",
    "weak_signature",
    "self_signed",
    "certificate_authority",
    "wildcard",
    "internal_name",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_selection_is_the_twelve_certificate_events() {
        let rules = EventRule::defaults();
        assert_eq!(rules.len(), 12);
        assert!(rules.iter().any(|rule| rule.name.matches("DeleteSigningCertificate")));
        assert!(!rules.iter().any(|rule| rule.name.matches("DeleteUser")));
    }
}
