//! The events to select, compiled from `[events] include`.

use super::prefilter::Prefilter;
use crate::config::EventRule;

/// A compiled selection, matched against a record's decoded `eventSource` and `eventName`.
#[derive(Debug, Clone)]
pub struct Selection {
    rules: Vec<EventRule>,
    /// Whether every record is selected, whatever its fields.
    everything: bool,
    prefilter: Prefilter,
}

impl Selection {
    /// Compiles the rules of a configuration.
    #[must_use]
    pub fn new(rules: Vec<EventRule>) -> Self {
        Self { prefilter: Prefilter::new(&rules), rules, everything: false }
    }

    /// Selects every record but Insights events, even one without a source and a name.
    #[must_use]
    pub fn everything() -> Self {
        Self { prefilter: Prefilter::everything(), rules: Vec::new(), everything: true }
    }

    /// Returns whether a record with these decoded fields is selected.
    #[must_use]
    pub fn wants(&self, source: &str, name: &str) -> bool {
        self.everything
            || self.rules.iter().any(|rule| {
                rule.source == source
                    && rule
                        .name
                        .literal()
                        .map_or_else(|| rule.name.matches(name), |own| own == name)
            })
    }

    /// Returns whether records without a source or a name are selected, too.
    pub(super) fn is_everything(&self) -> bool {
        self.everything
    }

    pub(super) fn prefilter(&self) -> &Prefilter {
        &self.prefilter
    }
}
