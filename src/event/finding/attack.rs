//! MITRE ATT&CK techniques that the rules name. Source: ATT&CK v18.1, enterprise matrix.

use super::{RULES, Rule};

/// A technique, its parent if it is a sub-technique, and the tactic it serves here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Technique {
    /// `T1098.001`.
    pub id: &'static str,
    /// Name; of a sub-technique its own.
    pub name: &'static str,
    /// Name of the technique above a sub-technique.
    pub parent: Option<&'static str>,
    /// `TA0003`.
    pub tactic_id: &'static str,
    /// Name of the tactic.
    pub tactic: &'static str,
}

const fn technique(
    id: &'static str,
    name: &'static str,
    parent: Option<&'static str>,
    tactic_id: &'static str,
    tactic: &'static str,
) -> Technique {
    Technique { id, name, parent, tactic_id, tactic }
}

pub(super) const CLOUD_CREDENTIALS: Technique = technique(
    "T1098.001",
    "Additional Cloud Credentials",
    Some("Account Manipulation"),
    "TA0003",
    "Persistence",
);
pub(super) const CLOUD_ACCOUNTS: Technique =
    technique("T1078.004", "Cloud Accounts", Some("Valid Accounts"), "TA0003", "Persistence");
pub(super) const ACCESS_REMOVAL: Technique =
    technique("T1531", "Account Access Removal", None, "TA0040", "Impact");
pub(super) const INDICATOR_REMOVAL: Technique =
    technique("T1070", "Indicator Removal", None, "TA0005", "Defense Evasion");
pub(super) const OBTAINED_CERTIFICATE: Technique = technique(
    "T1588.004",
    "Digital Certificates",
    Some("Obtain Capabilities"),
    "TA0042",
    "Resource Development",
);
pub(super) const MADE_CERTIFICATE: Technique = technique(
    "T1587.003",
    "Digital Certificates",
    Some("Develop Capabilities"),
    "TA0042",
    "Resource Development",
);
pub(super) const IN_THE_MIDDLE: Technique =
    technique("T1557", "Adversary-in-the-Middle", None, "TA0006", "Credential Access");
pub(super) const SERVICE_STOP: Technique =
    technique("T1489", "Service Stop", None, "TA0040", "Impact");
pub(super) const DATA_DESTRUCTION: Technique =
    technique("T1485", "Data Destruction", None, "TA0040", "Impact");
pub(super) const MASQUERADING: Technique =
    technique("T1036", "Masquerading", None, "TA0005", "Defense Evasion");
pub(super) const ACCOUNT_DISCOVERY: Technique =
    technique("T1087.004", "Cloud Account", Some("Account Discovery"), "TA0007", "Discovery");
pub(super) const INFRASTRUCTURE_DISCOVERY: Technique =
    technique("T1580", "Cloud Infrastructure Discovery", None, "TA0007", "Discovery");
pub(super) const LOGS_DISABLED: Technique = technique(
    "T1562.008",
    "Disable or Modify Cloud Logs",
    Some("Impair Defenses"),
    "TA0005",
    "Defense Evasion",
);

impl Rule {
    /// What a finding by this rule may be part of, of this operation. What was denied would have been the same
    /// technique as its success; only reads that were denied are discovery.
    #[must_use]
    pub fn techniques(&self, operation: &str) -> &'static [Technique] {
        if self.id == "denied" { of_denied(operation).unwrap_or(self.attack) } else { self.attack }
    }
}

fn of_denied(operation: &str) -> Option<&'static [Technique]> {
    let success = match operation {
        // Of these the success is told by several rules, by whose certificate it is.
        "UploadSigningCertificate" | "UpdateSigningCertificate" => {
            return Some(&[CLOUD_CREDENTIALS]);
        }
        "DeleteSigningCertificate" => return Some(&[ACCESS_REMOVAL]),
        "UploadServerCertificate" => "server-certificate-uploaded",
        "UpdateServerCertificate" => "server-certificate-renamed",
        "DeleteServerCertificate" => "server-certificate-deleted",
        "TagServerCertificate" | "UntagServerCertificate" => "server-certificate-tags",
        _ if crate::config::AUDIT_TRAIL.2.contains(&operation) => "trail-silenced",
        _ => return None,
    };
    RULES.iter().find(|rule| rule.id == success).map(|rule| rule.attack)
}
