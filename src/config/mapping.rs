//! A setting that may differ from event to event: one text for all of them, or a table from what is known of an event
//! to the operator's own words.
//!
//! What comes out is always a text of the configuration, never one of the event: names of certificates, paths and user
//! agents are the attacker's to choose, and an index or a topic decides who may read.

use std::collections::BTreeMap;
use std::fmt;

use super::{Pattern, SinkConfig, SinkKind};

/// What an index, a source, a topic … is: `"main"`, or `{ by = …, values = { … }, default = "main" }`.
#[derive(Debug, Clone)]
pub enum Mapping {
    /// The same for every event.
    Literal(String),
    /// Looked up for each event.
    Table(MappingTable),
}

/// What a table is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MappingKey {
    /// The account's 12 digits.
    Account,
    /// The account's organisational unit, as `[accounts]` names it.
    Ou,
    /// `eventName`.
    Event,
    /// That of the gravest finding.
    Severity,
}

impl MappingKey {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Ou => "ou",
            Self::Event => "event",
            Self::Severity => "severity",
        }
    }
}

/// The operator's words, by what is known of an event.
#[derive(Debug, Clone)]
pub struct MappingTable {
    /// What is looked up.
    pub by: MappingKey,
    /// Keys written out: they win over globs.
    pub exact: BTreeMap<String, String>,
    /// Globs, asked in the order in which they are written.
    pub globs: Vec<(Pattern, String)>,
    /// For what nothing above is meant, or is not known of an event.
    pub default: String,
}

impl Mapping {
    /// The text for an event; `known` says what is known of it.
    pub fn choose<'e>(&self, known: impl FnOnce(MappingKey) -> Option<&'e str>) -> &str {
        let table = match self {
            Self::Literal(text) => return text,
            Self::Table(table) => table,
        };
        let Some(key) = known(table.by) else { return &table.default };
        let glob = || table.globs.iter().find(|(glob, _)| glob.matches(key)).map(|(_, text)| text);
        table.exact.get(key).or_else(glob).unwrap_or(&table.default)
    }

    /// The one text, where there is but one.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Table(_) => None,
        }
    }

    /// Every text that can come out, each once, in the order of the alphabet.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = match self {
            Self::Literal(text) => vec![text],
            Self::Table(table) => {
                let globs = table.globs.iter().map(|(_, text)| text);
                let all = table.exact.values().chain(globs).chain([&table.default]);
                all.map(String::as_str).collect()
            }
        };
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// What the table is looked up by, where there is one.
    #[must_use]
    pub fn by(&self) -> Option<MappingKey> {
        match self {
            Self::Literal(_) => None,
            Self::Table(table) => Some(table.by),
        }
    }
}

impl From<&str> for Mapping {
    fn from(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }
}

impl fmt::Display for Mapping {
    /// `main`, or `by account: lab, main, prod`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Table(table) => {
                write!(f, "by {}: {}", table.by.as_str(), self.texts().join(", "))
            }
        }
    }
}

impl SinkConfig {
    /// Its settings that may differ from event to event.
    #[must_use]
    pub fn mappings(&self) -> Vec<&Mapping> {
        match &self.kind {
            SinkKind::SplunkHec(hec) => {
                let all = [&hec.index, &hec.source, &hec.sourcetype, &hec.host];
                all.into_iter().flatten().collect()
            }
            SinkKind::Kafka(kafka) => vec![&kafka.topic],
            SinkKind::Stdout(_) | SinkKind::File(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Mapping {
        let glob = |glob: &str, text: &str| (Pattern::new(glob).expect("a glob"), text.to_owned());
        Mapping::Table(MappingTable {
            by: MappingKey::Account,
            exact: [("111122223333".to_owned(), "prod".to_owned())].into(),
            globs: vec![glob("1111*", "lab"), glob("1*", "main")],
            default: "other".to_owned(),
        })
    }

    #[test]
    fn what_is_written_out_wins_then_the_first_glob_then_the_default() {
        for (account, text) in [
            (Some("111122223333"), "prod"),
            (Some("111144445555"), "lab"),
            (Some("122222222222"), "main"),
            (Some("444455556666"), "other"),
            (None, "other"),
        ] {
            assert_eq!(table().choose(|_| account), text, "{account:?}");
        }
        assert_eq!(Mapping::from("main").choose(|_| panic!("nothing is asked")), "main");
    }

    #[test]
    fn it_asks_for_what_it_is_looked_up_by() {
        let asked = std::cell::Cell::new(None);
        let _ = table().choose(|key| {
            asked.set(Some(key));
            None
        });
        assert_eq!(asked.get(), Some(MappingKey::Account));
    }

    #[test]
    fn every_text_that_can_come_out_is_told() {
        assert_eq!(table().texts(), ["lab", "main", "other", "prod"]);
        assert_eq!(table().to_string(), "by account: lab, main, other, prod");
        assert_eq!(Mapping::from("main").to_string(), "main");
    }
}
