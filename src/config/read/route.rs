//! `[[route]]`: names, conditions, sinks.

use std::ops::Range;

use toml::de::DeValue;

use super::super::cursor::Section;
use super::super::item::Item;
use super::super::{Pattern, When};
use super::kafka::topic_name;
use super::splunk::index_name;
use super::when;

/// A route and where its parts stand.
pub(super) struct Draft<'t> {
    /// Its header.
    pub(super) span: Range<usize>,
    /// Its name.
    pub(super) name: Option<(String, Item<'t>)>,
    /// Its conditions; `None`: a mistake was noted.
    pub(super) when: Option<When>,
    /// `when.event`.
    pub(super) events: Vec<(Pattern, Item<'t>)>,
    /// `when.label`, by name.
    pub(super) labels: Vec<(String, Item<'t>)>,
    /// `when.ou`.
    pub(super) ou: Option<Item<'t>>,
    /// The sinks it names; none for `"discard"`.
    pub(super) targets: Vec<Target<'t>>,
    /// Whether `targets` are all that was written.
    pub(super) is_sound: bool,
    /// Whether it asks nothing, as far as can be told.
    pub(super) is_catch_all: bool,
    pub(super) goes_on: bool,
}

/// A sink that a route names, and what it says of its own about it.
pub(super) struct Target<'t> {
    pub(super) sink: String,
    pub(super) place: Item<'t>,
    pub(super) topic: Option<(String, Item<'t>)>,
    pub(super) index: Option<(String, Item<'t>)>,
}

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
    let (mut when, mut is_catch_all) = (Some(When::default()), true);
    let (mut events, mut labels, mut ou) = (Vec::new(), Vec::new(), None);
    if let Some(item) = table.item("when") {
        let conditions = item.table("[[route]] when").map(when::read);
        is_catch_all = conditions.as_ref().is_some_and(|conditions| !conditions.asks);
        when = conditions.and_then(|conditions| {
            (events, labels, ou) = (conditions.events, conditions.labels, conditions.ou);
            conditions.when
        });
    }
    let (targets, is_sound) =
        table.required("sinks", "[\"…\"]").map_or((Vec::new(), false), |item| targets(&item));
    let goes_on = table.flag("continue", false);
    let span = table.span.clone();
    table.finish();
    Draft { span, name, when, events, labels, ou, targets, is_sound, is_catch_all, goes_on }
}

/// The sinks of a route, none for `"discard"`; and whether they are all sound.
fn targets<'t>(item: &Item<'t>) -> (Vec<Target<'t>>, bool) {
    let mut read: Vec<Target<'t>> = Vec::new();
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
        let Some(target) = target(item) else { continue };
        if read.iter().any(|seen| seen.sink == target.sink) {
            target.place.mistake("this route names this sink already");
        }
        read.push(target);
    }
    let sound = !items.is_empty() && read.len() == items.len();
    (read, sound)
}

fn target<'t>(item: &Item<'t>) -> Option<Target<'t>> {
    let DeValue::Table(_) = item.value() else {
        let sink = item.text()?;
        if sink == "discard" {
            item.mistake("`discard` is no sink: write `sinks = \"discard\"`, not a list");
            return None;
        }
        return Some(Target { sink, place: item.clone(), topic: None, index: None });
    };
    let table = item.table("[[route]] sinks")?;
    let sink = table.required("sink", "\"lake\"");
    let topic = table.item("topic").map(|item| Some((topic_name(&item)?, item)));
    let index = table.item("index").map(|item| Some((index_name(&item)?, item)));
    table.not_yet("format");
    table.finish();
    let place = sink?;
    let sink = place.text()?;
    // A topic or index that cannot be read is a mistake already.
    Some(Target { sink, place, topic: topic.flatten(), index: index.flatten() })
}
