//! The receive loop of one source: permits before each receive, and one task per message.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Settlement, backoff};
use crate::pipeline::limits::ReceivePermit;
use crate::pipeline::message::{MessageHandler, MessageResult};
use crate::pipeline::observers::Observers;
use crate::pipeline::source::RunningSource;
use crate::queue::{MAX_BATCH, Message};
use crate::telemetry::{ByReason, ByResult, SourceHealth};

/// Receive calls at once while the queue returns full batches; one while it does not.
const BUSY_CALLS: usize = 4;

/// While the queue is full, a call asks for at least this fraction of `max_concurrent_messages`: an
/// eighth, which those received ahead bridge.
const LEAST_FRACTION: usize = 8;

type Call = BoxFuture<'static, (Vec<ReceivePermit>, Result<Vec<Message>, Error>)>;

/// The loop's own state.
pub(super) struct Receiver {
    handler: Arc<MessageHandler>,
    source: Arc<RunningSource>,
    calls: FuturesUnordered<Call>,
    messages: JoinSet<MessageResult>,
    /// Most messages requested by a call: an idle call must not hold every permit of other sources.
    most: usize,
    /// Fewest messages requested while the queue is full: a call costs as much for one as for ten.
    least: usize,
    busy: bool,
    failures: u32,
}

impl Receiver {
    pub(super) fn new(
        handler: Arc<MessageHandler>,
        source: Arc<RunningSource>,
        batch: usize,
    ) -> Self {
        let most = batch.clamp(1, MAX_BATCH);
        Self {
            least: (handler.limits.max_processing() / LEAST_FRACTION).clamp(1, most),
            handler,
            source,
            calls: FuturesUnordered::new(),
            messages: JoinSet::new(),
            most,
            busy: false,
            failures: 0,
        }
    }

    /// Receives until `stop`, then finishes the messages in flight. Each message ends by itself, at
    /// the latest at the end of the shutdown grace period.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let limits = Arc::clone(&self.handler.limits);
        loop {
            let (calls, least) = if self.busy { (BUSY_CALLS, self.least) } else { (1, 1) };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.messages.join_next() => self.complete(ended),
                Some((permits, result)) = self.calls.next() => self.received(permits, result),
                Some(permits) = limits.receive(least, self.most), if self.calls.len() < calls => {
                    self.calls.push(self.call(permits));
                }
            }
        }
        self.release_unprocessed().await;
        while let Some(ended) = self.messages.join_next().await {
            self.complete(ended);
        }
    }

    /// Returns a receive call for as many messages as there are permits, after a pause if the last
    /// one failed.
    fn call(&self, permits: Vec<ReceivePermit>) -> Call {
        let queue = Arc::clone(&self.source.queue);
        self.handler.limits.receive_started(permits.len());
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => backoff(failures, self.handler.jitter()) / 10,
        };
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            let result = queue.receive(permits.len()).await;
            (permits, result)
        })
    }

    fn received(&mut self, permits: Vec<ReceivePermit>, result: Result<Vec<Message>, Error>) {
        let queue = self.source.queue.name();
        let Observers { metrics, health, .. } = &self.handler.objects.observers;
        self.handler.limits.receive_ended(permits.len());
        health.beat();
        match result {
            Ok(messages) => {
                self.failures = 0;
                self.busy = messages.len() == permits.len();
                health.source(queue, SourceHealth::Up);
                metrics.messages_received.inc_by(messages.len() as u64);
                for (message, permit) in messages.into_iter().zip(permits) {
                    let source = Arc::clone(&self.source);
                    self.messages.spawn(Arc::clone(&self.handler).handle(source, message, permit));
                }
            }
            Err(error) => {
                self.busy = false;
                self.failures = self.failures.saturating_add(1);
                let code = error.code.as_str();
                metrics.receive_errors.get_or_create(&ByReason::new(code)).inc();
                let (attempt, text) = (self.failures, &error.text);
                if attempt > 1 || error.code.needs_operator() {
                    tracing::error!(queue, code, attempt, error = text, "receive failed, retrying");
                } else {
                    tracing::warn!(queue, code, attempt, error = text, "receive failed, retrying");
                }
                health.source(queue, SourceHealth::Failing(error));
            }
        }
    }

    /// Releases at once what was received but not processed when the stop came.
    async fn release_unprocessed(&mut self) {
        let mut received = Vec::new();
        // A call that failed has no messages; the others may.
        while let Some(Some((_permits, result))) = self.calls.next().now_or_never() {
            received.extend(result.into_iter().flatten());
        }
        self.calls.clear();
        let (acknowledger, queue) = (&self.source.acknowledger, self.source.queue.name());
        let release = async |message: Message| {
            let release = Settlement::Release { after: Duration::ZERO };
            if let Err(error) = acknowledger.settle(message.receipt, release).await {
                let (message_id, code, error) = (message.id, error.code.as_str(), error.text);
                tracing::warn!(queue, message_id, code, error, "message not released");
            }
        };
        join_all(received.into_iter().map(release)).await;
    }

    /// Counts a message that was handled.
    fn complete(&self, ended: Result<MessageResult, JoinError>) {
        let Observers { metrics, health, .. } = &self.handler.objects.observers;
        health.beat();
        match ended {
            Ok(result) => {
                metrics.messages_completed.get_or_create(&ByResult::new(result.as_str())).inc();
            }
            Err(failed) if failed.is_panic() => {
                metrics.messages_panicked.inc();
                let queue = self.source.queue.name();
                tracing::error!(queue, "message handler panicked, message will be redelivered");
            }
            Err(_) => {}
        }
    }
}
