//! The demo's output: a table of events, a comparison, the record counts.

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

/// A destination and its events.
pub(crate) struct Destination {
    name: &'static str,
    pub(crate) arrivals: Vec<Arrival>,
}

impl Destination {
    pub(crate) fn new(name: &'static str, arrivals: Vec<Arrival>) -> Self {
        Self { name, arrivals }
    }
}

/// The lines of the file sink: raw records, which contain their eventID.
pub(crate) fn lines_of(path: &Path) -> std::io::Result<Vec<Arrival>> {
    let text = std::fs::read_to_string(path)?;
    let arrival = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        Arrival { id: event["eventID"].as_str().unwrap_or_default().to_owned(), event }
    };
    Ok(text.lines().map(arrival).collect())
}

/// Prints one line for each operation and outcome.
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

/// Prints one line per destination; returns whether each has exactly the expected events.
pub(crate) fn compare(destinations: &[Destination], expected: &BTreeSet<String>) -> bool {
    let mut good = true;
    for destination in destinations {
        let ids: BTreeSet<_> =
            destination.arrivals.iter().map(|arrival| arrival.id.clone()).collect();
        let missing = expected.difference(&ids).count();
        let unexpected = ids.difference(expected).count();
        let duplicate = destination.arrivals.len() - ids.len();
        let equal = missing == 0 && unexpected == 0 && duplicate == 0;
        good &= equal;
        println!(
            "   {:<7} {:>4} of {} expected, {missing} missing, {unexpected} unexpected, {duplicate} duplicate   {}",
            destination.name,
            ids.len(),
            expected.len(),
            if equal { "complete" } else { "WRONG" },
        );
    }
    good
}

/// Prints the record counts of the run; returns whether they reconcile.
pub(crate) fn reconcile(metrics: &Metrics, folder: &Path, samples: &Samples) -> bool {
    let read = metrics.records_read.get();
    let filtered = metrics.records_filtered.get();
    let invalid = metrics.records_invalid.get();
    let duplicate = metrics.events_duplicate.get();
    let discarded = metrics.events_discarded.get();
    let routed = metrics.events_routed.get();
    println!(
        "   read {read} = filtered {filtered} + invalid {invalid} + duplicate {duplicate} + discarded {discarded} + routed {routed}"
    );
    let dead_letters = std::fs::read_dir(folder.join("dead-letters")).map_or(0, Iterator::count);
    println!(
        "   dead letters: {dead_letters} (the truncated file: none of its events is delivered, and it can be replayed)"
    );
    read == filtered + invalid + duplicate + discarded + routed
        && read == samples.records as u64
        && dead_letters == 1
}
