//! One HEC channel at one endpoint, and its pending acknowledgements.
//!
//! An `ackId` is valid only with the endpoint, the channel and the indexer that a load balancer's
//! cookie leads to: ids count from 0 for each, and at another indexer the same id belongs to
//! another request or none. So a new cookie means a new channel, and events pending on the old one
//! are sent again.
//!
//! A restarted indexer counts from 0 again on the same channel, and would acknowledge a new request
//! under an id that an old one still waits for. A channel has one request at a time, so ids only
//! grow: one that does not reveals the restart, and invalidates all older ones. After a request
//! without a response an unknown id may have been issued: then the channel is abandoned.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::{MutexGuard, oneshot};

/// Cookies whose value changes in every response (AWS load balancers); they do not identify a
/// target.
const CHANGING: [&str; 2] = ["AWSALB", "AWSALBCORS"];

/// Maximum cookies stored; beyond it all are cleared. A load balancer sets one or two; one with a
/// new name in every response would let requests grow until they are rejected.
const MAX_COOKIES: usize = 20;

/// The channel of an endpoint.
pub(super) struct HecChannel {
    inner: Mutex<Inner>,
    /// Held from a request with events until its ackId is registered.
    request: tokio::sync::Mutex<()>,
}

struct Inner {
    id: String,
    /// Indexer restarts seen.
    restarts: u64,
    /// The newest ackId of this channel since the last restart.
    newest: Option<u64>,
    cookies: BTreeMap<String, String>,
    pending: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The state of a channel that a request was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChannelState {
    /// `X-Splunk-Request-Channel`.
    pub(super) id: String,
    /// `Cookie`, if a load balancer has set one.
    pub(super) cookie: Option<String>,
    restarts: u64,
}

impl HecChannel {
    /// Opens a new channel.
    pub(super) fn new() -> Self {
        let inner = Inner {
            id: new_id(),
            restarts: 0,
            newest: None,
            cookies: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        Self { inner: Mutex::new(inner), request: tokio::sync::Mutex::new(()) }
    }

    /// Locks the channel: from a request with events until its ackId is registered, and while
    /// acknowledgements are applied.
    pub(super) async fn lock(&self) -> MutexGuard<'_, ()> {
        self.request.lock().await
    }

    /// Returns the state for the next request.
    pub(super) fn state(&self) -> ChannelState {
        self.inner.lock().state()
    }

    /// Stores the `Set-Cookie`s of a response. A changed value leads to another indexer: the
    /// channel is abandoned, which fails its pending acknowledgements.
    pub(super) fn update_cookies(&self, cookies: &[(String, String)]) {
        let mut inner = self.inner.lock();
        for (name, value) in cookies {
            if inner.cookies.len() >= MAX_COOKIES && !inner.cookies.contains_key(name) {
                inner.cookies.clear();
                inner.abandon();
            }
            let before = inner.cookies.insert(name.clone(), value.clone());
            let moved = before.is_some_and(|before| before != *value);
            if moved && !CHANGING.contains(&name.as_str()) {
                inner.abandon();
            }
        }
    }

    /// Abandons the channel of a request without a response of HEC, which may have an unknown
    /// ackId. Its pending acknowledgements fail.
    pub(super) fn abandon(&self, state: &ChannelState) {
        let mut inner = self.inner.lock();
        if inner.id == state.id {
            inner.abandon();
        }
    }

    /// Registers the ackId of a request; `None`: its channel was abandoned already. An id that is
    /// not greater than the one before means that the indexer has restarted: older ones fail.
    pub(super) fn register(&self, state: &ChannelState, id: u64) -> Option<oneshot::Receiver<()>> {
        let mut inner = self.inner.lock();
        if inner.id != state.id {
            return None;
        }
        if inner.newest.is_some_and(|newest| id <= newest) {
            inner.restarts += 1;
            inner.pending.clear();
        }
        inner.newest = Some(id);
        let (sender, receiver) = oneshot::channel();
        inner.pending.insert(id, sender);
        Some(receiver)
    }

    /// Returns the ackIds to poll, and the state to poll them with.
    pub(super) fn pending(&self) -> (ChannelState, Vec<u64>) {
        let mut inner = self.inner.lock();
        inner.pending.retain(|_, waiting| !waiting.is_closed());
        (inner.state(), inner.pending.keys().copied().collect())
    }

    /// Completes ackIds that a poll with this state returned as true. The channel must be
    /// [locked](Self::lock).
    pub(super) fn acknowledge(&self, state: &ChannelState, ids: impl IntoIterator<Item = u64>) {
        let mut inner = self.inner.lock();
        if inner.id != state.id || inner.restarts != state.restarts {
            return;
        }
        for id in ids {
            if let Some(waiting) = inner.pending.remove(&id) {
                let _ = waiting.send(());
            }
        }
    }
}

impl Inner {
    fn abandon(&mut self) {
        self.id = new_id();
        self.newest = None;
        self.pending.clear();
    }

    fn state(&self) -> ChannelState {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = (!pairs.is_empty()).then(|| pairs.join("; "));
        ChannelState { id: self.id.clone(), cookie, restarts: self.restarts }
    }
}

/// Returns a random GUID (RFC 9562, version 4), as a channel must be.
fn new_id() -> String {
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
        let channel = new_id();
        let lengths: Vec<usize> = channel.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{channel}");
        assert_eq!(&channel[14..15], "4");
        assert!("89ab".contains(&channel[19..20]), "{channel}");
    }

    #[test]
    fn an_ack_completes_once_and_on_its_own_channel_only() {
        let channel = HecChannel::new();
        let state = channel.state();
        let mut ack = channel.register(&state, 0).unwrap();
        let other = ChannelState { id: new_id(), ..state.clone() };
        channel.acknowledge(&other, [0]);
        assert_eq!(ack.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(channel.pending(), (state.clone(), vec![0]));
        channel.acknowledge(&state, [0, 7]);
        assert_eq!(ack.try_recv(), Ok(()));
        assert_eq!(channel.pending().1, Vec::<u64>::new());
    }

    #[test]
    fn a_changed_cookie_abandons_the_channel_and_a_first_one_does_not() {
        let channel = HecChannel::new();
        let before = channel.state();
        let mut ack = channel.register(&before, 3).unwrap();
        channel.update_cookies(&cookie("indexer", "a"));
        channel.update_cookies(&cookie("indexer", "a"));
        assert_eq!(channel.state().id, before.id);
        assert_eq!(channel.state().cookie.as_deref(), Some("indexer=a"));
        channel.update_cookies(&cookie("indexer", "b"));
        assert_ne!(channel.state().id, before.id);
        assert_eq!(ack.try_recv(), Err(TryRecvError::Closed));
        assert!(channel.register(&before, 4).is_none());
    }

    #[test]
    fn an_always_changing_cookie_is_ignored() {
        let channel = HecChannel::new();
        let before = channel.state();
        channel.update_cookies(&cookie("AWSALB", "a"));
        channel.update_cookies(&cookie("AWSALB", "b"));
        assert_eq!(channel.state().id, before.id);
        assert_eq!(channel.state().cookie.as_deref(), Some("AWSALB=b"));
    }

    #[test]
    fn cookies_are_bounded_and_clearing_them_abandons_the_channel() {
        let channel = HecChannel::new();
        let before = channel.state();
        for number in 0..=MAX_COOKIES {
            assert_eq!(channel.state().id, before.id, "{number}");
            channel.update_cookies(&cookie(&format!("indexer-{number}"), "a"));
        }
        assert_ne!(channel.state().id, before.id);
        assert_eq!(channel.state().cookie, Some(format!("indexer-{MAX_COOKIES}=a")));
    }

    #[test]
    fn an_id_that_does_not_grow_fails_all_older_ones() {
        for again in [0, 4, 7] {
            let channel = HecChannel::new();
            let state = channel.state();
            let mut older = [4, 7].map(|id| channel.register(&state, id).unwrap());
            let mut newer = channel.register(&state, again).unwrap();
            for ack in &mut older {
                assert_eq!(ack.try_recv(), Err(TryRecvError::Closed), "{again}");
            }
            let (state, ids) = channel.pending();
            assert_eq!(ids, [again]);
            channel.acknowledge(&state, ids);
            assert_eq!(newer.try_recv(), Ok(()));
        }
    }

    #[test]
    fn a_poll_from_before_a_restart_acknowledges_nothing() {
        let channel = HecChannel::new();
        let state = channel.state();
        let _older = channel.register(&state, 0).unwrap();
        let (polled, ids) = channel.pending();
        let mut newer = channel.register(&state, 0).unwrap();
        channel.acknowledge(&polled, ids);
        assert_eq!(newer.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn a_channel_is_abandoned_once() {
        let channel = HecChannel::new();
        let before = channel.state();
        let mut ack = channel.register(&before, 3).unwrap();
        channel.abandon(&before);
        assert_eq!(ack.try_recv(), Err(TryRecvError::Closed));
        let after = channel.state();
        assert_ne!(after.id, before.id);
        channel.abandon(&before);
        assert_eq!(channel.state(), after, "another request's channel");
        assert!(channel.register(&after, 0).is_some());
    }
}
