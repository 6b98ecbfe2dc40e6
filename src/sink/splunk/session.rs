//! One channel at one endpoint, and the receipts that are outstanding there.
//!
//! An `ackId` means something only together with the endpoint, the channel and the indexer that a balancer's cookie
//! leads to: ids count from 0 for each, and asked of another indexer, an id is someone else's or nobody's. So a
//! new cookie means a new channel, and what was outstanding on the old one is sent again.
//!
//! An indexer that was restarted counts from 0 again on the same channel, and would acknowledge a new request under
//! an id that an old one still waits for. Requests on a channel are one at a time, so ids only grow: one that does
//! not tells of the restart, and nothing that is older is believed any more. Where an answer is missing, an id
//! may have been given that nobody knows of: then the channel is given up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{MutexGuard as Turn, oneshot};

/// Cookies whose value is new in every answer (AWS load balancers); they do not name a target.
const EVER_NEW: [&str; 2] = ["AWSALB", "AWSALBCORS"];

/// Cookies that are kept, at most; beyond it the memory starts afresh. A balancer sets one or two; one with a new
/// name in every answer would let requests grow until they are refused.
const MOST_COOKIES: usize = 20;

/// The state of an endpoint's channel.
pub(super) struct Session {
    inner: Mutex<Inner>,
    /// Held from a request with events until its receipt is noted.
    turn: tokio::sync::Mutex<()>,
}

struct Inner {
    channel: String,
    /// How often the indexer was seen to start anew.
    restarts: u64,
    /// Of the receipts of this channel, since then.
    newest: Option<u64>,
    cookies: BTreeMap<String, String>,
    outstanding: BTreeMap<u64, oneshot::Sender<()>>,
}

/// What a request carries of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    /// `X-Splunk-Request-Channel`.
    pub(super) channel: String,
    /// `Cookie`, if a balancer wants one.
    pub(super) cookie: Option<String>,
    restarts: u64,
}

impl Session {
    /// A fresh channel.
    pub(super) fn new() -> Self {
        let inner = Inner {
            channel: new_channel(),
            restarts: 0,
            newest: None,
            cookies: BTreeMap::new(),
            outstanding: BTreeMap::new(),
        };
        Self { inner: Mutex::new(inner), turn: tokio::sync::Mutex::new(()) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held from a request with events until its receipt is noted, and while receipts are acknowledged.
    pub(super) async fn turn(&self) -> Turn<'_, ()> {
        self.turn.lock().await
    }

    /// For the next request.
    pub(super) fn ticket(&self) -> Ticket {
        self.inner().ticket()
    }

    /// Notes the `Set-Cookie`s of an answer. A value that changed leads elsewhere: the channel is given up, and
    /// whoever waits for one of its receipts learns that it will not come.
    pub(super) fn hear(&self, cookies: &[(String, String)]) {
        let mut inner = self.inner();
        for (name, value) in cookies {
            if inner.cookies.len() >= MOST_COOKIES && !inner.cookies.contains_key(name) {
                inner.cookies.clear();
                inner.give_up();
            }
            let before = inner.cookies.insert(name.clone(), value.clone());
            let moved = before.is_some_and(|before| before != *value);
            if moved && !EVER_NEW.contains(&name.as_str()) {
                inner.give_up();
            }
        }
    }

    /// A request was not answered, or not by HEC: it may have been given an id that nobody knows of. Whoever waits for
    /// a receipt of its channel learns that it will not come.
    pub(super) fn give_up(&self, ticket: &Ticket) {
        let mut inner = self.inner();
        if inner.channel == ticket.channel {
            inner.give_up();
        }
    }

    /// Waits for a receipt that `ticket`'s request was given; `None`: that channel was given up already. An id
    /// that is not greater than the one before means that the indexer has started anew: older ones will not be
    /// answered.
    pub(super) fn expect(&self, ticket: &Ticket, id: u64) -> Option<oneshot::Receiver<()>> {
        let mut inner = self.inner();
        if inner.channel != ticket.channel {
            return None;
        }
        if inner.newest.is_some_and(|newest| id <= newest) {
            inner.restarts += 1;
            inner.outstanding.clear();
        }
        inner.newest = Some(id);
        let (sender, receiver) = oneshot::channel();
        inner.outstanding.insert(id, sender);
        Some(receiver)
    }

    /// What to ask for, and with which ticket.
    pub(super) fn outstanding(&self) -> (Ticket, Vec<u64>) {
        let mut inner = self.inner();
        inner.outstanding.retain(|_, waiting| !waiting.is_closed());
        (inner.ticket(), inner.outstanding.keys().copied().collect())
    }

    /// These were acknowledged in answer to this ticket's question. [`Self::turn`] must be held.
    pub(super) fn acknowledge(&self, ticket: &Ticket, ids: impl IntoIterator<Item = u64>) {
        let mut inner = self.inner();
        if inner.channel != ticket.channel || inner.restarts != ticket.restarts {
            return;
        }
        for id in ids {
            if let Some(waiting) = inner.outstanding.remove(&id) {
                let _ = waiting.send(());
            }
        }
    }
}

impl Inner {
    fn give_up(&mut self) {
        self.channel = new_channel();
        self.newest = None;
        self.outstanding.clear();
    }

    fn ticket(&self) -> Ticket {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = (!pairs.is_empty()).then(|| pairs.join("; "));
        Ticket { channel: self.channel.clone(), cookie, restarts: self.restarts }
    }
}

/// A random GUID (RFC 9562, version 4): what a channel must be.
fn new_channel() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn cookie(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn channels_are_guids() {
        let channel = new_channel();
        let lengths: Vec<usize> = channel.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{channel}");
        assert_eq!(&channel[14..15], "4");
        assert!("89ab".contains(&channel[19..20]), "{channel}");
    }

    #[test]
    fn a_receipt_is_acknowledged_once_and_on_its_own_channel_only() {
        let session = Session::new();
        let ticket = session.ticket();
        let mut receipt = session.expect(&ticket, 0).unwrap();
        let other = Ticket { channel: new_channel(), ..ticket.clone() };
        session.acknowledge(&other, [0]);
        assert_eq!(receipt.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(session.outstanding(), (ticket.clone(), vec![0]));
        session.acknowledge(&ticket, [0, 7]);
        assert_eq!(receipt.try_recv(), Ok(()));
        assert_eq!(session.outstanding().1, Vec::<u64>::new());
    }

    #[test]
    fn a_new_cookie_gives_the_channel_up_and_a_first_one_does_not() {
        let session = Session::new();
        let before = session.ticket();
        let mut receipt = session.expect(&before, 3).unwrap();
        session.hear(&cookie("indexer", "a"));
        session.hear(&cookie("indexer", "a"));
        assert_eq!(session.ticket().channel, before.channel);
        assert_eq!(session.ticket().cookie.as_deref(), Some("indexer=a"));
        session.hear(&cookie("indexer", "b"));
        assert_ne!(session.ticket().channel, before.channel);
        assert_eq!(receipt.try_recv(), Err(TryRecvError::Closed));
        assert!(session.expect(&before, 4).is_none());
    }

    #[test]
    fn a_cookie_that_is_always_new_says_nothing() {
        let session = Session::new();
        let before = session.ticket();
        session.hear(&cookie("AWSALB", "a"));
        session.hear(&cookie("AWSALB", "b"));
        assert_eq!(session.ticket().channel, before.channel);
        assert_eq!(session.ticket().cookie.as_deref(), Some("AWSALB=b"));
    }

    #[test]
    fn cookies_are_bounded_and_where_they_are_forgotten_the_channel_is_given_up() {
        let session = Session::new();
        let before = session.ticket();
        for number in 0..=MOST_COOKIES {
            assert_eq!(session.ticket().channel, before.channel, "{number}");
            session.hear(&cookie(&format!("indexer-{number}"), "a"));
        }
        assert_ne!(session.ticket().channel, before.channel);
        assert_eq!(session.ticket().cookie, Some(format!("indexer-{MOST_COOKIES}=a")));
    }

    #[test]
    fn an_id_that_does_not_grow_is_a_loss_for_all_older_ones() {
        for again in [0, 4, 7] {
            let session = Session::new();
            let ticket = session.ticket();
            let mut older = [4, 7].map(|id| session.expect(&ticket, id).unwrap());
            let mut newer = session.expect(&ticket, again).unwrap();
            for receipt in &mut older {
                assert_eq!(receipt.try_recv(), Err(TryRecvError::Closed), "{again}");
            }
            let (ticket, ids) = session.outstanding();
            assert_eq!(ids, [again]);
            session.acknowledge(&ticket, ids);
            assert_eq!(newer.try_recv(), Ok(()));
        }
    }

    #[test]
    fn an_answer_to_a_question_from_before_a_restart_acknowledges_nothing() {
        let session = Session::new();
        let ticket = session.ticket();
        let _older = session.expect(&ticket, 0).unwrap();
        let (question, ids) = session.outstanding();
        let mut newer = session.expect(&ticket, 0).unwrap();
        session.acknowledge(&question, ids);
        assert_eq!(newer.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn a_channel_that_is_given_up_is_given_up_once() {
        let session = Session::new();
        let before = session.ticket();
        let mut receipt = session.expect(&before, 3).unwrap();
        session.give_up(&before);
        assert_eq!(receipt.try_recv(), Err(TryRecvError::Closed));
        let after = session.ticket();
        assert_ne!(after.channel, before.channel);
        session.give_up(&before);
        assert_eq!(session.ticket(), after, "another request's channel");
        assert!(session.expect(&after, 0).is_some());
    }
}
