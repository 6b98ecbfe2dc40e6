//! The producer's owner: creates it, replaces it when it has failed for good or its secrets have
//! changed, and closes it off the runtime, because both flushing and destroying a producer block.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use parking_lot::Mutex;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, ThreadedProducer};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::client_context::{Cause, ClientCallbacks, explained};
use super::errors::code_of;
use super::iam::Iam;
use super::{probe, settings};
use crate::config::{KafkaAuth, KafkaConfig, Secret};
use crate::error::{Code, Error};
use crate::sink::secrets;
use crate::telemetry::{BySink, Metrics};

/// Creates producers, one at a time.
pub(super) struct Client {
    sink: String,
    pub(super) settings: KafkaConfig,
    metrics: Arc<Metrics>,
    /// The credentials to refresh, if the login is IAM's.
    pub(super) iam: Option<Arc<Iam>>,
    /// How long a producer is used before its secrets are read again; `None`: none of them can
    /// change.
    refresh: Option<Duration>,
    active: Mutex<Option<Arc<ActiveProducer>>>,
    /// The last failed probe of the brokers, and when it failed. Held while a producer is created.
    refused: tokio::sync::Mutex<Option<(Instant, Error)>>,
}

impl Client {
    /// Checks the settings by creating a producer without brokers: it connects to nothing.
    ///
    /// # Errors
    /// librdkafka rejects a setting, or the password cannot be read.
    pub(super) fn new(
        sink: &str,
        settings: &KafkaConfig,
        aws: Option<SharedCredentialsProvider>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        if settings.tls.as_ref().is_some_and(|tls| tls.insecure) {
            tracing::warn!(sink, "tls.insecure: broker certificates are not verified");
        }
        check_settings(sink, settings)?;
        Ok(Self {
            sink: sink.to_owned(),
            settings: settings.clone(),
            metrics: metrics.clone(),
            iam: iam(sink, settings, aws)?,
            refresh: settings.client_secrets().filter_map(Secret::refresh).min(),
            active: Mutex::new(None),
            refused: tokio::sync::Mutex::new(None),
        })
    }

    /// Returns the producer, after creating it if there is none.
    ///
    /// # Errors
    /// As [`new`](Self::new), because files may have changed; or AWS returns no credentials.
    pub(super) async fn active(&self) -> Result<Arc<ActiveProducer>, Error> {
        let current = self.active.lock().clone();
        if let Some(active) = current {
            if !active.check_due(self.refresh) {
                return Ok(active);
            }
            self.renew_secrets().await;
            if fingerprint(&self.settings).is_none_or(|now| now == active.secrets) {
                return Ok(active);
            }
            tracing::info!(sink = self.sink, "secret changed, replacing the producer");
            self.discard(&active);
            self.release(active);
        }
        if let Some(iam) = &self.iam {
            iam.ready().await?;
        }
        self.renew_secrets().await;
        let waiting = Instant::now();
        let mut refused = self.refused.lock().await;
        // Another batch may have created one meanwhile, or have failed to.
        if let Some(active) = &*self.active.lock() {
            return Ok(active.clone());
        }
        if let Some((at, error)) = &*refused
            && *at >= waiting
        {
            return Err(error.clone());
        }
        let probed = probe::brokers(&self.sink, &self.settings, self.iam.as_deref()).await;
        *refused = probed.as_ref().err().map(|error| (Instant::now(), error.clone()));
        probed?;
        let mut active = self.active.lock();
        let callbacks = ClientCallbacks::of_producer(&self.sink, &self.metrics, self.iam.clone());
        let created = settings::producer(&self.sink, &self.settings)
            .and_then(|properties| ActiveProducer::new(&self.sink, &properties, callbacks))
            // Of a certificate and its key, for example, only one may have been replaced so far.
            .inspect_err(|_| self.settings.client_secrets().for_each(Secret::expire))?;
        let secrets = fingerprint(&self.settings).unwrap_or_default();
        let created = Arc::new(ActiveProducer { secrets, ..created });
        self.metrics.kafka_producers.get_or_create(&BySink::new(&self.sink)).inc();
        *active = Some(created.clone());
        Ok(created)
    }

    async fn renew_secrets(&self) {
        secrets::renew(&self.sink, self.settings.client_secrets().collect()).await;
    }

    /// Discards this producer; the next one is created when it is needed.
    pub(super) fn discard(&self, failed: &Arc<ActiveProducer>) {
        let mut active = self.active.lock();
        if active.as_ref().is_some_and(|active| Arc::ptr_eq(active, failed)) {
            *active = None;
        }
    }

    /// Drops a batch's reference to its producer. The last reference to a discarded one destroys
    /// it, which blocks.
    pub(super) fn release(&self, producer: Arc<ActiveProducer>) {
        let active = self.active.lock();
        if !active.as_ref().is_some_and(|active| Arc::ptr_eq(active, &producer)) {
            tokio::task::spawn_blocking(move || drop(producer));
        }
    }

    /// Flushes for the time that is `left`, and destroys the producer. Returns at once if no record
    /// is in flight.
    pub(super) async fn close(&self, left: Duration) {
        let active = self.active.lock().take();
        let Some(active) = active else { return };
        let sink = self.sink.clone();
        let closed = tokio::task::spawn_blocking(move || {
            if active.inner.flush(left).is_err() {
                let records = active.inner.in_flight_count();
                tracing::warn!(sink, records, "Kafka flush timed out with records in flight");
            }
        });
        let _ = closed.await;
    }
}

/// Creates a producer without brokers, which connects to nothing, to check the settings.
///
/// # Errors
/// librdkafka rejects a setting, or a secret cannot be read.
pub(super) fn check_settings(sink: &str, settings: &KafkaConfig) -> Result<(), Error> {
    let mut properties = settings::producer(sink, settings)?;
    properties.remove("bootstrap.servers");
    // It would log that it has no brokers and no login; the real producer logs everything else.
    properties.set_log_level(RDKafkaLogLevel::Emerg);
    ActiveProducer::new(sink, &properties, ClientCallbacks::silent(sink)).map(drop)
}

/// A producer with its callbacks.
pub(super) struct ActiveProducer {
    pub(super) inner: ThreadedProducer<ClientCallbacks>,
    pub(super) callbacks: ClientCallbacks,
    /// The secrets that it was created with.
    secrets: Fingerprint,
    /// When the secrets were last read.
    checked: Mutex<Instant>,
}

impl ActiveProducer {
    fn new(
        sink: &str,
        properties: &ClientConfig,
        callbacks: ClientCallbacks,
    ) -> Result<Self, Error> {
        let inner = ThreadedProducer::from_config_and_context(properties, callbacks.clone());
        let inner = inner.map_err(|error| {
            let text = format!("sink.{sink}: {}", message_of(&error));
            Error::new(Code::SinkConfiguration, text)
        })?;
        let checked = Mutex::new(Instant::now());
        Ok(Self { inner, callbacks, secrets: Fingerprint::default(), checked })
    }

    /// Returns whether the secrets are due to be read again; true once for each interval.
    fn check_due(&self, refresh: Option<Duration>) -> bool {
        let mut checked = self.checked.lock();
        let due = refresh.is_some_and(|refresh| checked.elapsed() >= refresh);
        if due {
            *checked = Instant::now();
        }
        due
    }

    /// Returns the fatal error, after which this producer never works again.
    pub(super) fn fatal(&self) -> Option<Cause> {
        let (code, text) = self.inner.client().fatal_error()?;
        Some(Cause { code, text })
    }

    /// Returns why a record failed with `code`: librdkafka often reports only a timeout or a fatal
    /// producer, and gave the reason in another callback.
    pub(super) fn cause_of(&self, code: RDKafkaErrorCode) -> Cause {
        match self.fatal() {
            Some(fatal) if code_of(code) == Code::KafkaFatal => explained(code, Some(fatal)),
            _ => self.callbacks.explain(code),
        }
    }
}

/// A hash of all secrets of a client, by which a change is noticed.
type Fingerprint = [u8; 32];

/// Returns the fingerprint of the secrets as they are now; `None`: one cannot be read, so no change
/// is known.
fn fingerprint(settings: &KafkaConfig) -> Option<Fingerprint> {
    let mut hash = Sha256::new();
    for secret in settings.client_secrets() {
        let value = secret.read().ok()?;
        hash.update((value.expose_secret().len() as u64).to_le_bytes());
        hash.update(value.expose_secret());
    }
    Some(hash.finalize().into())
}

/// Marks secrets to be read again: the password if the `login` failed; after a TLS error any of
/// them may be wrong.
pub(super) fn secrets_rejected(settings: &KafkaConfig, login: bool) {
    match settings.auth.password() {
        Some(password) if login => password.reject(),
        _ => settings.client_secrets().for_each(Secret::expire),
    }
}

/// Returns librdkafka's message about a setting, without the setting's value: it may be a secret.
pub(super) fn message_of(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, key, value) => {
            // It names a property that the written one is an alias of.
            let text = text.split(" for configuration property").next().unwrap_or(text);
            let masked = match value.as_str() {
                "" => text.to_owned(),
                value => text.replace(value, "…"),
            };
            format!("option {key}: {masked}")
        }
        other => format!("Kafka rejects these settings: {other}"),
    }
}

/// Returns the credentials of a sink that logs in with AWS credentials.
///
/// # Errors
/// AWS credentials are needed and missing.
pub(super) fn iam(
    sink: &str,
    settings: &KafkaConfig,
    aws: Option<SharedCredentialsProvider>,
) -> Result<Option<Arc<Iam>>, Error> {
    match (&settings.auth, aws) {
        (KafkaAuth::AwsMskIam { region, .. }, Some(provider)) => {
            Ok(Some(Arc::new(Iam::new(sink, region, provider))))
        }
        (KafkaAuth::AwsMskIam { .. }, None) => {
            let text = format!("sink.{sink}.auth: the AWS configuration has no credentials");
            Err(Error::new(Code::KafkaCredentials, text))
        }
        _ => Ok(None),
    }
}
