//! What the demo prints: a table of events, a comparison, the accounting.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use certrelay::telemetry::{Metrics, escape};
use serde_json::Value;

use super::support::samples::Samples;

/// One event at a destination.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) id: String,
    pub(crate) event: Value,
}

/// A destination and what it has.
pub(crate) struct Destination {
    name: &'static str,
    pub(crate) arrivals: Vec<Arrival>,
}

impl Destination {
    pub(crate) fn new(name: &'static str, arrivals: Vec<Arrival>) -> Self {
        Self { name, arrivals }
    }
}

/// The lines of the file sink: raw records, which carry their eventID themselves.
pub(crate) fn lines_of(path: &Path) -> std::io::Result<Vec<Arrival>> {
    let text = std::fs::read_to_string(path)?;
    let arrival = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        Arrival { id: event["eventID"].as_str().unwrap_or_default().to_owned(), event }
    };
    Ok(text.lines().map(arrival).collect())
}

/// One line for each operation and outcome, so that all twelve can be seen.
pub(crate) fn table(arrivals: &[Arrival]) {
    let mut first = BTreeMap::new();
    for arrival in arrivals {
        let event = &arrival.event;
        let key = (text(&event["api"]["operation"]), text(&event["status"]));
        first.entry(key).or_insert(event);
    }
    println!(
        "   {:<8}  {:<26} {:<7}  {:<8} {:<15} target",
        "time", "event", "outcome", "who", "from"
    );
    for ((operation, status), event) in &first {
        let time = text(&event["time_dt"]);
        let clock = time.get(11..19).unwrap_or_default();
        let who = text(&event["actor"]["user"]["name"]);
        let from = text(&event["src_endpoint"]["ip"]);
        println!(
            "   {clock:<8}  {operation:<26} {status:<7}  {who:<8} {from:<15} {}",
            target(event)
        );
    }
    println!("   … {} events in all.", arrivals.len());
}

fn target(event: &Value) -> String {
    let resource = &event["resources"][0];
    let target = if resource["uid"].is_string() { &resource["uid"] } else { &resource["name"] };
    text(target)
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or("-"))
}

/// Prints one line a destination; `true` if each has exactly what was put in.
pub(crate) fn compare(destinations: &[Destination], expected: &BTreeSet<String>) -> bool {
    let mut good = true;
    for destination in destinations {
        let ids: BTreeSet<_> =
            destination.arrivals.iter().map(|arrival| arrival.id.clone()).collect();
        let missing = expected.difference(&ids).count();
        let foreign = ids.difference(expected).count();
        let twice = destination.arrivals.len() - ids.len();
        let equal = missing == 0 && foreign == 0 && twice == 0;
        good &= equal;
        println!(
            "   {:<7} {:>4} of {} expected, {missing} missing, {foreign} foreign, {twice} twice   {}",
            destination.name,
            ids.len(),
            expected.len(),
            if equal { "complete" } else { "WRONG" },
        );
    }
    good
}

/// Prints the counters of the run; `true` if they add up.
pub(crate) fn accounting(metrics: &Metrics, folder: &Path, samples: &Samples) -> bool {
    let read = metrics.records_read.get();
    let filtered = metrics.records_filtered.get();
    let bad = metrics.records_invalid.get();
    let duplicate = metrics.events_duplicate.get();
    let discarded = metrics.events_discarded.get();
    let routed = metrics.events_routed.get();
    println!(
        "   read {read} = filtered {filtered} + bad {bad} + duplicate {duplicate} + discarded {discarded} + routed {routed}"
    );
    let letters = std::fs::read_dir(folder.join("dead-letters")).map_or(0, Iterator::count);
    println!(
        "   dead letters: {letters} (the file that was cut short: it delivers nothing, and can be replayed)"
    );
    read == filtered + bad + duplicate + discarded + routed
        && read == samples.records as u64
        && letters == 1
}
