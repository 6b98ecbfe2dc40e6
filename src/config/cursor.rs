//! The cursor: walks one table of the spanned tree key by key. It collects mistakes instead of
//! stopping at the first, and remembers what was asked for, so that whatever else stands in the
//! table is an unknown key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::expand::Lookup;
use super::item::Item;
use super::load::KafkaOption;
use super::problem::{Problem, Severity, Source};
use super::suggest::did_you_mean;

/// Keys by table, as `(table, key)`: what a walk asked for, and what it found. `tests/config.rs`
/// holds `config/certrelay.toml` to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Every key that the reader looked for.
    pub known: BTreeSet<(String, String)>,
    /// Those that were written.
    pub written: BTreeSet<(String, String)>,
}

/// What a whole walk shares: the surroundings, and the problems so far.
pub(super) struct Reader<'t> {
    pub(super) env: Lookup<'t>,
    pub(super) option: KafkaOption,
    base: &'t Path,
    found: RefCell<Vec<(Severity, Range<usize>, String)>>,
    masked: RefCell<Vec<Range<usize>>>,
    keys: RefCell<Keys>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(env: Lookup<'t>, base: &'t Path, option: KafkaOption) -> Self {
        Self {
            env,
            option,
            base,
            found: RefCell::default(),
            masked: RefCell::default(),
            keys: RefCell::default(),
        }
    }

    pub(super) fn mistake(&self, span: Range<usize>, text: impl Into<String>) {
        self.found.borrow_mut().push((Severity::Mistake, span, text.into()));
    }

    pub(super) fn warning(&self, span: Range<usize>, text: impl Into<String>) {
        self.found.borrow_mut().push((Severity::Warning, span, text.into()));
    }

    /// Never quotes these bytes.
    pub(super) fn mask(&self, span: Range<usize>) {
        self.masked.borrow_mut().push(span);
    }

    /// A path as written, against the configuration's folder, if it has one.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Whether a path has a place to start at: of a configuration that lies in no folder only absolute ones have.
    pub(super) fn has_place_for(&self, path: &str) -> bool {
        !self.base.as_os_str().is_empty() || Path::new(path).is_absolute()
    }

    /// Ends the walk: problems in the order of their lines, absences last.
    pub(super) fn finish(self, mut source: Source<'_>) -> (Vec<Problem>, Keys) {
        self.masked.into_inner().into_iter().for_each(|span| source.mask(span));
        let mut found = self.found.into_inner();
        found.sort_by_key(|(_, span, _)| (*span == (0..0), span.start));
        let problems = found
            .into_iter()
            .map(|(severity, span, text)| source.problem(severity, span, text))
            .collect();
        (problems, self.keys.into_inner())
    }
}

/// One table, being read.
pub(super) struct Section<'t> {
    pub(super) reader: &'t Reader<'t>,
    /// What the operator calls it: `[delivery]`, `[sink.lake]`.
    label: String,
    /// What it is in [`Keys`], where that is something else: `[sink.NAME] of type kafka`.
    kind: Option<String>,
    table: &'t DeTable<'t>,
    /// The header, or the inline table; 0..0 for the whole file.
    pub(super) span: Range<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
    refused: RefCell<BTreeSet<&'static str>>,
}

impl<'t> Section<'t> {
    pub(super) fn new(
        reader: &'t Reader<'t>,
        label: impl Into<String>,
        table: &'t DeTable<'t>,
        span: Range<usize>,
    ) -> Self {
        let label = label.into();
        let (asked, refused) = (RefCell::default(), RefCell::default());
        Self { reader, label, kind: None, table, span, asked, refused }
    }

    /// Says what kind of table it is, once its `type` is known.
    pub(super) fn set_kind(&mut self, kind: String) {
        self.kind = Some(kind);
    }

    /// The value of `key`, if it was written.
    pub(super) fn item(&self, key: &'static str) -> Option<Item<'t>> {
        self.asked.borrow_mut().insert(key);
        let (name, value) = self.table.get_key_value(key)?;
        Some(Item::new(self.reader, key, name.span(), value))
    }

    /// The value of `key`; its absence is a mistake. `example` is what to write.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<Item<'t>> {
        let item = self.item(key);
        if item.is_none() {
            let text = format!("{} needs `{key}`, for example `{key} = {example}`", self.label);
            self.mistake(text);
        }
        item
    }

    /// A key that is planned: refused, because ignoring it would be worse. Whether it was written.
    pub(super) fn not_yet(&self, key: &'static str) -> bool {
        self.refused.borrow_mut().insert(key);
        let entry = self.table.get_key_value(key);
        if let Some((name, _)) = entry {
            let text = format!("`{key}` in {} is not supported yet; remove it", self.label);
            self.reader.mistake(name.span(), text);
        }
        entry.is_some()
    }

    /// A table under `key`.
    pub(super) fn table(&self, key: &'static str, label: &str) -> Option<Section<'t>> {
        self.item(key)?.table(label)
    }

    /// Every key with its value, in the order of their lines: for tables whose keys are names.
    pub(super) fn entries(&self) -> Vec<(String, Item<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(name, value)| {
                let key = name.get_ref().to_string();
                (key, Item::new(self.reader, "entry", name.span(), value))
            })
            .collect();
        entries.sort_by_key(|(_, item)| item.key_span.start);
        entries
    }

    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.item(key).and_then(|item| item.duration(range)).unwrap_or(default)
    }

    pub(super) fn size(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.item(key).and_then(|item| item.size(range)).unwrap_or(default)
    }

    pub(super) fn count(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.item(key).and_then(|item| item.count(range)).unwrap_or(default)
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.item(key).and_then(|item| item.flag()).unwrap_or(default)
    }

    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        self.item(key).and_then(|item| item.choice(choices)).unwrap_or(default)
    }

    /// A mistake of the table as a whole.
    pub(super) fn mistake(&self, text: impl Into<String>) {
        self.reader.mistake(self.span.clone(), text);
    }

    /// Ends the table: what was not asked for is unknown.
    pub(super) fn finish(self) {
        self.finish_with("");
    }

    /// As [`finish`](Self::finish), with a sentence on why unknown keys are refused here.
    pub(super) fn finish_with(self, error: &str) {
        let asked = self.asked.into_inner();
        let refused = self.refused.into_inner();
        for (name, value) in self.table.iter() {
            let key: &str = name.get_ref();
            if asked.contains(key) || refused.contains(key) {
                continue;
            }
            // A misspelt `token` holds a token.
            mask_scalars(self.reader, value);
            let hint = did_you_mean(key, asked.iter().copied());
            let text =
                format!("unknown key `{}` in {}{hint}{error}", key.escape_debug(), self.label);
            self.reader.mistake(name.span(), text);
        }
        let kind = self.kind.unwrap_or(self.label);
        let mut keys = self.reader.keys.borrow_mut();
        for key in asked {
            let entry = (kind.clone(), key.to_owned());
            if self.table.contains_key(key) {
                keys.written.insert(entry.clone());
            }
            keys.known.insert(entry);
        }
    }
}

/// Masks `value`; of a table or list every value in it, because its own span may be a header.
fn mask_scalars(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| mask_scalars(reader, value)),
        DeValue::Array(array) => array.iter().for_each(|value| mask_scalars(reader, value)),
        _ => reader.mask(value.span()),
    }
}
