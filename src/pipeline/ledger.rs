//! The ledger: what became of each (event, sink) pair.
//!
//! One bounded map is at once the duplicate window, the memory of what each sink already has (so
//! that a healthy sink is not sent twice while a sick one is retried) and the meeting point of the
//! two lanes. Only a sink's answer, or a confirmed dead letter, makes an entry final, even when the
//! message that asked is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::event::{EventKey, Lane};
use crate::outcome::Why;

/// Most final entries remembered, whatever the window says: about 100 bytes each.
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
    Failed(Why),
}

/// The answer to "I want this event at this sink".
#[derive(Debug)]
pub(super) enum Claim {
    /// Nobody is at it: the caller must deliver, and tell through the ticket.
    Mine(Ticket, Watch),
    /// Somebody is: await their outcome.
    Theirs(Watch),
    /// The sink has it (or its dead letter is confirmed).
    Final,
}

/// The duty to say what became of a claimed pair. Dropped without a word, the pair counts as failed.
#[derive(Debug)]
pub(super) struct Ticket {
    standing: watch::Sender<Standing>,
    /// Whether this is the pair's first claim in the window: the accounting counts it once.
    pub(super) first: bool,
}

/// A view of a pair that is being delivered.
#[derive(Debug, Clone)]
pub(super) struct Watch(watch::Receiver<Standing>);

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    window: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pairs: BTreeMap<PairKey, watch::Receiver<Standing>>,
    /// Events that only the fast lane has brought so far, of those in `pairs`.
    inline: BTreeSet<EventKey>,
    /// Pairs in the order in which they are looked at next; see [`Inner::expire`].
    order: VecDeque<Turn>,
}

/// When a pair was claimed, or looked at last.
#[derive(Debug)]
struct Turn {
    since: Instant,
    pair: PairKey,
    /// Kept for this window only because the event failed at a sink.
    last: bool,
}

/// What a pair's event waits for, at whichever sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owed {
    Nothing,
    /// An attempt failed; the message may come back.
    Failed,
    InHand,
}

impl Ledger {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, inner: Mutex::default() }
    }

    /// Asks for an event at a sink.
    pub(super) fn claim(&self, key: PairKey, lane: Lane, now: Instant) -> Claim {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.expire(now, self.window);
        if let Some(pair) = inner.pairs.get(&key) {
            // A sender that is gone without a final word has failed.
            let standing = pair.borrow().clone();
            match standing {
                Standing::Final => return Claim::Final,
                Standing::Pending if pair.has_changed().is_ok() => {
                    return Claim::Theirs(Watch(pair.clone()));
                }
                Standing::Pending | Standing::Failed(_) => {}
            }
        }
        let (standing, view) = watch::channel(Standing::Pending);
        let first = inner.pairs.insert(key, view.clone()).is_none();
        if first {
            inner.order.push_back(Turn { since: now, pair: key, last: false });
            if lane == Lane::Inline {
                inner.inline.insert(key.0);
            }
        }
        Claim::Mine(Ticket { standing, first }, Watch(view))
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
    /// Forgets pairs that are older than the window, or the oldest beyond the bound. All pairs of an
    /// event stay while one of them is in hand, and for a window more if it failed: when its message
    /// comes back after hours, the sinks that have the event are not sent it again.
    fn expire(&mut self, now: Instant, window: Duration) {
        for _ in 0..self.order.len() {
            let Some(turn) = self.order.front() else { return };
            let old = now.saturating_duration_since(turn.since) >= window;
            if !old && self.order.len() <= MAX_FINAL {
                return;
            }
            let Some(Turn { pair, last, .. }) = self.order.pop_front() else { return };
            match self.owed(pair.0) {
                Owed::InHand => self.order.push_back(Turn { since: now, pair, last: false }),
                Owed::Failed if old && !last => {
                    self.order.push_back(Turn { since: now, pair, last: true });
                }
                Owed::Failed | Owed::Nothing => {
                    self.pairs.remove(&pair);
                    self.inline.remove(&pair.0);
                    continue;
                }
            }
            if !old {
                return;
            }
        }
    }

    fn owed(&self, event: EventKey) -> Owed {
        let pairs = self.pairs.range((event, SinkIndex::MIN)..=(event, SinkIndex::MAX));
        let owed = pairs.map(|(_, pair)| match *pair.borrow() {
            Standing::Final => Owed::Nothing,
            Standing::Pending if pair.has_changed().is_ok() => Owed::InHand,
            Standing::Pending | Standing::Failed(_) => Owed::Failed,
        });
        owed.max().unwrap_or(Owed::Nothing)
    }
}

impl Ticket {
    /// Makes the pair final.
    pub(super) fn settle(self) {
        self.standing.send_replace(Standing::Final);
    }

    /// Gives the pair up: the next who wants it may try.
    pub(super) fn fail(self, why: Why) {
        self.standing.send_replace(Standing::Failed(why));
    }
}

impl Watch {
    /// Waits for the attempt's end: `Ok` when final. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Result<(), Why> {
        let ended = self.0.wait_for(|standing| *standing != Standing::Pending).await;
        match ended.as_deref() {
            Ok(Standing::Final) => Ok(()),
            Ok(Standing::Failed(why)) => Err(why.clone()),
            Ok(Standing::Pending) | Err(_) => {
                Err(Why::new("delivery_lost", "the delivery ended without an answer"))
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
        let (first, _) = mine(ledger.claim((key("a"), 0), Lane::File, now));
        assert!(first.first);
        let Claim::Theirs(mut watch) = ledger.claim((key("a"), 0), Lane::File, now) else {
            panic!("not theirs")
        };
        first.fail(Why::new("sink_stopped", "x"));
        assert_eq!(watch.outcome().await.unwrap_err().code, "sink_stopped");
        let (second, mut watch) = mine(ledger.claim((key("a"), 0), Lane::File, now));
        assert!(!second.first, "a take-over is not counted twice");
        second.settle();
        assert_eq!(watch.outcome().await, Ok(()));
        assert!(matches!(ledger.claim((key("a"), 0), Lane::File, now), Claim::Final));
    }

    #[tokio::test]
    async fn a_ticket_dropped_without_a_word_is_a_failure() {
        let (ledger, now) = (ledger(), Instant::now());
        let (ticket, mut watch) = mine(ledger.claim((key("a"), 0), Lane::File, now));
        drop(ticket);
        assert_eq!(watch.outcome().await.unwrap_err().code, "delivery_lost");
        mine(ledger.claim((key("a"), 0), Lane::File, now));
    }

    #[tokio::test]
    async fn sinks_are_remembered_one_by_one() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("a"), 0), Lane::File, now)).0.settle();
        mine(ledger.claim((key("a"), 1), Lane::File, now));
        assert!(matches!(ledger.claim((key("a"), 0), Lane::File, now), Claim::Final));
    }

    #[tokio::test]
    async fn final_entries_leave_after_the_window_and_pending_ones_stay() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("done"), 0), Lane::File, now)).0.settle();
        let (_pending, _) = mine(ledger.claim((key("pending"), 0), Lane::File, now));
        let later = now + Duration::from_secs(3601);
        mine(ledger.claim((key("done"), 0), Lane::File, later));
        assert!(matches!(ledger.claim((key("pending"), 0), Lane::File, later), Claim::Theirs(_)));
        assert_eq!(ledger.len(), 2);
    }

    /// At lake it is final, at soc it is in hand for eleven hours, then fails, then comes back.
    #[tokio::test]
    async fn what_an_event_has_behind_it_is_remembered_while_another_sink_is_owed_it() {
        let (ledger, begin) = (ledger(), Instant::now());
        let minutes = |count: u64| begin + Duration::from_secs(60 * count);
        mine(ledger.claim((key("a"), 0), Lane::File, begin)).0.settle();
        let (soc, _) = mine(ledger.claim((key("a"), 1), Lane::File, begin));
        for at in (30..660).step_by(30) {
            mine(ledger.claim((key(&at.to_string()), 0), Lane::File, minutes(at))).0.settle();
        }
        soc.fail(Why::new("patience_spent", "x"));
        assert!(matches!(ledger.claim((key("a"), 0), Lane::File, minutes(715)), Claim::Final));
        let (again, _) = mine(ledger.claim((key("a"), 1), Lane::File, minutes(715)));
        assert!(!again.first, "it is counted once");
        again.settle();
        let at = minutes(715 + 121);
        assert!(mine(ledger.claim((key("a"), 0), Lane::File, at)).0.first, "then it is forgotten");
        assert_eq!(ledger.len(), 1);
    }

    #[tokio::test]
    async fn a_failed_event_whose_message_never_comes_back_is_forgotten_after_two_windows() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("a"), 0), Lane::File, now)).0.settle();
        mine(ledger.claim((key("a"), 1), Lane::File, now)).0.fail(Why::new("sink_stopped", "x"));
        let hours = |count: u64| now + Duration::from_secs(3600 * count);
        mine(ledger.claim((key("b"), 0), Lane::File, hours(1))).0.settle();
        assert_eq!(ledger.len(), 3);
        mine(ledger.claim((key("c"), 0), Lane::File, hours(2))).0.settle();
        assert_eq!(ledger.len(), 1);
    }

    #[tokio::test]
    async fn a_file_confirms_what_the_fast_lane_brought_once() {
        let (ledger, now) = (ledger(), Instant::now());
        mine(ledger.claim((key("a"), 0), Lane::Inline, now)).0.settle();
        mine(ledger.claim((key("b"), 0), Lane::File, now)).0.settle();
        assert!(ledger.confirm(key("a")));
        assert!(!ledger.confirm(key("a")) && !ledger.confirm(key("b")));
        mine(ledger.claim((key("c"), 0), Lane::Inline, now)).0.settle();
        mine(ledger.claim((key("d"), 0), Lane::File, now + Duration::from_secs(3601))).0.settle();
        assert!(!ledger.confirm(key("c")), "forgotten with its pair");
    }
}
