//! Indexer acknowledgement: an event is delivered when Splunk says that it is on disk, not when it was taken in.
//!
//! Those who wait for receipts take turns at asking for all of them, seldom at first and then more seldom. Only a
//! clear `true` confirms: an answer that is lost, refused or not understood confirms nothing. A receipt that does not
//! come in time is lost, and its events are sent again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::endpoints::{Endpoint, Endpoints};
use super::http::Http;
use super::session::Ticket;
use crate::error::{Code, Error, Outcome};

/// Most ids of one question.
const MOST_IDS: usize = 1000;

/// When to ask, and how long to hope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Pauses before the first, second … question after a new receipt; the last one repeats.
    pub(super) pauses: &'static [Duration],
    /// A receipt is lost after this. Splunk writes half-empty buffers late: a trickle of events is
    /// acknowledged after minutes.
    pub(super) longest: Duration,
}

impl Patience {
    /// As Splunk advises its clients.
    pub(super) const DEFAULT: Self = Self {
        pauses: &[
            Duration::from_millis(500),
            Duration::from_secs(1),
            Duration::from_secs(2),
            Duration::from_secs(5),
            Duration::from_secs(10),
        ],
        longest: Duration::from_secs(300),
    };
}

/// Asks for the receipts of all endpoints.
pub(super) struct Acks {
    http: Arc<Http>,
    endpoints: Arc<Endpoints>,
    patience: Patience,
    /// Whose turn it is to ask.
    turn: Mutex<()>,
    /// Questions since the newest receipt.
    asked: AtomicUsize,
}

/// What Splunk answers to a question.
#[derive(Deserialize)]
struct Answer {
    acks: BTreeMap<u64, bool>,
}

impl Acks {
    pub(super) fn new(http: Arc<Http>, endpoints: Arc<Endpoints>, patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            http,
            endpoints,
            patience,
            turn: Mutex::new(()),
            asked: AtomicUsize::new(0),
        })
    }

    /// The outcome of events that were taken in with this receipt; the future does the asking, in turn with others.
    pub(super) fn outcome(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        ticket: &Ticket,
        id: u64,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        // Registered now, not at the first poll: the next request may change the session.
        let receipt = endpoint.session.expect(ticket, id);
        self.asked.store(0, Ordering::Relaxed);
        let acks = self.clone();
        async move {
            let acknowledged = match receipt {
                Some(receipt) => acks.wait(receipt).await,
                None => false,
            };
            if acknowledged { Outcome::Delivered } else { acks.lost() }
        }
    }

    fn lost(&self) -> Outcome {
        let seconds = self.patience.longest.as_secs();
        let text = format!(
            "{}: an indexer did not acknowledge events within {seconds} s, or was replaced; they are sent again and may be there twice",
            self.http.place()
        );
        Outcome::Retry(Error::new(Code::SplunkAckLost, text))
    }

    async fn wait(&self, mut receipt: oneshot::Receiver<()>) -> bool {
        let deadline = Instant::now() + self.patience.longest;
        loop {
            let _turn = tokio::select! {
                biased;
                answer = &mut receipt => return answer.is_ok(),
                () = tokio::time::sleep_until(deadline) => return false,
                turn = self.turn.lock() => turn,
            };
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let pauses = self.patience.pauses;
            let pause = pauses.get(asked).or(pauses.last()).copied().unwrap_or_default();
            tokio::select! {
                biased;
                answer = &mut receipt => return answer.is_ok(),
                () = tokio::time::sleep_until(deadline) => return false,
                () = tokio::time::sleep(pause) => {}
            }
            // Never interrupted: a `true` is said once, and one that is not read is lost.
            self.ask().await;
        }
    }

    async fn ask(&self) {
        for endpoint in self.endpoints.all() {
            let (ticket, ids) = endpoint.session.outstanding();
            for ids in ids.chunks(MOST_IDS) {
                self.ask_one(endpoint, &ticket, ids).await;
            }
        }
    }

    async fn ask_one(&self, endpoint: &Endpoint, ticket: &Ticket, ids: &[u64]) {
        let question = serde_json::json!({ "acks": ids }).to_string();
        let reply = match self.http.ask(&endpoint.ack_url, ticket, question).await {
            Ok(reply) => reply,
            Err(error) => return tracing::debug!("acknowledgements: {error}"),
        };
        let answer = serde_json::from_slice::<Answer>(&reply.body);
        match answer {
            Ok(answer) if reply.status == 200 => {
                // A request under way may have met an indexer that started anew, and this answer may be about that
                // request's receipt: what it was told must be known first.
                let _turn = endpoint.session.turn().await;
                let done = answer.acks.into_iter().filter(|(_, done)| *done).map(|(id, _)| id);
                endpoint.session.acknowledge(ticket, done);
            }
            _ => {
                let status = reply.status;
                tracing::debug!(status, "the question for acknowledgements was not answered");
                if matches!(status, 401 | 403) {
                    self.http.forget_token();
                }
            }
        }
        endpoint.session.hear(&reply.cookies);
    }
}
