//! The ledger: what became of each (event, sink) pair.
//!
//! One bounded map is at once the duplicate window, the memory of what each sink already has (so
//! that a healthy sink is not sent twice while a sick one is retried) and the meeting point of the
//! two lanes. Only a sink's answer, or a confirmed dead letter, makes an entry final, even when the
//! message that asked is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::event::{Channel, EventKey};

/// Most final entries remembered, whatever the window says: about 200 bytes each.
const MAX_FINAL: usize = 500_000;

/// Place of a sink in the configuration.
pub(super) type SinkIndex = u16;

/// An event and a sink.
pub(super) type PairKey = (EventKey, SinkIndex);

/// Where a pair stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Handed over, not answered.
    Pending,
    /// Final, one way or the other.
    Final,
    /// The attempt failed; whoever still wants it may claim the pair again.
    Failed(Error),
}

/// The answer to "I want this event at this sink".
#[derive(Debug)]
pub(super) enum Claim {
    /// Nobody is at it: the caller must deliver, and tell through the ticket.
    Mine(Ticket, Watch),
    /// Somebody is: await their outcome.
    Theirs(Watch),
    /// The sink has it (or its dead letter is confirmed).
    Final(Watch),
}

/// The duty to say what became of a claimed pair. Dropped without a word, the pair counts as failed.
#[derive(Debug)]
pub(super) struct Ticket {
    standing: watch::Sender<Standing>,
    /// Whether this is the pair's first claim in the window: the accounting counts it once.
    pub(super) first: bool,
}

/// A view of a pair, which is not forgotten while somebody has one.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    standing: watch::Receiver<Standing>,
    _held: Arc<()>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    window: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pairs: BTreeMap<PairKey, Entry>,
    /// Events that only the fast lane has brought so far, of those in `pairs`.
    inline: BTreeSet<EventKey>,
    /// Every pair once, in the order in which they are looked at next, and since when they stand here.
    order: VecDeque<(Instant, PairKey)>,
}

#[derive(Debug)]
struct Entry {
    standing: watch::Receiver<Standing>,
    /// Shared with every [`Watch`].
    held: Arc<()>,
    /// In use since it was looked at last: its next turn only takes this mark away.
    recent: bool,
}

impl Entry {
    fn watch(&self) -> Watch {
        Watch { standing: self.standing.clone(), _held: Arc::clone(&self.held) }
    }

    /// Handed over, and not answered.
    fn is_in_hand(&self) -> bool {
        *self.standing.borrow() == Standing::Pending && self.standing.has_changed().is_ok()
    }
}

impl Ledger {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, inner: Mutex::default() }
    }

    /// Asks for an event at a sink.
    pub(super) fn claim(&self, key: PairKey, lane: Channel, now: Instant) -> Claim {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.expire(now, self.window);
        if let Some(entry) = inner.pairs.get_mut(&key) {
            entry.recent = true;
            // A sender that is gone without a final word has failed.
            if *entry.standing.borrow() == Standing::Final {
                return Claim::Final(entry.watch());
            }
            if entry.is_in_hand() {
                return Claim::Theirs(entry.watch());
            }
        }
        let (ticket, standing) = watch::channel(Standing::Pending);
        let entry = Entry { standing, held: Arc::default(), recent: true };
        let watch = entry.watch();
        let first = inner.pairs.insert(key, entry).is_none();
        if first {
            inner.order.push_back((now, key));
            if lane == Channel::EventBridge {
                inner.inline.insert(key.0);
            }
        }
        Claim::Mine(Ticket { standing: ticket, first }, watch)
    }

    /// Notes that the event's log file has arrived; true if until now only the fast lane had brought
    /// the event.
    pub(super) fn confirm(&self, event: EventKey) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).inline.remove(&event)
    }

    /// Pairs remembered.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).pairs.len()
    }
}

impl Inner {
    /// Forgets pairs that have not been in use for a window (two at most), or the oldest beyond the bound.
    /// So when a message comes back after hours, the sinks that have its events are not sent them again.
    fn expire(&mut self, now: Instant, window: Duration) {
        for _ in 0..self.order.len() {
            let Some(&(since, key)) = self.order.front() else { return };
            let old = now.saturating_duration_since(since) >= window;
            if !old && self.order.len() <= MAX_FINAL {
                return;
            }
            self.order.pop_front();
            let in_use = self.is_in_use(key);
            let Some(entry) = self.pairs.get_mut(&key) else { continue };
            let stays = in_use || (entry.recent && old);
            entry.recent = in_use;
            if stays {
                self.order.push_back((now, key));
            } else {
                self.pairs.remove(&key);
                self.inline.remove(&key.0);
            }
            if !old {
                return;
            }
        }
    }

    /// Whether a message that asked for the pair is in hand, or its event at any sink.
    fn is_in_use(&self, key: PairKey) -> bool {
        let of_event = (key.0, SinkIndex::MIN)..=(key.0, SinkIndex::MAX);
        self.pairs.get(&key).is_some_and(|entry| Arc::strong_count(&entry.held) > 1)
            || self.pairs.range(of_event).any(|(_, entry)| entry.is_in_hand())
    }
}

impl Ticket {
    /// Makes the pair final.
    pub(super) fn settle(self) {
        self.standing.send_replace(Standing::Final);
    }

    /// Gives the pair up: the next who wants it may try.
    pub(super) fn fail(self, error: Error) {
        self.standing.send_replace(Standing::Failed(error));
    }
}

impl Watch {
    /// Waits for the attempt's end: `Ok` when final. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Result<(), Error> {
        let ended = self.standing.wait_for(|standing| *standing != Standing::Pending).await;
        match ended.as_deref() {
            Ok(Standing::Final) => Ok(()),
            Ok(Standing::Failed(error)) => Err(error.clone()),
            Ok(Standing::Pending) | Err(_) => {
                Err(Error::new(Code::DeliveryLost, "the delivery ended without an answer"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> EventKey {
        EventKey::new([id, "111122223333", "UploadSigningCertificate", "2026-01-01T00:00:00Z"])
    }

    fn ledger() -> Ledger {
        Ledger::new(Duration::from_secs(3600))
    }

    fn mine(claim: Claim) -> (Ticket, Watch) {
        match claim {
            Claim::Mine(ticket, watch) => (ticket, watch),
            other => panic!("expected Mine, got {other:?}"),
        }
    }

    #[tokio::test]
    async fn the_second_arrival_waits_for_the_first_and_takes_over_on_failure() {
        let (ledger, now) = (ledger(), Instant::now());
        let (first, _) = mine(ledger.claim((key("a"), 0), Channel::S3, now));
        assert!(first.first);
        let Claim::Theirs(mut watch) = ledger.claim((key("a"), 0), Channel::S3, now) else {
            panic!("not theirs")
        };
        first.fail(Error::new(Code::SinkStopped, "x"));
        assert_eq!(watch.outcome().await.unwrap_err().code, Code::SinkStopped);
        let (second, mut watch) = mine(ledger.claim((key("a"), 0), Channel::S3, now));
        assert!(!second.first, "a take-over is not counted twice");
        second.settle();
        assert_eq!(watch.outcome().await, Ok(()));
        assert!(matches!(ledger.claim((key("a"), 0), Channel::S3, now), Claim::Final(_)));
    }

    #[tokio::test]
    async fn a_ticket_dropped_without_a_word_is_a_failure() {
        let (ledger, now) = (ledger(), Instant::now());
        let (ticket, mut watch) = mine(ledger.claim((key("a"), 0), Channel::S3, now));
        drop(ticket);
        assert_eq!(watch.outcome().await.unwrap_err().code, Code::DeliveryLost);
        mine(ledger.claim((key("a"), 0), Channel::S3, now));
    }

    #[tokio::test]
    async fn sinks_are_remembered_one_by_one() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("a"), 0), Channel::S3, now)).0.settle();
        mine(ledger.claim((key("a"), 1), Channel::S3, now));
        assert!(matches!(ledger.claim((key("a"), 0), Channel::S3, now), Claim::Final(_)));
    }

    #[tokio::test]
    async fn final_entries_leave_after_the_window_and_pending_ones_stay() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("done"), 0), Channel::S3, now)).0.settle();
        let (_pending, _) = mine(ledger.claim((key("pending"), 0), Channel::S3, now));
        mine(ledger.claim((key("tick"), 0), Channel::S3, now + Duration::from_secs(3601)));
        let later = now + Duration::from_secs(7203);
        mine(ledger.claim((key("done"), 0), Channel::S3, later));
        assert!(matches!(ledger.claim((key("pending"), 0), Channel::S3, later), Claim::Theirs(_)));
        assert_eq!(ledger.len(), 3);
    }

    /// At lake it is final, at soc it is in hand for eleven hours, then fails, then comes back.
    #[tokio::test]
    async fn what_an_event_has_behind_it_is_remembered_while_another_sink_is_owed_it() {
        let (ledger, begin) = (ledger(), Instant::now());
        let minutes = |count: u64| begin + Duration::from_secs(60 * count);
        mine(ledger.claim((key("a"), 0), Channel::S3, begin)).0.settle();
        let (soc, message) = mine(ledger.claim((key("a"), 1), Channel::S3, begin));
        for at in (30..660).step_by(30) {
            mine(ledger.claim((key(&at.to_string()), 0), Channel::S3, minutes(at))).0.settle();
        }
        soc.fail(Error::new(Code::SinkStopped, "x"));
        drop(message);
        assert!(matches!(ledger.claim((key("a"), 0), Channel::S3, minutes(715)), Claim::Final(_)));
        let (again, _) = mine(ledger.claim((key("a"), 1), Channel::S3, minutes(715)));
        assert!(!again.first, "it is counted once");
        again.settle();
        for after in [61, 122] {
            mine(ledger.claim((key("b"), after), Channel::S3, minutes(715 + u64::from(after))));
        }
        let at = minutes(715 + 183);
        assert!(mine(ledger.claim((key("a"), 0), Channel::S3, at)).0.first, "then it is forgotten");
    }

    /// Of one message, a is final and b is not: when it comes back, a is still known.
    #[tokio::test]
    async fn what_a_message_asked_for_is_remembered_while_it_is_in_hand() {
        let (ledger, begin) = (ledger(), Instant::now());
        let minutes = |count: u64| begin + Duration::from_secs(60 * count);
        let (ticket, message) = mine(ledger.claim((key("a"), 0), Channel::S3, begin));
        ticket.settle();
        mine(ledger.claim((key("other"), 0), Channel::S3, begin)).0.settle();
        for at in [61, 122, 183] {
            mine(ledger.claim((key(&at.to_string()), 0), Channel::S3, minutes(at))).0.settle();
        }
        assert_eq!(ledger.len(), 3, "what no message is about is forgotten");
        drop(message);
        for at in [240, 298, 355] {
            let again = ledger.claim((key("a"), 0), Channel::S3, minutes(at));
            assert!(matches!(again, Claim::Final(_)), "each time it comes back counts, {at}");
        }
        for at in [416, 477] {
            mine(ledger.claim((key(&at.to_string()), 0), Channel::S3, minutes(at))).0.settle();
        }
        assert!(mine(ledger.claim((key("a"), 0), Channel::S3, minutes(538))).0.first);
    }

    #[tokio::test]
    async fn a_file_confirms_what_the_fast_lane_brought_once() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("a"), 0), Channel::EventBridge, now)).0.settle();
        mine(ledger.claim((key("b"), 0), Channel::S3, now)).0.settle();
        assert!(ledger.confirm(key("a")));
        assert!(!ledger.confirm(key("a")) && !ledger.confirm(key("b")));
        mine(ledger.claim((key("c"), 0), Channel::EventBridge, now)).0.settle();
        for windows in [1, 2, 3] {
            let later = now + Duration::from_secs(3601 * windows);
            mine(ledger.claim((key(&windows.to_string()), 0), Channel::S3, later)).0.settle();
        }
        assert!(!ledger.confirm(key("c")), "forgotten with its pair");
    }
}
