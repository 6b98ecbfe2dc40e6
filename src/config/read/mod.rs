//! Walks a whole configuration, table by table, and then checks the tables against each other.

mod bucket;
mod check;
mod delivery;
mod events;
mod kafka;
mod route;
mod secret;
mod service;
mod sink;
mod source;
mod splunk;

use toml::de::DeTable;

use super::Config;
use super::cursor::{Reader, Section};

/// The whole file. `None` only where a mistake was noted.
pub(super) fn document<'t>(reader: &'t Reader<'t>, root: &'t DeTable<'t>) -> Option<Config> {
    let top = Section::new(reader, "the configuration", root, 0..0);
    let sources = source::read(&top);
    let delivery = delivery::read(&top);
    let decode = delivery::read_decode(&top);
    let events = events::read(&top);
    let aws = service::aws(&top);
    service::format(&top);
    let routes = route::read(&top);
    let sinks = sink::read(&top);
    let dead_letter = service::dead_letter(&top);
    let http = service::http(&top);
    let log = service::log(&top);
    top.not_yet("privacy");

    check::sources(&top, &sources, dead_letter.as_ref());
    check::regions(&top, &sources, &events);
    check::routes(&top, &routes, &sinks);
    check::conditions(&routes, &events);
    check::timeouts(&top, &delivery, &sinks);
    top.finish();

    Some(Config {
        sources: sources.into_iter().map(|draft| draft.config).collect::<Option<_>>()?,
        delivery,
        decode,
        events,
        aws,
        routes: routes.into_iter().map(|draft| draft.config).collect::<Option<_>>()?,
        sinks: sinks.into_iter().map(|draft| draft.config).collect::<Option<_>>()?,
        dead_letter: dead_letter?.config,
        http,
        log,
        warnings: Vec::new(),
    })
}
