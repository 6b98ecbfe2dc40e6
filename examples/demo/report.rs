//! The demo's output: the events by severity, a comparison, the record counts.

use std::collections::BTreeSet;
use std::path::Path;

use certrelay::escape::escape;
use certrelay::telemetry::Metrics;
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

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Events that are listed.
const LISTED: usize = 12;

/// Returns the events as Splunk has them, the most severe first.
pub(crate) fn by_severity(arrivals: &[Arrival]) -> Vec<&Arrival> {
    let mut sorted: Vec<&Arrival> = arrivals.iter().collect();
    sorted.sort_by_key(|arrival| {
        let event = &arrival.event;
        (std::cmp::Reverse(text(&event["severity_id"])), text(&event["time"]))
    });
    sorted
}

/// Prints the first of them, one line each, with what was found.
pub(crate) fn table(sorted: &[&Arrival], colour: bool) {
    for arrival in sorted.iter().take(LISTED) {
        let event = &arrival.event;
        let severity = text(&event["severity"]);
        let (on, off) = match severity.as_str() {
            "critical" | "high" if colour => ("\x1b[31m", "\x1b[0m"),
            "medium" if colour => ("\x1b[33m", "\x1b[0m"),
            _ => ("", ""),
        };
        let line = format!("{} by {}", text(&event["signature"]), text(&event["src_user"]));
        let finding = text(&event["finding"][0]);
        println!("   {on}{severity:<8}{off} {line:<38.38} {finding:.30}");
    }
    let counts = ["critical", "high", "medium", "low", "informational"].map(|severity| {
        let of_it = sorted.iter().filter(|one| one.event["severity"] == severity);
        format!("{} {severity}", of_it.count())
    });
    println!("   … of {}: {}", sorted.len(), counts.join(", "));
}

/// Prints the first lines of `text`, cut to the width of a terminal.
pub(crate) fn excerpt(text: &str, lines: usize) {
    for line in text.lines().take(lines) {
        let mut shown: String = line.chars().take(WIDTH - 4).collect();
        if shown.len() < line.len() {
            shown.push('…');
        }
        println!("   {shown}");
    }
    if text.lines().count() > lines {
        println!("   …");
    }
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or("-")).into_owned()
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
            "   {:<7} {:>4} of {}: {missing} missing, {unexpected} unexpected, {duplicate} duplicate   {}",
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
        "   read {read} = filtered {filtered} + invalid {invalid} + duplicate {duplicate} + discarded {discarded}\n   + routed {routed}"
    );
    let dead_letters = std::fs::read_dir(folder.join("dead-letters")).map_or(0, Iterator::count);
    println!(
        "   dead letters: {dead_letters}, the truncated file: nothing of it is delivered, `certrelay replay`\n   reads it again"
    );
    read == filtered + invalid + duplicate + discarded + routed
        && read == samples.records as u64
        && dead_letters == 1
}
