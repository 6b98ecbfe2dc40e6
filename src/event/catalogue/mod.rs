//! The twelve operations, in words: what each means, why it matters, how it fails, what to check and
//! what to do. `docs/events.md` and `certrelay events` are made from this.

mod operations;
mod page;
#[cfg(test)]
mod tests;

pub use self::page::page;
pub use operations::CATALOGUE;

use super::finding::Severity;
use super::remedy::Remedy;
use super::{cim, ecs, ocsf};

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// `eventName`.
    pub name: &'static str,
    /// What it does, in plain words.
    pub means: &'static str,
    /// Why somebody should care.
    pub matters: &'static str,
    /// Severity of a success by an unremarkable caller.
    pub severity: Severity,
    /// Rules that look at it.
    pub rules: &'static [&'static str],
    /// `errorCode` and what it means here.
    pub errors: &'static [(&'static str, &'static str)],
    /// What to look at first.
    pub check: &'static [&'static str],
    /// What to do if it was not meant.
    pub remedies: &'static [Remedy],
}

impl Operation {
    /// OCSF `activity_id` and its caption.
    #[must_use]
    pub fn ocsf_activity(&self) -> (u64, &'static str) {
        ocsf::activity(self.name)
    }

    /// ECS `event.category` and `event.type`.
    #[must_use]
    pub fn ecs_category(&self) -> (Option<&'static str>, Vec<&'static str>) {
        ecs::category(self.name)
    }

    /// CIM `action`.
    #[must_use]
    pub fn cim_action(&self) -> &'static str {
        cim::action(self.name)
    }
}

/// The operation of a record, if it is one of the twelve.
pub(super) fn find(source: &str, name: &str) -> Option<&'static Operation> {
    let ours = source == crate::config::IAM_EVENT_SOURCE;
    CATALOGUE.iter().find(|operation| ours && operation.name == name)
}
