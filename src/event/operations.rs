//! The twelve operations on IAM certificates: what each means, why it matters, how it fails, what
//! to check and what to do. docs/events.md and `certrelay events` are made from this table.
//! Sources: IAM API Reference (actions, errors); the AWS service model for the shapes.

use super::finding::Severity;
use super::remediation::Remediation::{
    self, Deactivate, DeleteServer, DeleteSigning, FindUses, Guard, RestoreTags, RollBackRename,
    RotateKey,
};

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// `eventName`.
    pub name: &'static str,
    /// What it does.
    pub means: &'static str,
    /// Why it matters for security.
    pub matters: &'static str,
    /// Severity of a success without anything that raises it.
    pub severity: Severity,
    /// Ids of the rules that it may match.
    pub rules: &'static [&'static str],
    /// `errorCode` and what it means here.
    pub errors: &'static [(&'static str, &'static str)],
    /// What to check first.
    pub check: &'static [&'static str],
    /// What to do if it was not intended.
    pub remediations: &'static [Remediation],
}

/// Returns the operation of a record, if it is one of the twelve.
pub(super) fn find(source: &str, name: &str) -> Option<&'static Operation> {
    let is_iam = source == crate::config::IAM_EVENT_SOURCE;
    OPERATIONS.iter().find(|operation| is_iam && operation.name == name)
}

const DENIED: (&str, &str) = (
    "AccessDenied",
    "the caller lacks the permission; the parameters are not recorded, only the message names the target",
);
const NO_CERTIFICATE: (&str, &str) = ("NoSuchEntityException", "there is no such certificate");
const NO_USER: (&str, &str) = ("NoSuchEntityException", "there is no such user or certificate");
const FULL: (&str, &str) = ("LimitExceededException", "a quota is reached");
const BUSY: (&str, &str) =
    ("ConcurrentModificationException", "somebody changed it at the same time; callers retry");
const FAULT: (&str, &str) = ("ServiceFailureException", "IAM failed; callers retry");
const INVALID: (&str, &str) = ("InvalidInputException", "a parameter is malformed");

/// The twelve operations on server and signing certificates.
pub static OPERATIONS: [Operation; 12] = [
    Operation {
        name: "UploadServerCertificate",
        means: "A TLS certificate and its private key were put into IAM, for load balancers and CloudFront to serve.",
        matters: "Whoever has the key can impersonate the site and intercept its traffic. The certificate is outside ACM's inventory and renewal, and IAM now keeps a private key that somebody had in a file.",
        severity: Severity::Medium,
        rules: &["server-certificate-uploaded", "weak-certificate", "denied"],
        errors: &[
            DENIED,
            ("MalformedCertificateException", "the PEM cannot be read"),
            ("KeyPairMismatchException", "the private key is not the certificate's"),
            ("EntityAlreadyExistsException", "the name is taken"),
            FULL,
            INVALID,
            BUSY,
            FAULT,
        ],
        check: &[
            "Did the pipeline that renews certificates do it, or a person?",
            "Subject, names and issuer: does the organisation expect this certificate?",
            "Path /cloudfront/: it may face the world.",
            "Is it self-signed, expired, weak, or valid for longer than browsers accept?",
        ],
        remediations: &[FindUses, DeleteServer, RotateKey, Guard],
    },
    Operation {
        name: "UpdateServerCertificate",
        means: "A server certificate was renamed or moved to another path. Its content cannot be changed.",
        matters: "Automation that picks certificates by name or prefix now gets another one, or none; policies on the old ARN no longer apply. The id stays, the ARN changes.",
        severity: Severity::Low,
        rules: &["server-certificate-renamed", "denied"],
        errors: &[
            DENIED,
            NO_CERTIFICATE,
            ("EntityAlreadyExistsException", "the new name is taken"),
            FULL,
            FAULT,
        ],
        check: &[
            "Was another certificate given the old name soon after? Then one was swapped for the other.",
            "What refers to the certificate by name, path or ARN?",
        ],
        remediations: &[RollBackRename, FindUses, Guard],
    },
    Operation {
        name: "DeleteServerCertificate",
        means: "A server certificate and its private key were deleted from IAM.",
        matters: "What loads it by name fails at its next start or change: loss of service. It cannot be undone without the key's original file.",
        severity: Severity::Medium,
        rules: &["server-certificate-deleted", "server-certificate-deletion-in-use", "denied"],
        errors: &[
            DENIED,
            NO_CERTIFICATE,
            (
                "DeleteConflictException",
                "a load balancer or distribution uses it; the message names one",
            ),
            FULL,
            FAULT,
        ],
        check: &[
            "Was a successor uploaded and put in place before?",
            "Do listeners and distributions still answer?",
        ],
        remediations: &[FindUses, RotateKey, Guard],
    },
    Operation {
        name: "GetServerCertificate",
        means: "The body and chain of one server certificate were read.",
        matters: "Public data; the private key is never returned. Denied or unusual reads are reconnaissance.",
        severity: Severity::Informational,
        rules: &["denied"],
        errors: &[DENIED, NO_CERTIFICATE, FAULT],
        check: &[
            "Does this caller usually read it? Terraform, scanners and consoles do every day.",
        ],
        remediations: &[RotateKey],
    },
    Operation {
        name: "ListServerCertificates",
        means: "The server certificates of the account were listed.",
        matters: "An inventory of the account's TLS names. Scanners and consoles do it every day; denied or unusual listing is reconnaissance.",
        severity: Severity::Informational,
        rules: &["denied"],
        errors: &[DENIED, FAULT],
        check: &[
            "Does this caller usually list them?",
            "What else did the same key call in the same minutes?",
        ],
        remediations: &[RotateKey],
    },
    Operation {
        name: "TagServerCertificate",
        means: "Tags were put on a server certificate.",
        matters: "Where access depends on tags, a tag is a permission; where clean-up depends on tags, it decides what is deleted.",
        severity: Severity::Low,
        rules: &["server-certificate-tags", "denied"],
        errors: &[DENIED, NO_CERTIFICATE, INVALID, FULL, BUSY, FAULT],
        check: &[
            "Do policies use aws:ResourceTag with this key?",
            "Whose name does the owner tag carry now?",
        ],
        remediations: &[RestoreTags, Guard],
    },
    Operation {
        name: "UntagServerCertificate",
        means: "Tags were taken off a server certificate.",
        matters: "As for putting them on: access, ownership and clean-up may depend on them.",
        severity: Severity::Low,
        rules: &["server-certificate-tags", "denied"],
        errors: &[DENIED, NO_CERTIFICATE, INVALID, BUSY, FAULT],
        check: &[
            "Do policies use aws:ResourceTag with this key?",
            "Does anything delete certificates without an owner?",
        ],
        remediations: &[RestoreTags, Guard],
    },
    Operation {
        name: "ListServerCertificateTags",
        means: "The tags of one server certificate were read.",
        matters: "Terraform does it on every plan. Denied or unusual reads are reconnaissance.",
        severity: Severity::Informational,
        rules: &["denied"],
        errors: &[DENIED, NO_CERTIFICATE, FAULT],
        check: &["Does this caller usually read them?"],
        remediations: &[RotateKey],
    },
    Operation {
        name: "UploadSigningCertificate",
        means: "An X.509 signing certificate was given to a user; without a user name, to the caller, which may be root.",
        matters: "A second long-lived credential that access-key reports do not show, that no password policy touches and that asks for no second factor. Hardly anything needs one today: EC2's AMI bundling tools do.",
        severity: Severity::Medium,
        rules: &[
            "signing-certificate-root",
            "signing-certificate-other-user",
            "signing-certificate-uploaded",
            "denied",
        ],
        errors: &[
            DENIED,
            FULL,
            ("DuplicateCertificateException", "the same certificate is there already"),
            ("InvalidCertificateException", "it is not acceptable as a signing certificate"),
            ("MalformedCertificateException", "the PEM cannot be read"),
            ("EntityAlreadyExistsException", "it exists already"),
            NO_USER,
            BUSY,
            FAULT,
        ],
        check: &[
            "Whose certificate is it: the caller's own, another user's, root's?",
            "Was the user, or an access key, made shortly before by the same caller?",
            "Does anybody bundle AMIs? If not, nobody needs it.",
        ],
        remediations: &[Deactivate, DeleteSigning, RotateKey, Guard],
    },
    Operation {
        name: "UpdateSigningCertificate",
        means: "The status of a user's signing certificate was set to Active, Inactive or Expired.",
        matters: "Active: an inactive credential is valid again. Inactive: somebody's access was removed, or traces hidden after use.",
        severity: Severity::Medium,
        rules: &[
            "signing-certificate-root",
            "signing-certificate-reactivated",
            "signing-certificate-removed",
            "denied",
        ],
        errors: &[DENIED, NO_USER, FULL, INVALID, FAULT],
        check: &["Which status was set, and on whose certificate?", "Was it used in between?"],
        remediations: &[Deactivate, DeleteSigning, RotateKey, Guard],
    },
    Operation {
        name: "DeleteSigningCertificate",
        means: "A user's signing certificate was deleted.",
        matters: "By its owner or by central root management: good. By somebody else: access removed, or traces deleted after use.",
        severity: Severity::Medium,
        rules: &["signing-certificate-removed", "denied"],
        errors: &[DENIED, NO_USER, FULL, BUSY, FAULT],
        check: &[
            "Was it uploaded not long before, by the same caller?",
            "Does AMI bundling still work, if somebody does it?",
        ],
        remediations: &[RotateKey, Guard],
    },
    Operation {
        name: "ListSigningCertificates",
        means: "The signing certificates of a user were listed; without a user name, the caller's.",
        matters: "Terraform does it whenever it destroys a user, scanners do it daily. It was seen in attacks (Muddled Libra) as reconnaissance.",
        severity: Severity::Informational,
        rules: &["denied"],
        errors: &[DENIED, NO_USER, FAULT],
        check: &["Does this caller usually list them?", "Were many users asked about in a row?"],
        remediations: &[RotateKey],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::finding::RULES;
    use super::*;

    #[test]
    fn the_operations_are_the_two_groups_of_the_configuration() {
        let named: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
        let selected: BTreeSet<_> = crate::config::GROUPS
            .iter()
            .filter(|(group, ..)| group.ends_with("-certificate"))
            .flat_map(|(_, _, names)| names.iter().copied())
            .collect();
        assert_eq!(named, selected);
    }

    #[test]
    fn every_rule_that_an_operation_names_exists() {
        for operation in &OPERATIONS {
            for id in operation.rules {
                assert!(RULES.iter().any(|rule| rule.id == *id), "{}: {id}", operation.name);
            }
            assert!(operation.rules.contains(&"denied"), "each can be denied: {}", operation.name);
            assert!(
                !operation.check.is_empty() && !operation.remediations.is_empty(),
                "{}",
                operation.name
            );
        }
    }
}
