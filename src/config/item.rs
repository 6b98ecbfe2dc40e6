//! One value of the tree, read as what its key means. Texts about a value never repeat it: the caret
//! shows it, unless it may be a secret.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;
use url::Url;

use super::cursor::{Reader, Section};
use super::expand::expand;
use super::suggest::did_you_mean;
use super::units;

/// What is said about values with a unit.
struct Words {
    what: &'static str,
    /// What a number without a unit may have meant, in the advice: the first that is in range.
    bare: &'static [&'static str],
    example: &'static str,
    units: &'static str,
}

const DURATION: Words = Words {
    what: "a duration",
    bare: &["s", "min", "h", "d", "ms"],
    example: "100 s",
    units: "ms, s, min, h, d",
};
const SIZE: Words = Words {
    what: "a size",
    bare: &["B", "KiB", "MiB", "GiB"],
    example: "64 MiB",
    units: "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
};

/// A value, its key, and where both stand.
#[derive(Clone)]
pub(super) struct Item<'t> {
    pub(super) reader: &'t Reader<'t>,
    pub(super) key: &'static str,
    pub(super) key_span: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Item<'t> {
    pub(super) fn new(
        reader: &'t Reader<'t>,
        key: &'static str,
        key_span: Range<usize>,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Self {
        Self { reader, key, key_span, value }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn value(&self) -> &'t DeValue<'t> {
        self.value.get_ref()
    }

    pub(super) fn mistake(&self, text: impl Into<String>) {
        self.reader.mistake(self.span(), text);
    }

    pub(super) fn warning(&self, text: impl Into<String>) {
        self.reader.warning(self.span(), text);
    }

    fn wrong_type(&self, expected: &str) {
        let found = match self.value() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.mistake(format!("`{}` must be {expected}, not {found}", self.key));
    }

    /// A string, expanded; an empty one is a mistake.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.expanded("a string")?;
        if text.trim().is_empty() {
            self.mistake(format!("`{}` must not be empty", self.key));
            return None;
        }
        Some(text)
    }

    fn expanded(&self, expected: &str) -> Option<String> {
        let DeValue::String(text) = self.value() else {
            self.wrong_type(expected);
            return None;
        };
        expand(text, self.reader.env).map_err(|problem| self.mistake(problem)).ok()
    }

    /// Whether it is a string with `${…}`: the only strings that may stand for numbers and flags.
    fn is_variable(&self) -> bool {
        matches!(self.value(), DeValue::String(text) if text.contains("${"))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        if let DeValue::Boolean(flag) = self.value() {
            return Some(*flag);
        }
        if !self.is_variable() {
            self.wrong_type("`true` or `false`");
            return None;
        }
        let flag = self.expanded("a string")?.trim().parse().ok();
        if flag.is_none() {
            self.mistake(format!("`{}` must be `true` or `false`", self.key));
        }
        flag
    }

    /// A whole number in `range`.
    pub(super) fn count(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match self.value() {
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ if self.is_variable() => self.expanded("a string")?.trim().parse().ok(),
            _ => {
                self.wrong_type("a whole number");
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            self.mistake(format!("`{}` must be a whole number from {low} to {high}", self.key));
        }
        number
    }

    /// A duration with its unit, in `range`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.with_unit(&DURATION, &range, units::duration)?;
        self.in_range(value, &range, units::show_duration)
    }

    /// A size with its unit, in `range`.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.with_unit(&SIZE, &range, units::size)?;
        self.in_range(value, &range, units::show_size)
    }

    fn with_unit<T: PartialOrd>(
        &self,
        words: &Words,
        range: &RangeInclusive<T>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Words { what, bare, example, units } = words;
        let key = self.key;
        if let DeValue::Integer(digits) = self.value() {
            let meant = bare.iter().map(|unit| format!("{digits} {unit}"));
            let in_range = |text: &String| read(text).is_some_and(|value| range.contains(&value));
            let meant = meant.clone().find(in_range).unwrap_or_else(|| (*example).to_owned());
            let write = format!("`{key} = \"{meant}\"`");
            self.mistake(format!("{what} needs a unit: write {write} (units: {units})"));
            return None;
        }
        let value = read(&self.expanded(&format!("{what} such as \"{example}\""))?);
        if value.is_none() {
            self.mistake(format!(
                "`{key}` must be {what}: a whole number and a unit, such as \"{example}\" \
                 (units: {units})"
            ));
        }
        value
    }

    fn in_range<T: PartialOrd + Copy>(
        &self,
        value: T,
        range: &RangeInclusive<T>,
        show: impl Fn(T) -> String,
    ) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        let (low, high) = (show(*range.start()), show(*range.end()));
        self.mistake(format!("`{}` must be from {low} to {high}", self.key));
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<String> =
                choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            let others = choices.iter().filter(|_| choices.len() > 1);
            let hint = did_you_mean(&text, others.map(|(name, _)| *name));
            self.mistake(format!("`{}` must be {}{hint}", self.key, names.join(" or ")));
        }
        found.map(|(_, value)| *value)
    }

    /// A path; a relative one starts at the configuration's folder.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.resolved(&self.text()?)
    }

    /// As [`path`](Self::path), of a text that was read before.
    pub(super) fn resolved(&self, text: &str) -> Option<PathBuf> {
        if !self.reader.has_place_for(text) {
            self.mistake(
                "a relative path starts at the configuration's folder, and this configuration lies in none: \
                 write an absolute path",
            );
            return None;
        }
        Some(self.reader.resolve(text))
    }

    /// An `http` or `https` URL with a host, without user, query and fragment.
    pub(super) fn url(&self) -> Option<Url> {
        let text = self.text()?;
        let url = match Url::parse(&text) {
            Ok(url) => url,
            Err(cause) => {
                self.mistake(format!("`{}` is not a URL: {cause}", self.key));
                return None;
            }
        };
        let fault = if !matches!(url.scheme(), "https" | "http") {
            "must start with https:// (or http://)"
        } else if url.host_str().is_none() {
            "needs a host"
        } else if !url.username().is_empty() || url.password().is_some() {
            "must not hold a user or password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "must not have a `?` or `#` part"
        } else {
            return Some(url);
        };
        self.mistake(format!("`{}` {fault}", self.key));
        None
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Option<Vec<Item<'t>>> {
        let DeValue::Array(array) = self.value() else {
            self.wrong_type("a list: [ … ]");
            return None;
        };
        let item = |value| Self { value, ..self.clone() };
        Some(array.iter().map(item).collect())
    }

    /// The items of a list that must have some.
    pub(super) fn filled_list(&self) -> Option<Vec<Item<'t>>> {
        let items = self.list()?;
        if items.is_empty() {
            self.mistake(format!("`{}` must not be empty", self.key));
            return None;
        }
        Some(items)
    }

    /// A list of strings.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        let items = self.filled_list()?;
        let texts: Vec<String> = items.iter().filter_map(Self::text).collect();
        (texts.len() == items.len()).then_some(texts)
    }

    /// The items of a list, or the value itself where it is no list.
    pub(super) fn one_or_many(&self) -> Option<Vec<Item<'t>>> {
        match self.value() {
            DeValue::Array(_) => self.filled_list(),
            _ => Some(vec![self.clone()]),
        }
    }

    /// A table to walk.
    pub(super) fn table(&self, label: &str) -> Option<Section<'t>> {
        let DeValue::Table(table) = self.value() else {
            self.wrong_type("a table");
            return None;
        };
        Some(Section::new(self.reader, label, table, self.span()))
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self, label: &str) -> Option<Vec<Section<'t>>> {
        if matches!(self.value(), DeValue::Table(_)) {
            self.mistake(format!("there can be several: write [[{0}]] instead of [{0}]", self.key));
            return None;
        }
        self.list()?.iter().map(|item| item.table(label)).collect()
    }
}

/// Whether a URL names this machine: what is sent there crosses no network.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
