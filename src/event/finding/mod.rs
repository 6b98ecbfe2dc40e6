//! What is worth a look, how much, and why: a table of rules over one event.
//!
//! Stateless on purpose. What depends on several events (a burst, an upload soon after a new user)
//! is the SIEM's to correlate; here every sentence can be checked against the one record it is about.

mod amplify;
mod attack;
mod rules;
#[cfg(test)]
mod tests;
mod trail;

use time::OffsetDateTime;

use super::caller::Caller;
use super::certificate::{Certificate, Found};
use super::json::Node;
use super::remedy::Remedy;
use super::target::Target;
use super::{CallOutcome, Fields, Posture};
use crate::config::EventOptions;

pub use attack::Technique;
pub use rules::{RULES, Rule};

/// How much a finding, or an event, matters: OCSF's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Severity {
    /// Nothing to do.
    #[default]
    Informational,
    /// Worth knowing.
    Low,
    /// Worth a look the same day.
    Medium,
    /// Worth a look now.
    High,
    /// Somebody should be woken.
    Critical,
}

impl Severity {
    /// `informational` … `critical`, as in `when` and metrics.
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

    /// OCSF's `severity_id`: 1 to 5.
    #[must_use]
    pub fn id(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
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

/// One rule that an event met.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule: id, title, references.
    pub rule: &'static Rule,
    /// ATT&CK techniques that this event may be part of: the rule's, or those of the write that was denied.
    pub attack: &'static [Technique],
    /// The rule's severity, raised or lowered by what `because` says.
    pub severity: Severity,
    /// One sentence with the event's own values.
    pub reason: String,
    /// What raised or lowered the severity, in words.
    pub because: Vec<String>,
    /// What to do about it.
    pub remedies: &'static [Remedy],
}

/// What rules look at.
pub(super) struct Subject<'s> {
    pub(super) root: &'s Node<'s>,
    pub(super) fields: &'s Fields,
    pub(super) target: &'s Target,
    pub(super) caller: &'s Caller,
    pub(super) posture: &'s Posture,
    pub(super) certificates: &'s [Found],
    pub(super) options: &'s EventOptions,
    /// When the call was made, to judge validity by.
    pub(super) now: OffsetDateTime,
}

impl Subject<'_> {
    fn is_iam(&self, operation: &str) -> bool {
        self.fields.source == crate::config::IAM_EVENT_SOURCE && self.fields.name == operation
    }

    fn succeeded(&self) -> bool {
        self.fields.outcome == CallOutcome::Success
    }

    /// Refused for want of permission, by the codes that AWS services use.
    fn was_denied(&self) -> bool {
        self.fields.error_code.as_deref().is_some_and(|code| {
            code.contains("AccessDenied")
                || code.contains("Unauthorized")
                || code.contains("NotAuthorized")
        })
    }

    fn reads_only(&self) -> bool {
        ["Get", "List", "Describe"].iter().any(|verb| self.fields.name.starts_with(verb))
    }

    /// The certificate that the call brought, if it can be read.
    fn certificate(&self) -> Option<&Certificate> {
        self.certificates.iter().find(|found| found.is_body())?.chain.leaf()
    }

    fn who(&self) -> String {
        self.caller.phrase()
    }

    fn what(&self) -> String {
        let kind = match self.fields.source == crate::config::IAM_EVENT_SOURCE {
            true => "certificate",
            false => "trail",
        };
        let unnamed = || format!("a {kind} that the record does not name");
        self.target.phrase().unwrap_or_else(unnamed)
    }
}

/// Every rule that this event meets, gravest first.
pub(super) fn assess(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES
        .iter()
        .filter_map(|rule| {
            let reason = (rule.condition)(subject)?;
            let (severity, because) = amplify::judge(rule, subject);
            let attack = rule.techniques(&subject.fields.name);
            Some(Finding { rule, attack, severity, reason, because, remedies: rule.remedies })
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
