//! What a mapping of the configuration comes to for an event.

use super::Event;
use crate::config::{Mapping, MappingKey};

impl Event {
    /// The text for this event: an index, a topic … and always one of the configuration's.
    #[must_use]
    pub fn choose<'m>(&self, mapping: &'m Mapping) -> &'m str {
        mapping.choose(|key| match key {
            MappingKey::Account => self.fields.account.as_deref(),
            MappingKey::Ou => self.account.as_ref().and_then(|account| account.ou.as_deref()),
            MappingKey::Event => Some(&self.fields.name),
            MappingKey::Severity => Some(self.fields.severity.as_str()),
        })
    }
}
