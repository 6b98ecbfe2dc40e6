//! MITRE ATT&CK techniques of the rules. Source: ATT&CK v18.1, enterprise matrix.

/// A technique, its parent if it is a sub-technique, and its tactic here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Technique {
    /// `T1098.001`.
    pub id: &'static str,
    /// Name; a sub-technique's own name.
    pub name: &'static str,
    /// Name of a sub-technique's parent.
    pub parent: Option<&'static str>,
    /// `TA0003`.
    pub tactic_id: &'static str,
    /// Name of the tactic.
    pub tactic: &'static str,
}

impl Technique {
    /// Returns id and name of the technique itself: a sub-technique's parent.
    #[must_use]
    pub fn above(&self) -> (&'static str, &'static str) {
        let id = self.id.split('.').next().unwrap_or(self.id);
        self.parent.map_or((self.id, self.name), |parent| (id, parent))
    }
}

const fn technique(
    id: &'static str,
    name: &'static str,
    parent: Option<&'static str>,
    (tactic_id, tactic): (&'static str, &'static str),
) -> Technique {
    Technique { id, name, parent, tactic_id, tactic }
}

const PERSISTENCE: (&str, &str) = ("TA0003", "Persistence");
const IMPACT: (&str, &str) = ("TA0040", "Impact");
const DEFENSE_EVASION: (&str, &str) = ("TA0005", "Defense Evasion");
const RESOURCE_DEVELOPMENT: (&str, &str) = ("TA0042", "Resource Development");
const CREDENTIAL_ACCESS: (&str, &str) = ("TA0006", "Credential Access");
const DISCOVERY: (&str, &str) = ("TA0007", "Discovery");

pub(super) const CLOUD_CREDENTIALS: Technique = technique(
    "T1098.001",
    "Additional Cloud Credentials",
    Some("Account Manipulation"),
    PERSISTENCE,
);
pub(super) const CLOUD_ACCOUNTS: Technique =
    technique("T1078.004", "Cloud Accounts", Some("Valid Accounts"), PERSISTENCE);
pub(super) const ACCESS_REMOVAL: Technique =
    technique("T1531", "Account Access Removal", None, IMPACT);
pub(super) const INDICATOR_REMOVAL: Technique =
    technique("T1070", "Indicator Removal", None, DEFENSE_EVASION);
pub(super) const OBTAINED_CERTIFICATE: Technique = technique(
    "T1588.004",
    "Digital Certificates",
    Some("Obtain Capabilities"),
    RESOURCE_DEVELOPMENT,
);
pub(super) const MADE_CERTIFICATE: Technique = technique(
    "T1587.003",
    "Digital Certificates",
    Some("Develop Capabilities"),
    RESOURCE_DEVELOPMENT,
);
pub(super) const IN_THE_MIDDLE: Technique =
    technique("T1557", "Adversary-in-the-Middle", None, CREDENTIAL_ACCESS);
pub(super) const SERVICE_STOP: Technique = technique("T1489", "Service Stop", None, IMPACT);
pub(super) const DATA_DESTRUCTION: Technique = technique("T1485", "Data Destruction", None, IMPACT);
pub(super) const MASQUERADING: Technique =
    technique("T1036", "Masquerading", None, DEFENSE_EVASION);
pub(super) const ACCOUNT_DISCOVERY: Technique =
    technique("T1087.004", "Cloud Account", Some("Account Discovery"), DISCOVERY);
pub(super) const INFRASTRUCTURE_DISCOVERY: Technique =
    technique("T1580", "Cloud Infrastructure Discovery", None, DISCOVERY);
pub(super) const LOGS_DISABLED: Technique = technique(
    "T1562.008",
    "Disable or Modify Cloud Logs",
    Some("Impair Defenses"),
    DEFENSE_EVASION,
);
