//! One queue's messages and where each of them is: ready, hidden, or gone.
//!
//! Every operation costs O(log n), so that a backlog of a million messages drains as fast as one of
//! ten: a stand-in that slows with depth would be measured instead of the consumer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Settings;
use crate::support::clock::Millis;

/// A message and its history.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: String,
    pub body: Arc<str>,
    /// `MessageAttributes` exactly as sent, given back where asked for.
    pub attributes: Option<serde_json::Value>,
    pub sent: Millis,
    pub first_received: Option<Millis>,
    /// `ApproximateReceiveCount`.
    pub receive_count: u32,
    /// The queue it was dead-lettered from.
    pub source: Option<String>,
    pub place: Place,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Can be received; `rank` is its place in the order.
    Ready { rank: u64 },
    /// Received at `received`, and hidden.
    InFlight { until: Millis, received: Millis },
    /// Sent with a delay and not visible yet.
    Delayed { until: Millis },
}

/// How many messages are where, as `GetQueueAttributes` reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub ready: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// One queue.
#[derive(Debug)]
pub struct OneQueue {
    /// Written into its receipt handles.
    pub tag: u32,
    pub created: Millis,
    pub settings: Settings,
    messages: BTreeMap<u64, Stored>,
    ready: BTreeMap<u64, u64>,
    hidden: BTreeSet<(Millis, u64)>,
    sent: BTreeSet<(Millis, u64)>,
    in_flight: usize,
    next_rank: u64,
}

impl OneQueue {
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

    pub fn get(&self, message: u64) -> Option<&Stored> {
        self.messages.get(&message)
    }

    pub fn get_mut(&mut self, message: u64) -> Option<&mut Stored> {
        self.messages.get_mut(&message)
    }

    /// Every message, in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = &Stored> {
        self.messages.values()
    }

    /// Takes in a message; its `place` says where it goes (a ready one is ranked here).
    pub fn insert(&mut self, message: u64, stored: Stored, shuffle: Option<&mut fastrand::Rng>) {
        let place = stored.place;
        self.sent.insert((stored.sent, message));
        self.messages.insert(message, stored);
        match place {
            Place::Ready { .. } => self.make_ready(message, shuffle),
            Place::InFlight { until, .. } => {
                self.in_flight += 1;
                self.hidden.insert((until, message));
            }
            Place::Delayed { until } => {
                self.hidden.insert((until, message));
            }
        }
    }

    /// Takes a message out for good, wherever it is.
    pub fn remove(&mut self, message: u64) -> Option<Stored> {
        self.leave(message);
        let stored = self.messages.remove(&message)?;
        self.sent.remove(&(stored.sent, message));
        Some(stored)
    }

    /// Moves a message to `place`; only [`OneQueue::make_ready`] makes one ready.
    pub fn hide(&mut self, message: u64, until: Millis, received: Millis) {
        self.leave(message);
        if let Some(stored) = self.messages.get_mut(&message) {
            stored.place = Place::InFlight { until, received };
            self.in_flight += 1;
            self.hidden.insert((until, message));
        }
    }

    /// Puts a message at the end of the line, or at a random place in it.
    pub fn make_ready(&mut self, message: u64, shuffle: Option<&mut fastrand::Rng>) {
        self.leave(message);
        let mut rank = shuffle.map_or(self.next_rank, |rng| rng.u64(..));
        while self.ready.contains_key(&rank) {
            rank = rank.wrapping_add(1);
        }
        self.next_rank += 1;
        if let Some(stored) = self.messages.get_mut(&message) {
            stored.place = Place::Ready { rank };
            self.ready.insert(rank, message);
        }
    }

    /// The first message in line.
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

    /// The next message older than the queue keeps.
    pub fn expired(&self, now: Millis) -> Option<u64> {
        let retention = self.settings.retention?;
        let (sent, message) = self.sent.first()?;
        (sent.saturating_add(retention) <= now).then_some(*message)
    }

    /// Messages received and neither deleted nor back.
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

    /// Takes a message out of the place it is in; its next one follows.
    fn leave(&mut self, message: u64) {
        match self.messages.get(&message).map(|stored| stored.place) {
            // A message just inserted claims a rank that may be another's.
            Some(Place::Ready { rank }) if self.ready.get(&rank) == Some(&message) => {
                self.ready.remove(&rank);
            }
            Some(Place::InFlight { until, .. }) => {
                self.hidden.remove(&(until, message));
                self.in_flight -= 1;
            }
            Some(Place::Delayed { until }) => {
                self.hidden.remove(&(until, message));
            }
            Some(Place::Ready { .. }) | None => {}
        }
    }
}
