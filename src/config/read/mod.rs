//! Walks a whole configuration, table by table, and then checks the tables against each other.

mod bucket;
mod check;
mod context;
mod dead_letter;
mod delivery;
mod events;
mod kafka;
mod kafka_login;
mod mapping;
mod registry;
mod rings;
mod route;
mod secret;
mod service;
mod sink;
mod source;
mod splunk;
mod variants;
mod when;

use toml::de::DeTable;

pub(super) use bucket::is_bucket;

use super::cursor::{Reader, Section};
use super::kafka::share_memory;
use super::{Config, EventOptions, Refreshed};

/// The whole file, `None` only where a mistake was noted; and in any case where the table of accounts lies.
pub(super) fn document<'t>(
    reader: &'t Reader<'t>,
    root: &'t DeTable<'t>,
) -> (Option<Config>, Option<Refreshed>) {
    let top = Section::new(reader, "the configuration", root, 0..0);
    let sources = source::read(&top);
    let delivery = delivery::read(&top);
    let decode = delivery::read_decode(&top);
    let mut options = EventOptions::default();
    let events = events::read(&top, &mut options);
    let aws = service::aws(&top);
    service::format(&top, &mut options);
    service::privacy(&top, &mut options);
    options.labels = context::labels(&top);
    let accounts = context::accounts(&top);
    let posture = context::posture(&top);
    let routes = route::read(&top);
    let sinks = sink::read(&top);
    let dead_letter = dead_letter::read(&top);
    let http = service::http(&top);
    let log = service::log(&top);

    check::sources(&top, &sources, dead_letter.as_ref());
    rings::check(&top, &sources, dead_letter.as_ref());
    check::regions(&top, &sources, &events);
    check::routes(&top, &routes, &sinks);
    check::conditions(&routes, &events);
    check::labels(&routes, &options.labels, accounts.is_some());
    check::mappings(&top, &sinks, accounts.is_some());
    check::timeouts(&top, &delivery, &sinks);
    let spelled_out = variants::spell_out(routes, sinks);
    top.finish();
    let table = accounts.clone();
    let config = || {
        let (routes, mut sinks) = spelled_out?;
        share_memory(&mut sinks, delivery.memory);
        Some(Config {
            sources: sources.into_iter().map(|draft| draft.config).collect::<Option<_>>()?,
            delivery,
            decode,
            events,
            options,
            accounts,
            posture,
            aws,
            routes,
            sinks,
            dead_letter: dead_letter?.config,
            http,
            log,
            warnings: Vec::new(),
        })
    };
    (config(), table)
}
