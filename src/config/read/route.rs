//! `[[route]]`: names, conditions, sinks; and a sink with a route's own topic or index.

use std::ops::Range;

use toml::de::DeValue;

use super::super::mapping::Mapping;
use super::super::reader::{Item, Section};
use super::super::settings::{ROUTE, ROUTE_SINK, TOP, WHEN};
use super::super::types::{RouteConfig, RouteTarget, SinkConfig, SinkKind};
use super::super::when::{Pattern, When};
use super::kafka::topic_name;
use super::sink::index_name;
use super::{sink, when};

/// A route and the spans of its parts.
pub(super) struct Draft<'t> {
    /// Its header.
    pub(super) span: Range<usize>,
    /// Its name.
    pub(super) name: Option<(String, Item<'t>)>,
    /// Its conditions; `None`: there was an error.
    pub(super) when: Option<When>,
    /// `when.event`.
    pub(super) events: Vec<(Pattern, Item<'t>)>,
    /// `when.label`, by name.
    pub(super) labels: Vec<(String, Item<'t>)>,
    /// `when.ou`.
    pub(super) ou: Option<Item<'t>>,
    /// The sinks it names; none for `"discard"`.
    pub(super) targets: Vec<Target<'t>>,
    /// Whether `targets` has all that was written.
    pub(super) is_complete: bool,
    /// Whether it has no condition, as far as known.
    pub(super) is_catch_all: bool,
    pub(super) continues: bool,
}

/// A sink of a route, with the route's own topic or index.
pub(super) struct Target<'t> {
    pub(super) sink: String,
    pub(super) item: Item<'t>,
    pub(super) topic: Option<(String, Item<'t>)>,
    pub(super) index: Option<(String, Item<'t>)>,
}

pub(super) fn read<'t>(top: &Section<'t>) -> Vec<Draft<'t>> {
    let Some(item) = top.item(&TOP.route) else {
        top.error(
            "there is no [[route]]; write at least a catch-all: \
             `name = \"default\"` and `sinks = [\"…\"]`",
        );
        return Vec::new();
    };
    item.tables(&ROUTE).unwrap_or_default().into_iter().map(one).collect()
}

fn one<'t>(table: Section<'t>) -> Draft<'t> {
    let name = table.required(&ROUTE.name).and_then(|item| Some((item.text()?, item)));
    let (mut when, mut is_catch_all) = (Some(When::default()), true);
    let (mut events, mut labels, mut ou) = (Vec::new(), Vec::new(), None);
    if let Some(item) = table.item(&ROUTE.when) {
        let conditions = item.table(&WHEN).map(when::read);
        is_catch_all = conditions.as_ref().is_some_and(|conditions| conditions.is_empty);
        when = conditions.and_then(|conditions| {
            (events, labels, ou) = (conditions.events, conditions.labels, conditions.ou);
            conditions.when
        });
    }
    let (targets, is_complete) =
        table.required(&ROUTE.sinks).map_or((Vec::new(), false), |item| targets(&item));
    let continues = table.flag(&ROUTE.r#continue);
    let span = table.span.clone();
    table.finish();
    Draft { span, name, when, events, labels, ou, targets, is_complete, is_catch_all, continues }
}

/// Returns the sinks of a route, none for `"discard"`; and whether these are all that were written.
fn targets<'t>(item: &Item<'t>) -> (Vec<Target<'t>>, bool) {
    let mut read: Vec<Target<'t>> = Vec::new();
    if let DeValue::String(_) = item.value() {
        let discards = item.text().is_some_and(|text| text == "discard");
        if !discards {
            item.error("`sinks` is a list of names, or \"discard\"");
        }
        return (read, discards);
    }
    let items = item.list().unwrap_or_default();
    if let (DeValue::Array(_), true) = (item.value(), items.is_empty()) {
        item.error("no sinks; to discard these events, write `sinks = \"discard\"`");
    }
    for item in &items {
        let Some(target) = target(item) else { continue };
        if read.iter().any(|seen| seen.sink == target.sink) {
            target.item.error("this route names this sink already");
        }
        read.push(target);
    }
    let is_complete = !items.is_empty() && read.len() == items.len();
    (read, is_complete)
}

fn target<'t>(item: &Item<'t>) -> Option<Target<'t>> {
    let DeValue::Table(_) = item.value() else {
        let sink = item.text()?;
        if sink == "discard" {
            item.error("`discard` is not a sink: write `sinks = \"discard\"`, not a list");
            return None;
        }
        return Some(Target { sink, item: item.clone(), topic: None, index: None });
    };
    let table = item.table(&ROUTE_SINK)?;
    let sink = table.required(&ROUTE_SINK.sink);
    let topic = table.item(&ROUTE_SINK.topic).map(|item| Some((topic_name(&item)?, item)));
    let index = table.item(&ROUTE_SINK.index).map(|item| Some((index_name(&item)?, item)));
    table.not_supported_yet("format");
    table.finish();
    let item = sink?;
    let sink = item.text()?;
    // An invalid topic or index is reported already.
    Some(Target { sink, item, topic: topic.flatten(), index: index.flatten() })
}

/// Returns the routes, and the sinks that they use; `None` only after an error. A sink with a
/// route's own topic or index becomes a sink of its own, so that nothing later has to know about
/// this.
pub(super) fn resolve(
    routes: Vec<Draft<'_>>,
    sinks: Vec<sink::Draft>,
) -> Option<(Vec<RouteConfig>, Vec<SinkConfig>)> {
    let written = sinks.len();
    let known: Vec<SinkConfig> = sinks.into_iter().filter_map(|draft| draft.config).collect();
    // All of them, so that all errors are reported.
    let variants: Vec<Vec<Option<SinkConfig>>> = routes
        .iter()
        .map(|route| route.targets.iter().map(|target| variant(&known, target)).collect())
        .collect();
    if known.len() < written {
        return None;
    }
    let (mut resolved, mut used) = (Vec::new(), Vec::<SinkConfig>::new());
    for (route, variants) in routes.into_iter().zip(variants) {
        let mut targets = Vec::new();
        for (target, sink) in route.targets.into_iter().zip(variants) {
            let sink = sink?;
            targets.push(RouteTarget { sink: sink.name.clone(), configured: target.sink });
            if !used.iter().any(|seen| seen.name == sink.name) {
                used.push(sink);
            }
        }
        resolved.push(RouteConfig {
            name: route.name?.0,
            when: route.when?,
            targets: route.is_complete.then_some(targets)?,
            continues: route.continues,
        });
    }
    // In the order of the file, each sink before its variants.
    let position = |name: &str| {
        let base = name.split(':').next();
        known.iter().position(|known| Some(known.name.as_str()) == base)
    };
    used.sort_by_key(|sink| (position(&sink.name), sink.name.clone()));
    Some((resolved, used))
}

/// Returns the sink with this route's topic or index.
fn variant(known: &[SinkConfig], target: &Target<'_>) -> Option<SinkConfig> {
    let mut sink = known.iter().find(|sink| sink.name == target.sink)?.clone();
    let mut own = None;
    if let Some((topic, item)) = &target.topic {
        let SinkKind::Kafka(kafka) = &mut sink.kind else {
            item.error("only a sink of type \"kafka\" has a `topic`");
            return None;
        };
        own = (kafka.topic.literal() != Some(topic.as_str())).then_some(topic);
        kafka.topic = Mapping::Literal(topic.clone());
    }
    if let Some((index, item)) = &target.index {
        let SinkKind::SplunkHec(hec) = &mut sink.kind else {
            item.error("only a sink of type \"splunk_hec\" has an `index`");
            return None;
        };
        let before = hec.index.as_ref().and_then(Mapping::literal);
        own = (before != Some(index.as_str())).then_some(index);
        hec.index = Some(Mapping::Literal(index.clone()));
    }
    if let Some(own) = own {
        sink.name = format!("{}:{own}", target.sink);
    }
    Some(sink)
}
