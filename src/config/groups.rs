//! Names that the operator may use: groups of events for `[events] include`, so that nobody has to
//! list the twelve by hand, severities and findings for `when`.

/// `eventSource` of IAM.
pub const IAM_EVENT_SOURCE: &str = "iam.amazonaws.com";

/// A group: its name, an `eventSource`, and the event names it stands for.
pub type Group = (&'static str, &'static str, &'static [&'static str]);

/// The groups that are included when nothing is said.
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

/// Off by default: the calls that stop, delete or change a trail, because losing it is how everything
/// else goes unseen. Not about certificates, so that it must be asked for.
/// Source: AWS CloudTrail API Reference.
pub const AUDIT_TRAIL: Group = (
    "audit-trail",
    "cloudtrail.amazonaws.com",
    &["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"],
);

/// How grave an event can be, from nothing to the gravest: OCSF's words.
pub const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// The ids of all findings, for `when.finding`. A test of the router holds them to the rules.
pub const FINDINGS: [&str; 14] = [
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

/// What may be said of the certificate that a call brings, for `when.certificate`. A test holds
/// them to the events'.
pub const CERTIFICATE_FLAGS: [&str; 10] = [
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
