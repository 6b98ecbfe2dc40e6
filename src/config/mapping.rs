//! A setting that may differ from event to event: one string, or a table that is looked up by a
//! field of the event.
//!
//! The result is always a string of the configuration, never one of the event: names of
//! certificates, paths and user agents are the attacker's to choose, and an index or a topic
//! decides who may read.

use std::collections::BTreeMap;
use std::fmt;

use super::when::Pattern;

/// An index, a source, a topic …: `"main"`, or `{ by = …, values = { … }, default = "main" }`.
#[derive(Debug, Clone)]
pub enum Mapping {
    /// The same for every event.
    Literal(String),
    /// Looked up for each event.
    Table(MappingTable),
}

/// The field that a mapping is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MappingKey {
    /// The account's 12 digits.
    Account,
    /// The account's organisational unit, as `[accounts]` names it.
    Ou,
    /// `eventName`.
    Event,
    /// The highest severity of the findings.
    Severity,
}

impl MappingKey {
    /// Returns its name in the configuration.
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

/// Strings by the value of a field.
#[derive(Debug, Clone)]
pub struct MappingTable {
    /// The field.
    pub by: MappingKey,
    /// Exact keys: they win over globs.
    pub exact: BTreeMap<String, String>,
    /// Globs, in the order in which they are written; the first match wins.
    pub globs: Vec<(Pattern, String)>,
    /// For everything else, and for events without the field.
    pub default: String,
}

impl Mapping {
    /// Returns the string for an event; `value` returns the event's value of a field.
    pub fn choose<'e>(&self, value: impl FnOnce(MappingKey) -> Option<&'e str>) -> &str {
        let table = match self {
            Self::Literal(text) => return text,
            Self::Table(table) => table,
        };
        let Some(key) = value(table.by) else { return &table.default };
        let glob = || table.globs.iter().find(|(glob, _)| glob.matches(key)).map(|(_, text)| text);
        table.exact.get(key).or_else(glob).unwrap_or(&table.default)
    }

    /// Returns the string, if it is the same for every event.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Table(_) => None,
        }
    }

    /// Returns every possible result, each once, in alphabetical order.
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

    /// Returns the field that it is looked up by, if it is a table.
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
    /// Writes `main`, or `by account: lab, main, prod`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Table(table) => {
                write!(f, "by {}: {}", table.by.as_str(), self.texts().join(", "))
            }
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
    fn an_exact_key_wins_then_the_first_glob_then_the_default() {
        for (account, text) in [
            (Some("111122223333"), "prod"),
            (Some("111144445555"), "lab"),
            (Some("122222222222"), "main"),
            (Some("444455556666"), "other"),
            (None, "other"),
        ] {
            assert_eq!(table().choose(|_| account), text, "{account:?}");
        }
        assert_eq!(Mapping::from("main").choose(|_| panic!("no field is needed")), "main");
    }

    #[test]
    fn the_field_of_the_table_is_looked_up() {
        let field = std::cell::Cell::new(None);
        let _ = table().choose(|key| {
            field.set(Some(key));
            None
        });
        assert_eq!(field.get(), Some(MappingKey::Account));
    }

    #[test]
    fn every_possible_result_is_listed() {
        assert_eq!(table().texts(), ["lab", "main", "other", "prod"]);
        assert_eq!(table().to_string(), "by account: lab, main, other, prod");
        assert_eq!(Mapping::from("main").to_string(), "main");
    }
}
