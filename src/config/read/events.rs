//! `[events] include`: groups, names and globs, spelled out to rules.

use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::suggest::{did_you_mean, nearest};
use super::super::{EventRule, GROUPS, IAM_EVENT_SOURCE, Pattern};

pub(super) fn read(top: &Section<'_>) -> Vec<EventRule> {
    let Some(table) = top.table("events", "[events]") else { return EventRule::defaults() };
    let rules = table.item("include").map(|item| {
        let entries = item.filled_list().unwrap_or_default();
        entries.iter().filter_map(rules).flatten().collect()
    });
    table.not_yet("expected_principals");
    table.finish();
    rules.unwrap_or_else(EventRule::defaults)
}

/// What one entry stands for: a string is a group, or a name or glob of IAM's.
fn rules(item: &Item<'_>) -> Option<Vec<EventRule>> {
    if let DeValue::Table(_) = item.value() {
        return of_source(item);
    }
    let text = item.text()?;
    if let Some((_, source, names)) = GROUPS.iter().find(|(group, ..)| *group == text) {
        return Some(EventRule::exactly(source, names));
    }
    if text == "audit-trail" {
        item.mistake("the group `audit-trail` is not supported yet; remove it");
        return None;
    }
    // Event names start with a capital letter, groups do not.
    if text.starts_with(|first: char| first.is_ascii_lowercase()) {
        let groups = GROUPS.iter().map(|(group, ..)| *group);
        let hint = did_you_mean(&text, groups.clone().chain(known_names()));
        let groups: Vec<&str> = groups.collect();
        item.mistake(format!("neither a group ({}) nor an event's name{hint}", groups.join(", ")));
        return None;
    }
    rule(IAM_EVENT_SOURCE, item).map(|rule| vec![rule])
}

/// `{ source = "acm.amazonaws.com", names = ["ImportCertificate"] }`.
fn of_source(item: &Item<'_>) -> Option<Vec<EventRule>> {
    let table = item.table("[events] include")?;
    let source = table.required("source", "\"acm.amazonaws.com\"");
    let names = table.required("names", "[\"ImportCertificate\"]");
    table.finish();
    let (source, names) = (source?, names?);
    let text = source.text()?;
    if !text.contains('.') || is_glob(&text) {
        source.mistake("`source` is an eventSource, written out, such as \"acm.amazonaws.com\"");
        return None;
    }
    Some(names.filled_list()?.iter().filter_map(|name| rule(&text, name)).collect())
}

fn rule(source: &str, item: &Item<'_>) -> Option<EventRule> {
    let name = pattern(item)?;
    let known = known_names().any(|known| name.matches(known));
    if source == IAM_EVENT_SOURCE
        && !known
        && let Some(near) = nearest(name.as_str(), known_names())
    {
        item.warning(format!(
            "not a certificate event that certrelay knows; did you mean `{near}`?"
        ));
    }
    Some(EventRule { source: source.to_owned(), name })
}

/// A name or a glob.
pub(super) fn pattern(item: &Item<'_>) -> Option<Pattern> {
    let pattern = Pattern::new(&item.text()?);
    pattern.map_err(|problem| item.mistake(format!("not a glob: {problem}"))).ok()
}

/// Whether a pattern can mean more than one name.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

/// The names of all groups.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, _, names)| names.iter().copied())
}
