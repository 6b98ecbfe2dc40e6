//! Reads the spanned tree of a configuration: a [`Section`] is one table, an [`Item`] one value.
//! Both collect errors instead of stopping at the first. A section remembers which keys were asked
//! for; every other key in its table is unknown.
//!
//! Texts about a value never repeat it: the caret shows it, unless it may be a secret.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::diagnostic::{Diagnostic, Severity, Source, did_you_mean};
use super::renamed;
use super::setting::{Choice, Flag, Number, Setting, Table, Unit, Words};
use super::values::{self, Lookup, expand};

/// Checks a librdkafka property and its value. This module knows no Kafka client.
///
/// # Errors
/// The error of librdkafka.
pub type KafkaOption = fn(&str, &str) -> Result<(), String>;

/// Keys by table, as `(table, key)`: what a walk asked for, and what it found. Tests compare them
/// with the settings table and `config/certrelay.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Every key that the reader looked for.
    pub known: BTreeSet<(String, String)>,
    /// Those that were written.
    pub written: BTreeSet<(String, String)>,
}

/// State of a whole walk.
pub(super) struct Reader<'t> {
    pub(super) env: Lookup<'t>,
    pub(super) kafka_option: KafkaOption,
    base: &'t Path,
    found: RefCell<Vec<(Severity, Range<usize>, String)>>,
    masked: RefCell<Vec<Range<usize>>>,
    keys: RefCell<Keys>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(env: Lookup<'t>, base: &'t Path, kafka_option: KafkaOption) -> Self {
        let (found, masked, keys) = Default::default();
        Self { env, kafka_option, base, found, masked, keys }
    }

    pub(super) fn error(&self, span: Range<usize>, text: impl Into<String>) {
        self.found.borrow_mut().push((Severity::Error, span, text.into()));
    }

    pub(super) fn warning(&self, span: Range<usize>, text: impl Into<String>) {
        self.found.borrow_mut().push((Severity::Warning, span, text.into()));
    }

    /// Excludes these bytes from every quote.
    pub(super) fn mask(&self, span: Range<usize>) {
        self.masked.borrow_mut().push(span);
    }

    /// Returns a path relative to the configuration's folder, if it has one.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Ends the walk: diagnostics in the order of their lines, absences last.
    pub(super) fn finish(self, mut source: Source<'_>) -> (Vec<Diagnostic>, Keys) {
        self.masked.into_inner().into_iter().for_each(|span| source.mask(span));
        let mut found = self.found.into_inner();
        found.sort_by_key(|(_, span, _)| (*span == (0..0), span.start));
        let diagnostics = found
            .into_iter()
            .map(|(severity, span, text)| source.diagnostic(severity, span, text))
            .collect();
        (diagnostics, self.keys.into_inner())
    }
}

/// One table, being read.
pub(super) struct Section<'t> {
    pub(super) reader: &'t Reader<'t>,
    /// What the operator calls it: `[delivery]`, `[sink.lake]`.
    label: String,
    /// What [`Keys`] and the settings table call it: `[sink.NAME] of type kafka`.
    title: &'static str,
    table: &'t DeTable<'t>,
    /// The header, or the inline table; 0..0 for the whole file.
    pub(super) span: Range<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'t> Section<'t> {
    pub(super) fn new(
        reader: &'t Reader<'t>,
        label: &str,
        title: &'static str,
        table: &'t DeTable<'t>,
        span: Range<usize>,
    ) -> Self {
        Self { reader, label: label.to_owned(), title, table, span, asked: RefCell::default() }
    }

    /// Sets what kind of table it is, once its `type` is known.
    pub(super) fn set_title(&mut self, table: &impl Table) {
        self.title = table.title();
    }

    /// Returns the value of a setting, if it was written.
    pub(super) fn item<K>(&self, setting: &Setting<K>) -> Option<Item<'t>> {
        self.asked.borrow_mut().insert(setting.key);
        let (name, value) = self.table.get_key_value(setting.key)?;
        Some(Item { reader: self.reader, key: setting.key, key_span: name.span(), value })
    }

    /// Returns the value of a setting; its absence is an error.
    pub(super) fn required<K>(&self, setting: &Setting<K>) -> Option<Item<'t>> {
        let item = self.item(setting);
        if item.is_none() {
            let (key, label) = (setting.key, &self.label);
            let example = setting.examples.first().unwrap_or(&"…");
            self.error(format!("{label} needs `{key}`, for example `{key} = {example}`"));
        }
        item
    }

    /// Reads an optional setting: `Some(None)` if it was not written, `None` after an error.
    pub(super) fn optional<K, T>(
        &self,
        setting: &Setting<K>,
        read: impl FnOnce(&Item<'t>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.item(setting) {
            Some(item) => read(&item).map(Some),
            None => Some(None),
        }
    }

    /// Rejects a planned key, because ignoring it would be worse.
    pub(super) fn not_supported_yet(&self, key: &'static str) {
        if let Some((name, _)) = self.table.get_key_value(key) {
            self.asked.borrow_mut().insert(key);
            let text = format!("`{key}` in {} is not supported yet; remove it", self.label);
            self.reader.error(name.span(), text);
        }
    }

    /// Returns the table under a setting.
    pub(super) fn table<K>(
        &self,
        setting: &Setting<K>,
        table: &'static dyn Table,
    ) -> Option<Section<'t>> {
        self.item(setting)?.table(table)
    }

    /// Returns every key with its value, in the order of lines: for tables whose keys are names.
    pub(super) fn entries(&self) -> Vec<(String, Item<'t>)> {
        let entry = |(name, value): (&Spanned<_>, &'t _)| {
            let key: &std::borrow::Cow<'_, str> = name.get_ref();
            let item = Item { reader: self.reader, key: "entry", key_span: name.span(), value };
            (key.to_string(), item)
        };
        let mut entries: Vec<_> = self.table.iter().map(entry).collect();
        entries.sort_by_key(|(_, item)| item.key_span.start);
        entries
    }

    /// Returns a number in its base unit.
    pub(super) fn number(&self, setting: &Setting<Number>) -> u64 {
        let read = self.item(setting).and_then(|item| item.number(setting.kind));
        read.unwrap_or(setting.kind.default)
    }

    pub(super) fn duration(&self, setting: &Setting<Number>) -> Duration {
        Duration::from_millis(self.number(setting))
    }

    pub(super) fn flag(&self, setting: &Setting<Flag>) -> bool {
        self.item(setting).and_then(|item| item.flag()).unwrap_or(setting.kind.0)
    }

    pub(super) fn choice<T: Copy>(&self, setting: &Setting<Choice<T>>) -> T {
        let Choice { words, default } = setting.kind;
        self.item(setting).and_then(|item| item.choice(words)).unwrap_or(default)
    }

    /// Reports an error of the table as a whole.
    pub(super) fn error(&self, text: impl Into<String>) {
        self.reader.error(self.span.clone(), text);
    }

    /// Ends the table: what was not asked for is unknown.
    pub(super) fn finish(self) {
        self.finish_with("");
    }

    /// As [`finish`](Self::finish), with a sentence on why unknown keys are errors here.
    pub(super) fn finish_with(self, reason: &str) {
        let asked = self.asked.into_inner();
        for (name, value) in self.table.iter() {
            let key: &str = name.get_ref();
            if asked.contains(key) {
                continue;
            }
            if let Some(now) = renamed::key(&self.label, key) {
                self.reader.error(name.span(), format!("`{key}` was renamed to `{now}`"));
                continue;
            }
            // A misspelt `token` holds a token.
            mask_scalars(self.reader, value);
            let hint = did_you_mean(key, asked.iter().copied());
            let text =
                format!("unknown key `{}` in {}{hint}{reason}", key.escape_debug(), self.label);
            self.reader.error(name.span(), text);
        }
        let mut keys = self.reader.keys.borrow_mut();
        for key in asked {
            let entry = (self.title.to_owned(), key.to_owned());
            if self.table.contains_key(key) {
                keys.written.insert(entry.clone());
            }
            keys.known.insert(entry);
        }
    }
}

/// Masks `value`; in a table or list every value in it, because its own span may be a header.
fn mask_scalars(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| mask_scalars(reader, value)),
        DeValue::Array(array) => array.iter().for_each(|value| mask_scalars(reader, value)),
        _ => reader.mask(value.span()),
    }
}

/// How diagnostics describe values with a unit.
struct UnitWords {
    what: &'static str,
    /// What a number without a unit may have meant; the first that is in range is suggested.
    bare: &'static [&'static str],
    example: &'static str,
    units: &'static str,
}

const DURATION: UnitWords = UnitWords {
    what: "a duration",
    bare: &["s", "min", "h", "d", "ms"],
    example: "100 s",
    units: "ms, s, min, h, d",
};
const SIZE: UnitWords = UnitWords {
    what: "a size",
    bare: &["B", "KiB", "MiB", "GiB"],
    example: "64 MiB",
    units: "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
};

/// A value and its key, with their spans.
#[derive(Clone)]
pub(super) struct Item<'t> {
    pub(super) reader: &'t Reader<'t>,
    pub(super) key: &'static str,
    pub(super) key_span: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Item<'t> {
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn value(&self) -> &'t DeValue<'t> {
        self.value.get_ref()
    }

    pub(super) fn error(&self, text: impl Into<String>) {
        self.reader.error(self.span(), text);
    }

    /// Reports an error of the key.
    pub(super) fn key_error(&self, text: impl Into<String>) {
        self.reader.error(self.key_span.clone(), text);
    }

    pub(super) fn warning(&self, text: impl Into<String>) {
        self.reader.warning(self.span(), text);
    }

    /// Warns about plain HTTP beyond this machine: `what` crosses the network unencrypted.
    pub(super) fn warn_if_plain_http(&self, url: &Url, what: &str) {
        let is_loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !is_loopback {
            self.warning(format!("plain http: {what} the network unencrypted; use https"));
        }
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
        self.error(format!("`{}` must be {expected}, not {found}", self.key));
    }

    /// Returns a string, expanded; an empty one is an error.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.expanded("a string")?;
        if text.trim().is_empty() {
            self.error(format!("`{}` must not be empty", self.key));
            return None;
        }
        Some(text)
    }

    fn expanded(&self, expected: &str) -> Option<String> {
        let DeValue::String(text) = self.value() else {
            self.wrong_type(expected);
            return None;
        };
        expand(text, self.reader.env).map_err(|error| self.error(error)).ok()
    }

    /// Returns whether it is a string with `${…}`: only such strings may be numbers and flags.
    fn is_variable(&self) -> bool {
        matches!(self.value(), DeValue::String(text) if text.contains("${"))
    }

    /// Returns `true` or `false`.
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
            self.error(format!("`{}` must be `true` or `false`", self.key));
        }
        flag
    }

    /// Returns a number in range, in its base unit.
    pub(super) fn number(&self, kind: Number) -> Option<u64> {
        let value = match kind.unit {
            Unit::One => return self.count(kind),
            Unit::Bytes => self.with_unit(&SIZE, kind, values::size)?,
            Unit::Milliseconds => self.with_unit(&DURATION, kind, values::milliseconds)?,
        };
        if (kind.low..=kind.high).contains(&value) {
            return Some(value);
        }
        let (low, high) = (kind.show(kind.low), kind.show(kind.high));
        self.error(format!("`{}` must be from {low} to {high}", self.key));
        None
    }

    fn count(&self, Number { low, high, .. }: Number) -> Option<u64> {
        let number = match self.value() {
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ if self.is_variable() => self.expanded("a string")?.trim().parse().ok(),
            _ => {
                self.wrong_type("a whole number");
                return None;
            }
        };
        let number = number.filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.error(format!("`{}` must be a whole number from {low} to {high}", self.key));
        }
        number
    }

    fn with_unit(
        &self,
        words: &UnitWords,
        Number { low, high, .. }: Number,
        read: fn(&str) -> Option<u64>,
    ) -> Option<u64> {
        let UnitWords { what, bare, example, units } = words;
        let key = self.key;
        if let DeValue::Integer(digits) = self.value() {
            let mut meant = bare.iter().map(|unit| format!("{digits} {unit}"));
            let in_range = |text: &String| read(text).is_some_and(|n| (low..=high).contains(&n));
            let meant = meant.find(in_range).unwrap_or_else(|| (*example).to_owned());
            let write = format!("`{key} = \"{meant}\"`");
            self.error(format!("{what} needs a unit: write {write} (units: {units})"));
            return None;
        }
        let value = read(&self.expanded(&format!("{what} such as \"{example}\""))?);
        if value.is_none() {
            self.error(format!(
                "`{key}` must be {what}: a whole number and a unit, such as \"{example}\" \
                 (units: {units})"
            ));
        }
        value
    }

    /// Returns what one of a few words stands for.
    pub(super) fn choice<T: Copy>(&self, words: Words<T>) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if let (None, Some(now)) = (found, renamed::value(self.key, &text)) {
            self.error(format!("\"{text}\" was renamed to \"{now}\""));
        } else if found.is_none() {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let others = words.iter().filter(|_| words.len() > 1);
            let hint = did_you_mean(&text, others.map(|(word, _)| *word));
            self.error(format!("`{}` must be {}{hint}", self.key, names.join(" or ")));
        }
        found.map(|(_, value)| *value)
    }

    /// Returns a path; a relative one is resolved against the configuration's folder.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.resolved(&self.text()?)
    }

    /// As [`path`](Self::path), for a text that was read before.
    pub(super) fn resolved(&self, text: &str) -> Option<PathBuf> {
        if self.reader.base.as_os_str().is_empty() && !Path::new(text).is_absolute() {
            self.error(
                "a relative path is resolved against the configuration's folder, and this \
                 configuration is in none: write an absolute path",
            );
            return None;
        }
        Some(self.reader.resolve(text))
    }

    /// Returns an `http` or `https` URL with a host, without user, query and fragment.
    pub(super) fn url(&self) -> Option<Url> {
        let url = match Url::parse(&self.text()?) {
            Ok(url) => url,
            Err(cause) => {
                self.error(format!("`{}` is not a URL: {cause}", self.key));
                return None;
            }
        };
        let fault = if !matches!(url.scheme(), "https" | "http") {
            "must start with https:// (or http://)"
        } else if url.host_str().is_none() {
            "needs a host"
        } else if !url.username().is_empty() || url.password().is_some() {
            "must not contain a user or password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "must not have a `?` or `#` part"
        } else {
            return Some(url);
        };
        self.error(format!("`{}` {fault}", self.key));
        None
    }

    /// Returns the items of a list.
    pub(super) fn list(&self) -> Option<Vec<Item<'t>>> {
        let DeValue::Array(array) = self.value() else {
            self.wrong_type("a list: [ … ]");
            return None;
        };
        let item = |value| Self { value, ..self.clone() };
        Some(array.iter().map(item).collect())
    }

    /// Returns the items of a list that must not be empty.
    pub(super) fn filled_list(&self) -> Option<Vec<Item<'t>>> {
        let items = self.list()?;
        if items.is_empty() {
            self.error(format!("`{}` must not be empty", self.key));
            return None;
        }
        Some(items)
    }

    /// Reads every item of a list that must not be empty; `None` after an error in any of them.
    pub(super) fn each<T>(&self, read: impl Fn(&Item<'t>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.filled_list()?;
        let values: Vec<T> = items.iter().filter_map(read).collect();
        (values.len() == items.len()).then_some(values)
    }

    /// Returns the items of a list, or the value itself if it is no list.
    pub(super) fn one_or_many(&self) -> Option<Vec<Item<'t>>> {
        match self.value() {
            DeValue::Array(_) => self.filled_list(),
            _ => Some(vec![self.clone()]),
        }
    }

    /// Returns a table to read.
    pub(super) fn table(&self, table: &'static dyn Table) -> Option<Section<'t>> {
        self.table_called(table.title(), table.title())
    }

    /// As [`table`](Self::table), where diagnostics call it by another name.
    pub(super) fn table_called(&self, label: &str, title: &'static str) -> Option<Section<'t>> {
        let DeValue::Table(table) = self.value() else {
            self.wrong_type("a table");
            return None;
        };
        Some(Section::new(self.reader, label, title, table, self.span()))
    }

    /// Returns the tables of `[[key]]`.
    pub(super) fn tables(&self, table: &'static dyn Table) -> Option<Vec<Section<'t>>> {
        if matches!(self.value(), DeValue::Table(_)) {
            self.error(format!("there can be several: write [[{0}]] instead of [{0}]", self.key));
            return None;
        }
        self.list()?.iter().map(|item| item.table(table)).collect()
    }
}
