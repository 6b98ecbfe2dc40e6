//! `[[route]]`: names, conditions, sinks. A condition that is not understood is refused: ignoring it
//! would send events to the wrong place.

use std::ops::Range;

use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::suggest::did_you_mean;
use super::super::{Pattern, RouteConfig, RouteTarget, When};
use super::events::{is_glob, pattern};

/// A route and where its parts stand.
pub(super) struct Draft<'t> {
    pub(super) config: Option<RouteConfig>,
    /// Its header.
    pub(super) span: Range<usize>,
    /// Its name.
    pub(super) name: Option<(String, Item<'t>)>,
    /// The sinks it names.
    pub(super) sinks: Vec<(String, Item<'t>)>,
    /// `when.event`.
    pub(super) events: Vec<(Pattern, Item<'t>)>,
    /// Whether it asks nothing, as far as can be told.
    pub(super) is_catch_all: bool,
    pub(super) goes_on: bool,
}

type Conditions<'t> = Vec<(Pattern, Item<'t>)>;

pub(super) fn read<'t>(top: &Section<'t>) -> Vec<Draft<'t>> {
    let Some(item) = top.item("route") else {
        top.mistake(
            "there is no [[route]]; write at least a catch-all: \
             `name = \"default\"` and `sinks = [\"…\"]`",
        );
        return Vec::new();
    };
    item.tables("[[route]]").unwrap_or_default().into_iter().map(one).collect()
}

fn one<'t>(table: Section<'t>) -> Draft<'t> {
    let name = table.required("name", "\"default\"").and_then(|item| Some((item.text()?, item)));
    let mut events = Vec::new();
    let mut is_catch_all = true;
    let mut when = Some(When::default());
    if let Some(item) = table.item("when") {
        let conditions = item.table("[[route]] when").map(conditions);
        is_catch_all = conditions.as_ref().is_some_and(|(_, _, asks)| !asks);
        when = conditions.and_then(|(read, names, _)| {
            events = names;
            read
        });
    }
    let (sinks, sound) =
        table.required("sinks", "[\"…\"]").map_or((Vec::new(), false), |item| targets(&item));
    let goes_on = table.flag("continue", false);
    let span = table.span.clone();
    table.finish();
    let config = match (&name, when, sound) {
        (Some((name, _)), Some(when), true) => Some(RouteConfig {
            name: name.clone(),
            when,
            targets: sinks.iter().map(|(sink, _)| RouteTarget { sink: sink.clone() }).collect(),
            goes_on,
        }),
        _ => None,
    };
    Draft { config, span, name, sinks, events, is_catch_all, goes_on }
}

/// The conditions, those on events with their places, and whether there are any.
fn conditions<'t>(table: Section<'t>) -> (Option<When>, Conditions<'t>, bool) {
    let asks = !table.entries().is_empty();
    let list = |key, check: fn(&Pattern, &Item<'_>) -> bool| match table.item(key) {
        None => Some(Vec::new()),
        Some(item) => patterns(&item, check),
    };
    let event = list("event", |_, _| true);
    let outcome = list("outcome", outcome_exists);
    let account = list("account", account_exists);
    let region = list("region", region_exists);
    table.finish_with(
        "; a route can ask for event, outcome, account and region, \
         and ignoring a condition would send events to the wrong place",
    );
    let bare = |list: Conditions<'t>| list.into_iter().map(|(pattern, _)| pattern).collect();
    let places = event.clone().unwrap_or_default();
    let when = match (event, outcome, account, region) {
        (Some(event), Some(outcome), Some(account), Some(region)) => Some(When {
            event: bare(event),
            outcome: bare(outcome),
            account: bare(account),
            region: bare(region),
        }),
        _ => None,
    };
    (when, places, asks)
}

fn patterns<'t>(item: &Item<'t>, check: fn(&Pattern, &Item<'_>) -> bool) -> Option<Conditions<'t>> {
    let items = item.one_or_many()?;
    let count = items.len();
    let read: Conditions<'t> = items
        .into_iter()
        .filter_map(|item| Some((pattern(&item)?, item)))
        .filter(|(pattern, item)| check(pattern, item))
        .collect();
    (read.len() == count).then_some(read)
}

fn outcome_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let outcomes = ["success", "failure"];
    let exists = outcomes.iter().any(|outcome| pattern.matches(outcome));
    if !exists {
        let hint = did_you_mean(pattern.as_str(), outcomes);
        item.mistake(format!("an outcome is \"success\" or \"failure\"{hint}"));
    }
    exists
}

fn account_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    let exists =
        is_glob(text) || (text.len() == 12 && text.chars().all(|digit| digit.is_ascii_digit()));
    if !exists {
        item.mistake("an account is its 12 digits, or a glob");
    }
    exists
}

fn region_exists(pattern: &Pattern, item: &Item<'_>) -> bool {
    let text = pattern.as_str();
    let exists = is_glob(text) || looks_like_region(text);
    if !exists {
        item.mistake("a region is written like \"us-east-1\", or is a glob");
    }
    exists
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-2`.
pub(super) fn looks_like_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
        && !number.is_empty()
        && number.chars().all(|digit| digit.is_ascii_digit())
}

/// The sinks of a route with their places, none for `"discard"`; and whether they are all sound.
fn targets<'t>(item: &Item<'t>) -> (Vec<(String, Item<'t>)>, bool) {
    let mut read: Vec<(String, Item<'t>)> = Vec::new();
    if let DeValue::String(_) = item.value() {
        let discards = item.text().is_some_and(|text| text == "discard");
        if !discards {
            item.mistake("`sinks` is a list of names, or \"discard\"");
        }
        return (read, discards);
    }
    let items = item.list().unwrap_or_default();
    if let (DeValue::Array(_), true) = (item.value(), items.is_empty()) {
        item.mistake("no sinks; if these events are to go nowhere, write `sinks = \"discard\"`");
    }
    for item in &items {
        let Some((name, place)) = target(item) else { continue };
        if read.iter().any(|(seen, _)| *seen == name) {
            place.mistake("this route names this sink already");
        }
        read.push((name, place));
    }
    let sound = !items.is_empty() && read.len() == items.len();
    (read, sound)
}

fn target<'t>(item: &Item<'t>) -> Option<(String, Item<'t>)> {
    let DeValue::Table(_) = item.value() else {
        let name = item.text()?;
        if name == "discard" {
            item.mistake("`discard` is no sink: write `sinks = \"discard\"`, not a list");
            return None;
        }
        return Some((name, item.clone()));
    };
    let table = item.table("[[route]] sinks")?;
    let sink = table.required("sink", "\"lake\"");
    for key in ["topic", "index", "format"] {
        table.not_yet(key);
    }
    table.finish();
    let sink = sink?;
    Some((sink.text()?, sink))
}

#[cfg(test)]
mod tests {
    use super::looks_like_region;

    #[test]
    fn regions_have_words_and_a_number() {
        for text in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "mx-central-1"] {
            assert!(looks_like_region(text), "{text}");
        }
        for text in ["us-east", "useast1", "US-EAST-1", "us-east-1a", "-1", ""] {
            assert!(!looks_like_region(text), "{text}");
        }
    }
}
