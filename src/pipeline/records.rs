//! Records on their way to events: their source, which of them are dispatched, and their counts.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::cloudtrail::{DecodeStats, Decoded, Origin};
use crate::event::{Channel, Context};
use crate::store::{Location, ObjectRef};
use crate::telemetry::Metrics;

/// What brought a record, and identifies an invalid one.
#[derive(Debug, Clone, Copy)]
pub(super) enum RecordSource<'o> {
    /// A file, which outlives its message.
    Object(&'o ObjectRef),
    /// A message, which is gone once it is deleted.
    Message { queue: &'o str, id: &'o str, body: &'o str },
}

impl RecordSource<'_> {
    pub(super) fn channel(self) -> Channel {
        match self {
            Self::Object(_) => Channel::S3,
            Self::Message { .. } => Channel::EventBridge,
        }
    }

    pub(super) fn origin(self, index: u64) -> Origin {
        match self {
            Self::Message { id, .. } => Origin::Message { message_id: id.to_owned() },
            Self::Object(object) => match &object.location {
                Location::S3 { bucket, key, version } => Origin::Object {
                    bucket: bucket.clone(),
                    key: key.clone(),
                    version: version.clone(),
                    index,
                },
                Location::File(path) => Origin::File { path: path.clone(), index },
            },
        }
    }
}

/// Which records of an object are dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordSelection {
    /// Every record that the events selection names.
    All,
    /// The record at this index, which `replay` reprocesses; the others were dispatched when the
    /// object was first read, and count as duplicates.
    Only(u64),
}

impl RecordSelection {
    pub(super) fn apply(self, records: Vec<Decoded>, counts: &mut RecordCounts) -> Vec<Decoded> {
        let Self::Only(index) = self else { return records };
        let all = records.len();
        let is_selected = |record: &Decoded| match record {
            Decoded::Record(record) => record.index == index,
            Decoded::Invalid(invalid) => invalid.index == index,
        };
        let selected: Vec<Decoded> = records.into_iter().filter(is_selected).collect();
        counts.duplicate += (all - selected.len()) as u64;
        selected
    }
}

/// The counts of one object, or of one EventBridge event: `read = filtered + invalid + duplicate +
/// discarded + routed`.
#[derive(Debug, Default)]
pub(super) struct RecordCounts {
    stats: Option<DecodeStats>,
    pub(super) invalid: u64,
    pub(super) duplicate: u64,
    pub(super) discarded: u64,
    pub(super) routed: u64,
}

impl RecordCounts {
    /// Notes what the decoder counted; every pass over an object counts the same.
    pub(super) fn decoded(&mut self, stats: &DecodeStats) {
        self.stats = Some(stats.clone());
    }

    /// Adds the object to the metrics, once all its matches are dispatched.
    pub(super) fn commit(&self, metrics: &Metrics, channel: Channel) {
        if let Some(stats) = &self.stats {
            match channel {
                Channel::S3 => {
                    metrics.objects_read.inc();
                    metrics.object_bytes.inc_by(stats.stored_bytes);
                }
                Channel::EventBridge => {
                    metrics.eventbridge_records.inc_by(stats.read);
                }
            }
            metrics.records_read.inc_by(stats.read);
            metrics.records_filtered.inc_by(stats.filtered());
        }
        metrics.records_invalid.inc_by(self.invalid);
        metrics.events_duplicate.inc_by(self.duplicate);
        metrics.events_discarded.inc_by(self.discarded);
        metrics.events_routed.inc_by(self.routed);
    }
}

/// The accounts and credential reports that events are read with: shared by the refresh task, which
/// writes it, and the pipeline.
#[derive(Debug, Clone, Default)]
pub struct EnrichmentSnapshot(Arc<RwLock<Context>>);

impl EnrichmentSnapshot {
    /// Returns what is known now.
    #[must_use]
    pub fn get(&self) -> Context {
        self.0.read().clone()
    }

    /// Changes what is known; events read from now on see it.
    pub fn update<T>(&self, change: impl FnOnce(&mut Context) -> T) -> T {
        change(&mut self.0.write())
    }
}
