//! The accounting of what was read: every record that enters is counted out.

use crate::cloudtrail::{DecodeStats, Decoded};
use crate::event::Channel;
use crate::pipeline::context::Wire;

/// The accounting of one object, or of one inline record: `read = filtered + bad + duplicate + discarded + routed`.
#[derive(Debug, Default)]
pub(super) struct Account {
    tally: Option<DecodeStats>,
    pub(super) bad: u64,
    pub(super) duplicate: u64,
    pub(super) discarded: u64,
    pub(super) routed: u64,
}

impl Account {
    /// Notes what the decoder counted; every pass over an object counts the same.
    pub(super) fn read(&mut self, tally: &DecodeStats) {
        self.tally = Some(tally.clone());
    }

    /// The record at `index` alone; the others were delivered when the object was read first.
    pub(super) fn only(&mut self, found: Vec<Decoded>, index: u64) -> Vec<Decoded> {
        let all = found.len();
        let is_it = |found: &Decoded| match found {
            Decoded::Record(record) => record.index == index,
            Decoded::Invalid(bad) => bad.index == index,
        };
        let found: Vec<Decoded> = found.into_iter().filter(is_it).collect();
        self.duplicate += (all - found.len()) as u64;
        found
    }

    /// Adds the object to the metrics, once all its matches are handed over.
    pub(super) fn commit(&self, wire: &Wire, lane: Channel) {
        let metrics = &wire.metrics;
        if let Some(tally) = &self.tally {
            match lane {
                Channel::S3 => {
                    metrics.objects_read.inc();
                    metrics.object_bytes.inc_by(tally.stored_bytes);
                }
                Channel::EventBridge => {
                    metrics.eventbridge_records.inc_by(tally.read);
                }
            }
            metrics.records_read.inc_by(tally.read);
            metrics.records_filtered.inc_by(tally.filtered());
        }
        metrics.records_invalid.inc_by(self.bad);
        metrics.events_duplicate.inc_by(self.duplicate);
        metrics.events_discarded.inc_by(self.discarded);
        metrics.events_routed.inc_by(self.routed);
    }
}
