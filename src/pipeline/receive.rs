//! The receive loop of one source: slot before receive, and one task a message.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Settlement, backoff};
use crate::pipeline::context::{RunningSource, Wire};
use crate::pipeline::limits::Slot;
use crate::pipeline::message::{self, Fate};
use crate::queue::{MAX_BATCH, Message};
use crate::telemetry::{ByReason, SourceHealth};

/// Receive calls at once while the queue answers with full batches; one while it does not.
const BUSY_POLLS: usize = 4;

/// While the queue is full, a call is made for so many messages of those that the work gate takes: an
/// eighth, which those received ahead bridge.
const CALL_SHARE: usize = 8;

type Poll = BoxFuture<'static, (Vec<Slot>, Result<Vec<Message>, Error>)>;

/// The loop's own state.
pub(super) struct Receiver {
    wire: Arc<Wire>,
    source: Arc<RunningSource>,
    polls: FuturesUnordered<Poll>,
    messages: JoinSet<Fate>,
    /// Most messages asked for in a call: an idle poll must not keep every slot from other sources.
    batch: usize,
    /// Fewest messages asked for while there are plenty: a call costs as much for one as for ten.
    least: usize,
    busy: bool,
    failures: u32,
}

impl Receiver {
    pub(super) fn new(wire: Arc<Wire>, source: Arc<RunningSource>, batch: usize) -> Self {
        let batch = batch.clamp(1, MAX_BATCH);
        Self {
            least: (wire.gates.work_size() / CALL_SHARE).clamp(1, batch),
            wire,
            source,
            polls: FuturesUnordered::new(),
            messages: JoinSet::new(),
            batch,
            busy: false,
            failures: 0,
        }
    }

    /// Receives until `stop`, then finishes what is in hand. Each message ends by itself, at the
    /// latest when the drain deadline expires.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let wire = Arc::clone(&self.wire);
        loop {
            let (polls, least) = if self.busy { (BUSY_POLLS, self.least) } else { (1, 1) };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.messages.join_next() => self.reap(ended),
                Some((slots, answer)) = self.polls.next() => self.take(slots, answer),
                Some(slots) = wire.gates.slots(least, self.batch), if self.polls.len() < polls => {
                    self.polls.push(self.poll(slots));
                }
            }
        }
        self.release_undispatched().await;
        while let Some(ended) = self.messages.join_next().await {
            self.reap(ended);
        }
    }

    /// A receive call for as many messages as there are slots, after a pause if the last one failed.
    fn poll(&self, slots: Vec<Slot>) -> Poll {
        let queue = Arc::clone(&self.source.queue);
        self.wire.gates.ask(slots.len());
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => backoff(failures, self.wire.jitter()) / 10,
        };
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            let answer = queue.receive(slots.len()).await;
            (slots, answer)
        })
    }

    fn take(&mut self, slots: Vec<Slot>, answer: Result<Vec<Message>, Error>) {
        let queue = self.source.queue.name();
        self.wire.gates.answered(slots.len());
        self.wire.health.beat();
        match answer {
            Ok(messages) => {
                self.failures = 0;
                self.busy = messages.len() == slots.len();
                self.wire.health.source(queue, SourceHealth::Up);
                self.wire.metrics.messages_received.inc_by(messages.len() as u64);
                for (message, slot) in messages.into_iter().zip(slots) {
                    let (wire, source) = (Arc::clone(&self.wire), Arc::clone(&self.source));
                    self.messages.spawn(message::handle(wire, source, message, slot));
                }
            }
            Err(error) => {
                self.busy = false;
                self.failures = self.failures.saturating_add(1);
                self.wire
                    .metrics
                    .receive_errors
                    .get_or_create(&ByReason::new(error.code.as_str()))
                    .inc();
                tracing::error!(
                    queue,
                    code = error.code.as_str(),
                    attempt = self.failures,
                    "{error}"
                );
                self.wire.health.source(queue, SourceHealth::Failing(error));
            }
        }
    }

    /// Gives back at once what was received but not begun when the stop came.
    async fn release_undispatched(&mut self) {
        let mut received = Vec::new();
        // A call that failed brought nothing, and says nothing of the others.
        while let Some(Some((_slots, answer))) = self.polls.next().now_or_never() {
            received.extend(answer.into_iter().flatten());
        }
        self.polls.clear();
        let (settler, queue) = (&self.source.settler, self.source.queue.name());
        let release = async |message: Message| {
            let release = Settlement::Release { after: Duration::ZERO };
            if let Err(error) = settler.settle(message.receipt, release).await {
                tracing::warn!(
                    queue,
                    message_id = message.id,
                    code = error.code.as_str(),
                    "not released: {error}"
                );
            }
        };
        join_all(received.into_iter().map(release)).await;
    }

    fn reap(&self, ended: Result<Fate, JoinError>) {
        self.wire.health.beat();
        match ended {
            Ok(fate) => {
                self.wire
                    .metrics
                    .messages_completed
                    .get_or_create(&ByReason::new(fate.label()))
                    .inc();
            }
            Err(failed) if failed.is_panic() => {
                self.wire.metrics.messages_panicked.inc();
                let text = panic_text(failed.into_panic().as_ref());
                tracing::error!(
                    queue = self.source.queue.name(),
                    "a message's handling panicked; it is redelivered: {text}"
                );
            }
            Err(_) => {}
        }
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}
