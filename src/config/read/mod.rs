//! Reads a whole configuration, table by table, and then checks the tables against each other.

mod check;
mod dead_letter;
mod dead_letter_loops;
mod events;
pub(super) mod kafka;
mod mapping;
mod route;
mod secret;
mod sink;
mod source;
mod tables;
mod when;

use toml::de::DeTable;

use super::accounts::Refreshed;
use super::reader::{Reader, Section};
use super::setting::Table as _;
use super::settings::TOP;
use super::types::{Config, EventOptions, share_memory};

/// Returns the configuration, `None` only after an error; and always the location of the accounts.
pub(super) fn document<'t>(
    reader: &'t Reader<'t>,
    root: &'t DeTable<'t>,
) -> (Option<Config>, Option<Refreshed>) {
    let top = Section::new(reader, TOP.title(), TOP.title(), root, 0..0);
    let sources = source::read(&top);
    let delivery = tables::delivery(&top);
    let mut options = EventOptions::default();
    let decode = tables::decode(&top, &mut options);
    let events = events::read(&top, &mut options);
    let aws = tables::aws(&top);
    tables::format(&top, &mut options);
    tables::privacy(&top, &mut options);
    options.labels = tables::labels(&top);
    let accounts = tables::accounts(&top);
    let credential_reports = tables::credential_reports(&top);
    let routes = route::read(&top);
    let sinks = sink::read(&top);
    let dead_letter = dead_letter::read(&top);
    let alerts = tables::alerts(&top);
    let http = tables::http(&top);
    let log = tables::log(&top);

    check::sources(&top, &sources, dead_letter.as_ref());
    dead_letter_loops::check(&top, &sources, dead_letter.as_ref());
    check::queue_hosts(&top, &sources, dead_letter.as_ref(), &aws);
    check::regions(&top, &sources, &events);
    check::routes(&top, &routes, &sinks);
    check::conditions(&routes, &events);
    check::labels(&routes, &options.labels, accounts.is_some());
    check::mappings(&top, &sinks, accounts.is_some());
    check::timeouts(&top, &delivery, &sinks);
    let resolved = route::resolve(routes, sinks);
    top.finish();
    let table = accounts.clone();
    let config = || {
        let (routes, mut sinks) = resolved?;
        share_memory(&mut sinks, delivery.memory_limit);
        Some(Config {
            location: String::new(),
            sha256: String::new(),
            sources: sources.into_iter().map(|draft| draft.config).collect::<Option<_>>()?,
            delivery,
            decode,
            events,
            options,
            accounts,
            credential_reports,
            aws,
            routes,
            sinks,
            dead_letter: dead_letter?.config,
            alerts,
            http,
            log,
            warnings: Vec::new(),
        })
    };
    (config(), table)
}
