//! One channel at one endpoint, and the receipts that are outstanding there.
//!
//! An `ackId` means something only together with the endpoint, the channel and the indexer that a balancer's cookie
//! leads to: ids count from 0 for each, and asked of another indexer, an id is someone else's or nobody's. So a
//! new cookie means a new channel, and what was outstanding on the old one is sent again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Cookies whose value is new in every answer (AWS load balancers); they do not name a target.
const EVER_NEW: [&str; 2] = ["AWSALB", "AWSALBCORS"];

/// The state of an endpoint's channel.
pub(super) struct Session(Mutex<Inner>);

struct Inner {
    channel: String,
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
}

impl Session {
    /// A fresh channel.
    pub(super) fn new() -> Self {
        let channel = new_channel();
        Self(Mutex::new(Inner { channel, cookies: BTreeMap::new(), outstanding: BTreeMap::new() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            let before = inner.cookies.insert(name.clone(), value.clone());
            let moved = before.is_some_and(|before| before != *value);
            if moved && !EVER_NEW.contains(&name.as_str()) {
                inner.channel = new_channel();
                inner.outstanding.clear();
            }
        }
    }

    /// Waits for a receipt that `ticket`'s request was given; `None`: that channel was given up already. An id
    /// that is outstanding already means that the indexer has started anew: its older holder will not be answered.
    pub(super) fn expect(&self, ticket: &Ticket, id: u64) -> Option<oneshot::Receiver<()>> {
        let mut inner = self.inner();
        if inner.channel != ticket.channel {
            return None;
        }
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

    /// These were acknowledged on this ticket's channel.
    pub(super) fn acknowledge(&self, ticket: &Ticket, ids: impl IntoIterator<Item = u64>) {
        let mut inner = self.inner();
        if inner.channel != ticket.channel {
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
    fn ticket(&self) -> Ticket {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = (!pairs.is_empty()).then(|| pairs.join("; "));
        Ticket { channel: self.channel.clone(), cookie }
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
        let other = Ticket { channel: new_channel(), cookie: None };
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
    fn an_id_that_comes_twice_is_a_loss_for_its_first_holder() {
        let session = Session::new();
        let ticket = session.ticket();
        let mut first = session.expect(&ticket, 0).unwrap();
        let mut second = session.expect(&ticket, 0).unwrap();
        session.acknowledge(&ticket, [0]);
        assert_eq!((first.try_recv(), second.try_recv()), (Err(TryRecvError::Closed), Ok(())));
    }
}
