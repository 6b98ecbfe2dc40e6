//! Settings that may differ from event to event: a text, or a table that is looked up.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::super::item::Item;
use super::super::suggest::did_you_mean;
use super::super::{Mapping, MappingKey, MappingTable, Pattern, SEVERITIES};
use super::events::{is_glob, known_names, pattern_of};

const KEYS: [(&str, MappingKey); 4] = [
    ("account", MappingKey::Account),
    ("ou", MappingKey::Ou),
    ("event", MappingKey::Event),
    ("severity", MappingKey::Severity),
];

/// Reads a text that `check` accepts, or a table of such texts. `None`: a mistake was noted.
pub(super) fn read(
    item: &Item<'_>,
    check: impl Fn(&Item<'_>) -> Option<String>,
) -> Option<Mapping> {
    if !matches!(item.value(), DeValue::Table(_)) {
        return check(item).map(Mapping::Literal);
    }
    let mut table = item.table(&format!("`{}`", item.key))?;
    table.set_kind("a mapping".to_owned());
    let by = table.required("by", "\"account\"");
    let values = table.required("values", "{ \"111122223333\" = \"main\" }");
    let default = table.required("default", "\"main\"");
    let by = by.and_then(|item| item.choice(&KEYS));
    let default = default.and_then(|item| check(&item));
    let values = values.and_then(|item| entries(&item, by, check));
    table.finish();
    let ((exact, globs), by, default) = (values?, by?, default?);
    Some(Mapping::Table(MappingTable { by, exact, globs, default }))
}

type Entries = (BTreeMap<String, String>, Vec<(Pattern, String)>);

/// The table itself; all of it is looked at, so that all mistakes are told.
fn entries(
    item: &Item<'_>,
    by: Option<MappingKey>,
    check: impl Fn(&Item<'_>) -> Option<String>,
) -> Option<Entries> {
    let (mut exact, mut globs) = (BTreeMap::new(), Vec::new());
    let written = item.table("`values`")?.entries();
    if written.is_empty() {
        item.mistake("`values` is empty: write the default alone");
        return None;
    }
    let mut sound = true;
    for (key, item) in written {
        let possible = by.is_none_or(|by| can_be(by, &key, &item));
        let text = check(&item);
        let (true, Some(text)) = (possible, text) else {
            sound = false;
            continue;
        };
        if !is_glob(&key) {
            exact.insert(key, text);
            continue;
        }
        match pattern_of(&key, &item) {
            Some(glob) => globs.push((glob, text)),
            None => sound = false,
        }
    }
    sound.then_some((exact, globs))
}

/// Whether some event can have this key. One that never matches would quietly leave all to the default.
fn can_be(by: MappingKey, key: &str, item: &Item<'_>) -> bool {
    let mistake = |text: String| {
        item.reader.mistake(item.key_span.clone(), text);
        false
    };
    match by {
        _ if key.trim().is_empty() => mistake("a key of `values` must not be empty".to_owned()),
        _ if is_glob(key) => true,
        MappingKey::Account if key.len() != 12 || !key.bytes().all(|b| b.is_ascii_digit()) => {
            mistake("an account is its 12 digits, in quotes, or a glob".to_owned())
        }
        MappingKey::Severity if !SEVERITIES.contains(&key) => {
            let hint = did_you_mean(key, SEVERITIES);
            mistake(format!("a severity is one of {}{hint}", SEVERITIES.join(", ")))
        }
        MappingKey::Event if !known_names().any(|name| name == key) => {
            let hint = did_you_mean(key, known_names());
            let text = format!("not a certificate event that certrelay knows{hint}");
            item.reader.warning(item.key_span.clone(), text);
            true
        }
        _ => true,
    }
}
