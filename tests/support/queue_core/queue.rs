//! One queue's messages and the state of each.
//!
//! Every operation costs O(log n), so that a backlog of a million messages is received as fast as
//! one of ten: a benchmark would measure a stand-in that slows with depth instead of the consumer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Settings;
use crate::support::clock::Millis;

/// A message and its history.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub id: String,
    pub body: Arc<str>,
    /// `MessageAttributes` exactly as sent, returned on request.
    pub attributes: Option<serde_json::Value>,
    pub sent: Millis,
    pub first_received: Option<Millis>,
    /// `ApproximateReceiveCount`.
    pub receive_count: u32,
    /// The queue it was moved from.
    pub source: Option<String>,
    pub state: MessageState,
}

/// The state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Can be received; `rank` is its position in the order.
    Ready { rank: u64 },
    /// Received at `received`, and hidden.
    InFlight { until: Millis, received: Millis },
    /// Sent with a delay and not visible yet.
    Delayed { until: Millis },
}

/// Messages by state, as `GetQueueAttributes` reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub ready: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// One queue.
#[derive(Debug)]
pub struct QueueState {
    /// Part of its receipt handles.
    pub tag: u32,
    pub created: Millis,
    pub settings: Settings,
    messages: BTreeMap<u64, StoredMessage>,
    ready: BTreeMap<u64, u64>,
    hidden: BTreeSet<(Millis, u64)>,
    sent: BTreeSet<(Millis, u64)>,
    in_flight: usize,
    next_rank: u64,
}

impl QueueState {
    pub fn new(tag: u32, created: Millis, settings: Settings) -> Self {
        Self {
            tag,
            created,
            settings,
            messages: BTreeMap::new(),
            ready: BTreeMap::new(),
            hidden: BTreeSet::new(),
            sent: BTreeSet::new(),
            in_flight: 0,
            next_rank: 0,
        }
    }

    pub fn get(&self, message: u64) -> Option<&StoredMessage> {
        self.messages.get(&message)
    }

    pub fn get_mut(&mut self, message: u64) -> Option<&mut StoredMessage> {
        self.messages.get_mut(&message)
    }

    /// Every message, in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = &StoredMessage> {
        self.messages.values()
    }

    /// Adds a message in its `state` (a ready one is ranked here).
    pub fn insert(
        &mut self,
        message: u64,
        stored: StoredMessage,
        shuffle: Option<&mut fastrand::Rng>,
    ) {
        let state = stored.state;
        self.sent.insert((stored.sent, message));
        self.messages.insert(message, stored);
        match state {
            MessageState::Ready { .. } => self.make_ready(message, shuffle),
            MessageState::InFlight { until, .. } => {
                self.in_flight += 1;
                self.hidden.insert((until, message));
            }
            MessageState::Delayed { until } => {
                self.hidden.insert((until, message));
            }
        }
    }

    /// Removes a message, whatever its state.
    pub fn remove(&mut self, message: u64) -> Option<StoredMessage> {
        self.leave(message);
        let stored = self.messages.remove(&message)?;
        self.sent.remove(&(stored.sent, message));
        Some(stored)
    }

    /// Hides a message until `until`.
    pub fn hide(&mut self, message: u64, until: Millis, received: Millis) {
        self.leave(message);
        if let Some(stored) = self.messages.get_mut(&message) {
            stored.state = MessageState::InFlight { until, received };
            self.in_flight += 1;
            self.hidden.insert((until, message));
        }
    }

    /// Makes a message ready, at the end of the order or at a random position.
    pub fn make_ready(&mut self, message: u64, shuffle: Option<&mut fastrand::Rng>) {
        self.leave(message);
        let mut rank = shuffle.map_or(self.next_rank, |rng| rng.u64(..));
        while self.ready.contains_key(&rank) {
            rank = rank.wrapping_add(1);
        }
        self.next_rank += 1;
        if let Some(stored) = self.messages.get_mut(&message) {
            stored.state = MessageState::Ready { rank };
            self.ready.insert(rank, message);
        }
    }

    /// The first message in the order.
    pub fn first_ready(&self) -> Option<u64> {
        self.ready.first_key_value().map(|(_, message)| *message)
    }

    /// The next message whose hiding time has ended at `now`.
    pub fn due(&self, now: Millis) -> Option<u64> {
        self.hidden.first().filter(|(until, _)| *until <= now).map(|(_, message)| *message)
    }

    /// When the next hidden message becomes visible.
    pub fn next_visible(&self) -> Option<Millis> {
        self.hidden.first().map(|(until, _)| *until)
    }

    /// The next message beyond its retention.
    pub fn expired(&self, now: Millis) -> Option<u64> {
        let retention = self.settings.retention?;
        let (sent, message) = self.sent.first()?;
        (sent.saturating_add(retention) <= now).then_some(*message)
    }

    /// Messages received and neither deleted nor visible again.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len(),
            in_flight: self.in_flight,
            delayed: self.hidden.len() - self.in_flight,
        }
    }

    /// Removes a message from the index of its state, before it enters another.
    fn leave(&mut self, message: u64) {
        match self.messages.get(&message).map(|stored| stored.state) {
            // A message just inserted has a rank that may be another's.
            Some(MessageState::Ready { rank }) if self.ready.get(&rank) == Some(&message) => {
                self.ready.remove(&rank);
            }
            Some(MessageState::InFlight { until, .. }) => {
                self.hidden.remove(&(until, message));
                self.in_flight -= 1;
            }
            Some(MessageState::Delayed { until }) => {
                self.hidden.remove(&(until, message));
            }
            Some(MessageState::Ready { .. }) | None => {}
        }
    }
}
