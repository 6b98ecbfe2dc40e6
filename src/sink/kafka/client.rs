//! The producer's owner: makes it, hears its troubles, replaces one that is beyond repair, and lets it go
//! off the runtime, because both flushing and destroying a producer block.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, ThreadedProducer};
use tokio::time::Instant;

use super::ears::{Cause, Ears, explained};
use super::errors::blame;
use super::iam::Iam;
use super::reports::Batch;
use super::secrets::{self, Fingerprint};
use super::settings;
use crate::config::{KafkaAuth, KafkaConfig, Secret};
use crate::error::{Code, Error};
use crate::telemetry::{BySink, Metrics};

/// Makes producers, one at a time.
pub(super) struct Client {
    sink: String,
    own: KafkaConfig,
    metrics: Arc<Metrics>,
    iam: Option<Arc<Iam>>,
    /// How long a producer is used before its secrets are looked at again; `None`: it has none that change.
    refresh: Option<Duration>,
    live: Mutex<Option<Arc<Live>>>,
}

impl Client {
    /// Tries the settings by making a producer without brokers: it connects to nothing.
    ///
    /// # Errors
    /// librdkafka refuses a setting, or the password cannot be read.
    pub(super) fn new(
        sink: &str,
        own: &KafkaConfig,
        aws: Option<SharedCredentialsProvider>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        if own.tls.as_ref().is_some_and(|tls| tls.insecure) {
            tracing::warn!(
                sink,
                "tls.insecure: whoever answers is sent the password and the events"
            );
        }
        try_settings(sink, own)?;
        Ok(Self {
            sink: sink.to_owned(),
            own: own.clone(),
            metrics: metrics.clone(),
            iam: iam(sink, own, aws)?,
            refresh: own.client_secrets().filter_map(Secret::refresh).min(),
            live: Mutex::new(None),
        })
    }

    /// The credentials that have to be kept fresh, if the login is IAM's.
    pub(super) fn iam(&self) -> Option<Arc<Iam>> {
        self.iam.clone()
    }

    /// The producer, made now if there is none.
    ///
    /// # Errors
    /// As [`new`](Self::new), whose settings may name files that have changed; or AWS gives no credentials.
    pub(super) async fn live(&self) -> Result<Arc<Live>, Error> {
        let current = self.lock().clone();
        if let Some(live) = current {
            if !live.is_due(self.refresh) {
                return Ok(live);
            }
            self.renew_secrets().await;
            if secrets::fingerprint(&self.own).is_none_or(|now| now == live.secrets) {
                return Ok(live);
            }
            tracing::info!(sink = self.sink, "a secret has changed: a new producer logs in");
            self.discard(&live);
            self.release(live);
        }
        if let Some(iam) = &self.iam {
            iam.ready().await?;
        }
        self.renew_secrets().await;
        let mut live = self.lock();
        // Another batch may have made one meanwhile.
        if let Some(live) = &*live {
            return Ok(live.clone());
        }
        let ears = Ears::of_producer(&self.sink, &self.metrics, self.iam.clone());
        let made = settings::of_producer(&self.sink, &self.own)
            .and_then(|properties| Live::new(&self.sink, &properties, ears));
        let secrets = secrets::fingerprint(&self.own).unwrap_or_default();
        let made = match made {
            Ok(made) => Arc::new(Live { secrets, ..made }),
            Err(error) => {
                // A certificate and its key, say, of which only one was changed so far.
                self.own.client_secrets().for_each(Secret::expire);
                return Err(error);
            }
        };
        self.metrics.kafka_producers.get_or_create(&BySink::new(&self.sink)).inc();
        *live = Some(made.clone());
        Ok(made)
    }

    async fn renew_secrets(&self) {
        for secret in self.own.client_secrets() {
            if let Err(error) = secret.renew().await {
                // What was read before may still be good.
                tracing::warn!(sink = self.sink, code = error.code.as_str(), "{}", error.text);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`secrets::refuse`].
    pub(super) fn refuse_secrets(&self, code: RDKafkaErrorCode) {
        secrets::refuse(&self.own, code);
    }

    /// Forgets this producer; the next one is made when it is needed.
    pub(super) fn discard(&self, beyond_repair: &Arc<Live>) {
        let mut live = self.lock();
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, beyond_repair)) {
            *live = None;
        }
    }

    /// Lets go of a batch's hold on its producer. The last hold on a discarded one destroys it, which blocks.
    pub(super) fn release(&self, live: Arc<Live>) {
        let kept = self.lock();
        if !kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &live)) {
            tokio::task::spawn_blocking(move || drop(live));
        }
    }

    /// Gives the last records the time that is `left`, and lets go of them and the producer. If all were answered before,
    /// there is nothing to wait for.
    pub(super) async fn close(&self, left: Duration) {
        let live = self.lock().take();
        let Some(live) = live else { return };
        let sink = self.sink.clone();
        let closed = tokio::task::spawn_blocking(move || {
            if live.producer().flush(left).is_err() {
                let records = live.producer().in_flight_count();
                tracing::warn!(sink, records, "Kafka has not answered for all records in time");
            }
        });
        let _ = closed.await;
    }
}

/// Makes a producer without brokers, which connects to nothing and is refused what librdkafka does not take.
///
/// # Errors
/// librdkafka refuses a setting, or a secret cannot be read.
pub(super) fn try_settings(sink: &str, own: &KafkaConfig) -> Result<(), Error> {
    let mut trial = settings::of_producer(sink, own)?;
    trial.remove("bootstrap.servers");
    // It would complain of having no brokers and no login; what else there is to say, the real one says.
    trial.set_log_level(RDKafkaLogLevel::Emerg);
    Live::new(sink, &trial, Ears::deaf(sink)).map(drop)
}

/// A producer, and what was last heard of it.
pub(super) struct Live {
    producer: ThreadedProducer<Ears>,
    ears: Ears,
    /// What its secrets were.
    secrets: Fingerprint,
    /// When they were looked at last.
    looked: Mutex<Instant>,
}

impl Live {
    fn new(sink: &str, properties: &ClientConfig, ears: Ears) -> Result<Self, Error> {
        let producer = ThreadedProducer::from_config_and_context(properties, ears.clone())
            .map_err(|fault| {
                Error::new(Code::SinkConfiguration, format!("sink.{sink}: {}", refusal(&fault)))
            })?;
        let looked = Mutex::new(Instant::now());
        Ok(Self { producer, ears, secrets: Fingerprint::default(), looked })
    }

    /// Whether it is time to look at the secrets again; says so once each time.
    fn is_due(&self, refresh: Option<Duration>) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = refresh.is_some_and(|refresh| looked.elapsed() >= refresh);
        if due {
            *looked = Instant::now();
        }
        due
    }

    /// For sending.
    pub(super) fn producer(&self) -> &ThreadedProducer<Ears> {
        &self.producer
    }

    /// A batch of so many records, of none of which anything is known.
    pub(super) fn open(&self, count: usize) -> Batch {
        self.ears.reports().open(count)
    }

    /// The error that made this producer useless for good, if there was one.
    pub(super) fn fatal(&self) -> Option<Cause> {
        let (code, text) = self.producer.client().fatal_error()?;
        Some(Cause { code, text })
    }

    /// Why a record failed with `code`: librdkafka often says only that its time was up, or that the producer
    /// is useless, and has said the reason elsewhere.
    pub(super) fn cause_of(&self, code: RDKafkaErrorCode) -> Cause {
        match self.fatal() {
            Some(fatal) if blame(code).1 == Code::KafkaFatal => explained(code, Some(fatal)),
            _ => self.ears.explain(code),
        }
    }

    /// All is well: what was heard before explains nothing that comes.
    pub(super) fn forget_trouble(&self) {
        self.ears.forget_trouble();
    }
}

/// librdkafka's refusal of a setting, without the setting's value: it may be a secret.
pub(super) fn refusal(fault: &KafkaError) -> String {
    match fault {
        KafkaError::ClientConfig(_, text, key, value) if !value.is_empty() => {
            format!("option {key}: {}", text.replace(value.as_str(), "…"))
        }
        KafkaError::ClientConfig(_, text, key, _) => format!("option {key}: {text}"),
        other => format!("Kafka refuses these settings: {other}"),
    }
}

/// The credentials of a sink that logs in with AWS's.
///
/// # Errors
/// Whoever made the sink brought none.
pub(super) fn iam(
    sink: &str,
    own: &KafkaConfig,
    aws: Option<SharedCredentialsProvider>,
) -> Result<Option<Arc<Iam>>, Error> {
    match (&own.auth, aws) {
        (KafkaAuth::AwsMskIam { region, .. }, Some(provider)) => {
            Ok(Some(Arc::new(Iam::new(sink, region, provider))))
        }
        (KafkaAuth::AwsMskIam { .. }, None) => {
            let text = format!("sink.{sink}.auth: AWS's own configuration brings no credentials");
            Err(Error::new(Code::KafkaCredentials, text))
        }
        _ => Ok(None),
    }
}
