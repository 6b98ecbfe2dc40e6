//! Receipts of indexer acknowledgement, as Splunk keeps them: for each channel from 0, and a `true` is
//! forgotten once it was read. Pending, lost, unknown and already read look the same.

use std::collections::{BTreeMap, BTreeSet};

/// Receipts by channel.
#[derive(Debug, Default)]
pub(super) struct Acks {
    channels: BTreeMap<String, Channel>,
    held: bool,
}

#[derive(Debug, Default)]
struct Channel {
    next: u64,
    unread: BTreeSet<u64>,
}

impl Acks {
    /// The receipt of a request.
    pub(super) fn issue(&mut self, channel: &str) -> u64 {
        let channel = self.channels.entry(channel.to_owned()).or_default();
        let id = channel.next;
        channel.next += 1;
        channel.unread.insert(id);
        id
    }

    /// Whether it was indexed; `true` is said once.
    pub(super) fn take(&mut self, channel: &str, id: u64) -> bool {
        let held = self.held;
        let channel = self.channels.get_mut(channel);
        !held && channel.is_some_and(|channel| channel.unread.remove(&id))
    }

    /// While held, nothing is acknowledged.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }
}
