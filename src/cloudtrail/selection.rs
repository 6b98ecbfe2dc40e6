//! Which records are ours, compiled from `[events] include`.

use crate::config::EventRule;

/// A compiled selection, asked about a record's decoded `eventSource` and `eventName`.
#[derive(Debug, Clone)]
pub struct Selection {
    rules: Vec<EventRule>,
}

impl Selection {
    /// Compiles the rules of a configuration.
    #[must_use]
    pub fn new(rules: Vec<EventRule>) -> Self {
        Self { rules }
    }

    /// Whether a record with these decoded fields is selected.
    #[must_use]
    pub fn wants(&self, source: &str, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.source == source && rule.name.matches(name))
    }
}
