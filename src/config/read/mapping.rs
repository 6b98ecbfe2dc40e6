//! Settings that may differ from event to event: a string, or a table that is looked up.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::super::diagnostic::did_you_mean;
use super::super::groups::{SEVERITIES, known_names};
use super::super::mapping::{Mapping, MappingKey, MappingTable};
use super::super::reader::Item;
use super::super::setting::Table as _;
use super::super::settings::MAPPING;
use super::super::source::is_account_id;
use super::super::when::Pattern;
use super::events::{is_glob, pattern_of};

/// Reads a string that `check` accepts, or a table of such strings. `None`: there was an error.
pub(super) fn read(
    item: &Item<'_>,
    check: impl Fn(&Item<'_>) -> Option<String>,
) -> Option<Mapping> {
    if !matches!(item.value(), DeValue::Table(_)) {
        return check(item).map(Mapping::Literal);
    }
    let table = item.table_called(&format!("`{}`", item.key), MAPPING.title())?;
    let by = table.required(&MAPPING.by).and_then(|item| item.choice(MAPPING.by.kind.0));
    let values = table.required(&MAPPING.values);
    let default = table.required(&MAPPING.default);
    let default = default.and_then(|item| check(&item));
    let values = values.and_then(|item| entries(&item, by, check));
    table.finish();
    let ((exact, globs), by, default) = (values?, by?, default?);
    Some(Mapping::Table(MappingTable { by, exact, globs, default }))
}

type Entries = (BTreeMap<String, String>, Vec<(Pattern, String)>);

/// Reads the table `values`; all of it, so that all errors are reported.
fn entries(
    item: &Item<'_>,
    by: Option<MappingKey>,
    check: impl Fn(&Item<'_>) -> Option<String>,
) -> Option<Entries> {
    let (mut exact, mut globs) = (BTreeMap::new(), Vec::new());
    let written = item.table_called("`values`", "`values`")?.entries();
    if written.is_empty() {
        item.error("`values` is empty: write the default alone");
        return None;
    }
    let mut is_valid = true;
    for (key, item) in written {
        let possible = by.is_none_or(|by| can_be(by, &key, &item));
        let text = check(&item);
        let (true, Some(text)) = (possible, text) else {
            is_valid = false;
            continue;
        };
        if !is_glob(&key) {
            exact.insert(key, text);
            continue;
        }
        match pattern_of(&key, &item) {
            Some(glob) => globs.push((glob, text)),
            None => is_valid = false,
        }
    }
    is_valid.then_some((exact, globs))
}

/// Checks that an event can have this key. One that never matches would silently leave everything
/// to the default.
fn can_be(by: MappingKey, key: &str, item: &Item<'_>) -> bool {
    let error = |text: String| {
        item.key_error(text);
        false
    };
    match by {
        _ if key.trim().is_empty() => error("a key of `values` must not be empty".to_owned()),
        _ if is_glob(key) => true,
        MappingKey::Account if !is_account_id(key) => {
            error("an account is its 12 digits, in quotes, or a glob".to_owned())
        }
        MappingKey::Severity if !SEVERITIES.contains(&key) => {
            let hint = did_you_mean(key, SEVERITIES);
            error(format!("a severity is one of {}{hint}", SEVERITIES.join(", ")))
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
