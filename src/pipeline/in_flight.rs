//! How old the oldest message in hand is: what a stuck sink shows first, while the queue's own age
//! metric sees only what nobody has received.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The messages being handled, by when they were sent. Bounded by the gates that bound those.
#[derive(Debug, Clone, Default)]
pub(super) struct InHand(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    sent: BTreeSet<(SystemTime, u64)>,
    next: u64,
}

/// One message in hand, until dropped.
pub(super) struct Held {
    place: (SystemTime, u64),
    all: InHand,
}

impl InHand {
    pub(super) fn hold(&self, sent: SystemTime) -> Held {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (sent, inner.next);
        inner.next = inner.next.wrapping_add(1);
        inner.sent.insert(place);
        Held { place, all: self.clone() }
    }

    /// Seconds since the oldest one was sent; 0 where there is none.
    pub(super) fn oldest(&self, now: SystemTime) -> u64 {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = inner.sent.first().and_then(|(sent, _)| now.duration_since(*sent).ok());
        oldest.map_or(0, |age| age.as_secs())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut inner = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sent.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_counts_until_it_is_let_go() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let in_hand = InHand::default();
        assert_eq!(in_hand.oldest(at(100)), 0);
        let (older, _twin, _newer) =
            (in_hand.hold(at(10)), in_hand.hold(at(40)), in_hand.hold(at(40)));
        assert_eq!(in_hand.oldest(at(100)), 90);
        drop(older);
        assert_eq!(in_hand.oldest(at(100)), 60);
    }
}
