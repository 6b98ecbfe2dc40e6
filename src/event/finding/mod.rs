//! Findings: a table of rules over one event.
//!
//! Stateless on purpose. What depends on several events (a burst, an upload soon after a new user)
//! is for the SIEM to correlate; here every sentence can be verified against its one record.

mod attack;
mod rules;
mod severity;
mod trail;

use time::OffsetDateTime;

use super::call::Call;
use super::caller::Caller;
use super::certificate::{self, Certificate, Found};
use super::credential_report::ReportedCredentials;
use super::json::Node;
use super::remediation::Remediation;
use super::target::Target;
use crate::config::EventOptions;

pub use attack::Technique;
pub use rules::{RULES, Rule};

/// The severity of a finding or an event, on OCSF's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Severity {
    /// No action needed.
    #[default]
    Informational = 1,
    /// Worth knowing.
    Low,
    /// To be reviewed the same day.
    Medium,
    /// To be reviewed now.
    High,
    /// To be paged.
    Critical,
}

impl Severity {
    /// Returns `informational` … `critical`, as in `when` and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns OCSF's `severity_id`: 1 to 5.
    #[must_use]
    pub fn id(self) -> u8 {
        self as u8
    }

    fn raised(self) -> Self {
        match self {
            Self::Informational => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    fn lowered(self) -> Self {
        match self {
            Self::Informational => Self::Informational,
            Self::Low | Self::Medium => Self::Low,
            Self::High => Self::Medium,
            Self::Critical => Self::Critical,
        }
    }
}

/// One rule that an event matched.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule: id, title, references.
    pub rule: &'static Rule,
    /// ATT&CK techniques that this event may be part of: the rule's, or those of the denied write.
    pub attack: &'static [Technique],
    /// The rule's severity, raised or lowered for `severity_reasons`.
    pub severity: Severity,
    /// One sentence with the event's own values.
    pub reason: String,
    /// What raised or lowered the severity.
    pub severity_reasons: Vec<String>,
    /// What to do about it.
    pub remediations: &'static [Remediation],
}

/// The input of the rules.
pub(super) struct Subject<'s> {
    pub(super) root: &'s Node<'s>,
    pub(super) call: Call<'s>,
    pub(super) target: &'s Target,
    pub(super) caller: &'s Caller,
    pub(super) reported: &'s ReportedCredentials,
    pub(super) certificates: &'s [Found],
    pub(super) options: &'s EventOptions,
    /// When the call was made; certificates are checked as of then.
    pub(super) now: OffsetDateTime,
}

impl Subject<'_> {
    /// Returns whether this operation of IAM succeeded.
    fn did(&self, operation: &str) -> bool {
        self.call.is_iam(operation) && self.call.succeeded()
    }

    fn reads_only(&self) -> bool {
        ["Get", "List", "Describe"].iter().any(|verb| self.call.name.starts_with(verb))
    }

    /// Returns the certificate that the call uploads, if it can be parsed.
    fn certificate(&self) -> Option<&Certificate> {
        certificate::body(self.certificates)?.chain.leaf()
    }

    /// Returns the usual form of a reason.
    fn sentence(&self, verb: &str, consequence: &str) -> String {
        format!("{} {verb} {}: {consequence}", self.who(), self.what())
    }

    fn who(&self) -> String {
        self.caller.phrase()
    }

    fn what(&self) -> String {
        let kind = if self.call.is_of_iam() { "certificate" } else { "trail" };
        let unnamed = || format!("a {kind} that the record does not name");
        self.target.phrase().unwrap_or_else(unnamed)
    }
}

/// Returns a finding for every rule that this event matches, highest severity first.
pub(super) fn assess(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES
        .iter()
        .filter_map(|rule| {
            let reason = (rule.condition)(subject)?;
            let (severity, severity_reasons) = severity::assess(rule, subject);
            let attack = rule.techniques(subject.call.name);
            let remediations = rule.remediations;
            Some(Finding { rule, attack, severity, reason, severity_reasons, remediations })
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_unique_id_and_references() {
        let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        for rule in &RULES {
            assert!(!rule.remediations.is_empty(), "{}", rule.id);
            assert!(!rule.references.is_empty(), "{}", rule.id);
            assert!(rule.references.iter().all(|link| link.starts_with("https://")), "{}", rule.id);
            assert!(
                rule.attack.iter().all(|one| one.parent.is_some() == one.id.contains('.')),
                "{}",
                rule.id
            );
        }
    }

    #[test]
    fn raised_and_lowered_severities_stay_on_the_scale() {
        assert_eq!(Severity::Critical.raised(), Severity::Critical);
        assert_eq!(Severity::Critical.lowered(), Severity::Critical);
        assert_eq!(Severity::Informational.lowered(), Severity::Informational);
        assert_eq!(Severity::High.lowered(), Severity::Medium);
    }

    #[test]
    fn a_denied_write_has_the_techniques_of_its_success() {
        let rule = |id: &str| RULES.iter().find(|rule| rule.id == id).expect("a rule");
        for (operation, success) in [
            ("UploadServerCertificate", "server-certificate-uploaded"),
            ("UpdateServerCertificate", "server-certificate-renamed"),
            ("DeleteServerCertificate", "server-certificate-deleted"),
            ("TagServerCertificate", "server-certificate-tags"),
            ("UntagServerCertificate", "server-certificate-tags"),
            ("StopLogging", "trail-silenced"),
        ] {
            assert_eq!(rule("denied").techniques(operation), rule(success).attack, "{operation}");
        }
    }
}
