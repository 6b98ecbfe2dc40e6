//! Named groups of events for `[events] include`, so that nobody has to list the twelve by hand.

/// `eventSource` of IAM.
pub const IAM_EVENT_SOURCE: &str = "iam.amazonaws.com";

/// The groups: name, `eventSource`, and the event names it stands for.
/// Source: AWS IAM API Reference, actions on server certificates and signing certificates.
pub const GROUPS: [(&str, &str, &[&str]); 2] = [
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
