//! What is known beside the record: the organisation's accounts, IAM's credential reports. A snapshot, handed in: the same
//! record and snapshot make the same event, whenever and wherever.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Event, Reports};
use crate::config::{ACCOUNT_LABELS, Accounts};

/// What is known beside the records.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// `[accounts]`.
    pub accounts: Arc<Accounts>,
    /// `[posture]`.
    pub reports: Arc<Reports>,
}

impl Event {
    /// The label of this name: `owner` and `environment` as the recipient's account has them, else as
    /// `[labels]` has it.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let own = self.account.as_ref().and_then(|account| account.label(name));
        own.or_else(|| self.options.labels.get(name).map(String::as_str))
    }

    /// Every label of this event, by name.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        let names = self.options.labels.keys().map(String::as_str).chain(ACCOUNT_LABELS);
        names.filter_map(|name| Some((name, self.label(name)?))).collect()
    }
}
