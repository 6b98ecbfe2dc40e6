//! What a sink is: the handle and driver that the pipeline gets, the state that it reports, how it
//! is stopped, and what each sink type implements.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{OutputFormat, SinkConfig};
use crate::error::{Error, Outcome};
use crate::event::Event;
use crate::telemetry::Metrics;

/// A destination of events. See the module for the contract.
pub trait Sink: Send + Sync + 'static {
    /// Delivers `events` and returns one outcome for each, in order. The future may be dropped:
    /// events that were handed over are still sent, only their outcomes are lost (which the
    /// pipeline treats as `Retry`).
    fn deliver(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>>;

    /// Returns the state that `/readyz` shows.
    fn state(&self) -> SinkState;

    /// Returns since when events have waited without any outcome that is final; `None` if no event
    /// waits.
    fn undelivered_since(&self) -> Option<Instant> {
        None
    }
}

/// The state of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkState {
    /// No event was sent yet.
    Unverified,
    /// The last request succeeded.
    Up,
    /// Requests fail temporarily; they are retried.
    Degraded(Error),
    /// Requests fail until an operator acts (an invalid token, a missing topic); the sink resumes
    /// by itself.
    Paused(Error),
}

/// Renders an event to bytes: [`crate::format::render`] except in the sinks' own tests.
pub(super) type Render = fn(&Event, OutputFormat, &mut Vec<u8>);

/// A sink and its driver task, which the pipeline spawns.
pub struct Built {
    /// The sink's name in the configuration.
    pub name: String,
    /// `false`: best effort, never delays the acknowledgement of a message.
    pub required: bool,
    /// The handle.
    pub sink: Arc<dyn Sink>,
    /// Runs until a stop is requested *and* every event handed over has an outcome, or until the
    /// stop's deadline.
    pub driver: BoxFuture<'static, ()>,
}

/// Which endpoints of a sink must pass for a probe to succeed. Brokers of a Kafka cluster stand in
/// for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeScope {
    /// One is enough: events would be delivered.
    AnyEndpoint,
    /// Every endpoint.
    AllEndpoints,
}

/// What a sink is built from, besides its own settings.
pub(super) struct BuildContext<'c> {
    pub(super) config: &'c SinkConfig,
    /// The credentials of a sink that logs in with AWS credentials.
    pub(super) aws: Option<SharedCredentialsProvider>,
    pub(super) metrics: &'c Arc<Metrics>,
    pub(super) stop: Stop,
}

/// What each sink type implements for its settings.
pub(super) trait SinkType: Sync {
    /// Creates the sink. Opens files and creates clients; connects to nothing yet.
    ///
    /// # Errors
    /// What cannot be created, with the sink's name and setting.
    fn build(&self, context: BuildContext<'_>) -> Result<Built, Error>;

    /// Checks what only the client library can judge; connects to nothing and reads no secret.
    ///
    /// # Errors
    /// A setting that the client library rejects.
    fn check(&self, _config: &SinkConfig) -> Result<(), Error> {
        Ok(())
    }

    /// Checks the destination without sending an event.
    ///
    /// # Errors
    /// Why events would not be accepted: no response, authentication denied, a missing topic.
    fn probe<'a>(
        &'a self,
        _config: &'a SinkConfig,
        _aws: Option<SharedCredentialsProvider>,
        _scope: ProbeScope,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The stop signal of all sinks, with its deadline: a destination that does not respond would
/// otherwise delay the end of the process until it is killed.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    deadline: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// Stops the sinks: requests in flight may complete until `deadline`, the rest is returned as
    /// `Retry`. Only the first deadline counts.
    pub fn by(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
        self.requested.cancel();
    }

    /// Waits for a call of [`by`](Self::by).
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits for the deadline; forever if no stop is requested.
    pub async fn deadline(&self) {
        self.requested().await;
        match self.deadline.get() {
            Some(deadline) => tokio::time::sleep_until(*deadline).await,
            None => std::future::pending().await,
        }
    }

    /// Returns the time left until the deadline; zero without one.
    pub(super) fn left(&self) -> Duration {
        let left = |deadline: &Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline.get().map(left).unwrap_or_default()
    }
}
