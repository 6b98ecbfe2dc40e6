//! The events that arrived at a destination, by eventID.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::hec::HecStandIn;
use crate::support::real::Kafka;
use crate::support::samples::Samples;

/// How often each eventID arrived at one destination.
#[derive(Debug)]
pub(crate) struct Arrivals(pub(crate) BTreeMap<String, usize>);

impl Arrivals {
    fn count(ids: impl Iterator<Item = String>) -> Self {
        let mut counts = BTreeMap::new();
        for id in ids {
            *counts.entry(id).or_insert(0) += 1;
        }
        Self(counts)
    }

    /// The events that the HEC stand-in indexed.
    pub(crate) fn at_splunk(splunk: &HecStandIn) -> Self {
        let indexed = splunk.indexed();
        let id = |event: &crate::support::hec::Indexed| {
            event.field("event_id").expect("every event has its id").to_owned()
        };
        Self::count(indexed.iter().map(id))
    }

    /// The records that Java's consumer reads from Apache Kafka; each value must be JSON.
    pub(crate) fn at_kafka(kafka: &Kafka, topic: &str) -> Self {
        let id = |record: crate::support::real::Consumed| {
            let event: Value = serde_json::from_str(&record.value).expect("JSON");
            assert_eq!(event["class_uid"], 6003, "OCSF API Activity: {event}");
            let mut headers = record.headers.split(',');
            let id = headers.find_map(|header| header.strip_prefix("event_id:"));
            id.expect("every record has its id").to_owned()
        };
        Self::count(kafka.consume_all(topic).into_iter().map(id))
    }

    /// The lines of a file sink with `format = "raw"`.
    pub(crate) fn in_file(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the file sink has written");
        let id = |line: &str| {
            let event: Value = serde_json::from_str(line).expect("every line is complete");
            event["eventID"].as_str().expect("an eventID").to_owned()
        };
        Self::count(text.lines().map(id))
    }

    /// The eventIDs.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// Arrivals beyond the first of each.
    pub(crate) fn duplicates(&self) -> usize {
        self.0.values().map(|times| times - 1).sum()
    }
}

/// The eventIDs that must arrive; there are enough.
pub(crate) fn expected(samples: &[&Samples]) -> BTreeSet<String> {
    let ids: BTreeSet<String> =
        samples.iter().flat_map(|samples| samples.expected.keys().cloned()).collect();
    assert!(ids.len() >= 20 * samples.len(), "only {} events were generated", ids.len());
    ids
}
