//! Indexer acknowledgement as in Splunk: ackIds count from 0 for each channel, and a `true` is
//! returned once. Pending, lost, unknown and already returned ids look the same.

use std::collections::{BTreeMap, BTreeSet};

/// AckIds by channel.
#[derive(Debug, Default)]
pub(super) struct Acks {
    channels: BTreeMap<String, Channel>,
    withheld: bool,
}

#[derive(Debug, Default)]
struct Channel {
    next: u64,
    unpolled: BTreeSet<u64>,
}

impl Acks {
    /// Issues the ackId of a request.
    pub(super) fn issue(&mut self, channel: &str) -> u64 {
        let channel = self.channels.entry(channel.to_owned()).or_default();
        let id = channel.next;
        channel.next += 1;
        channel.unpolled.insert(id);
        id
    }

    /// Returns whether a request was indexed; `true` once.
    pub(super) fn take(&mut self, channel: &str, id: u64) -> bool {
        let withheld = self.withheld;
        let channel = self.channels.get_mut(channel);
        !withheld && channel.is_some_and(|channel| channel.unpolled.remove(&id))
    }

    /// Acknowledges nothing while `withheld`.
    pub(super) fn withhold(&mut self, withheld: bool) {
        self.withheld = withheld;
    }
}
