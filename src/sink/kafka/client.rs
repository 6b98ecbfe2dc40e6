//! The producer's owner: makes it, hears its troubles, replaces one that is beyond repair, and lets it go
//! off the runtime, because both flushing and destroying a producer block.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, Producer as _};
use tokio::time::Instant;

use super::errors::{Blame, blame};
use super::settings;
use crate::config::KafkaConfig;
use crate::outcome::Why;

/// Time for the last records to leave at the end. All of them were answered before: this is a belt.
const LAST_FLUSH: Duration = Duration::from_secs(5);
/// A kind of trouble is logged once in this time; librdkafka says it for every broker and attempt.
const QUIET: Duration = Duration::from_secs(60);

/// Makes producers, one at a time.
pub(super) struct Client {
    sink: String,
    own: KafkaConfig,
    live: Mutex<Option<Arc<Live>>>,
}

impl Client {
    /// Tries the settings by making a producer without brokers: it connects to nothing.
    ///
    /// # Errors
    /// librdkafka refuses a setting, or the password cannot be read.
    pub(super) fn new(sink: &str, own: &KafkaConfig) -> Result<Self, Why> {
        if own.tls.as_ref().is_some_and(|tls| tls.insecure) {
            tracing::warn!(
                sink,
                "tls.insecure: whoever answers is sent the password and the events"
            );
        }
        let mut trial = settings::of_producer(sink, own)?;
        trial.remove("bootstrap.servers");
        // It would complain of having no brokers; what else there is to say, the real one says.
        trial.set_log_level(RDKafkaLogLevel::Emerg);
        drop(Live::new(sink, &trial)?);
        Ok(Self { sink: sink.to_owned(), own: own.clone(), live: Mutex::new(None) })
    }

    /// What producers are made of.
    pub(super) fn settings(&self) -> &KafkaConfig {
        &self.own
    }

    /// The producer, made now if there is none.
    ///
    /// # Errors
    /// As [`new`](Self::new); the settings may name files that have changed.
    pub(super) fn live(&self) -> Result<Arc<Live>, Why> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = &*live {
            return Ok(live.clone());
        }
        let made = Arc::new(Live::new(&self.sink, &settings::of_producer(&self.sink, &self.own)?)?);
        *live = Some(made.clone());
        Ok(made)
    }

    /// Forgets this producer; the next one is made when it is needed.
    pub(super) fn discard(&self, beyond_repair: &Arc<Live>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, beyond_repair)) {
            *live = None;
        }
    }

    /// Lets go of a batch's hold on its producer. The last hold on a discarded one destroys it, which blocks.
    pub(super) fn release(&self, live: Arc<Live>) {
        let kept = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &live)) {
            tokio::task::spawn_blocking(move || drop(live));
        }
    }

    /// Flushes and lets go.
    pub(super) async fn close(&self) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(live) = live else { return };
        let flushed = tokio::task::spawn_blocking(move || live.producer().flush(LAST_FLUSH)).await;
        if let Ok(Err(fault)) = flushed {
            tracing::warn!(sink = self.sink, "Kafka was not flushed in time: {fault}");
        }
    }
}

/// A producer, and what was last heard of it.
pub(super) struct Live {
    producer: FutureProducer<Ears>,
    ears: Ears,
}

/// What failed, in librdkafka's words.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    /// What to judge by.
    pub(super) code: RDKafkaErrorCode,
    /// What to tell.
    pub(super) text: String,
}

impl Live {
    fn new(sink: &str, properties: &ClientConfig) -> Result<Self, Why> {
        let ears = Ears::new(sink);
        let producer =
            FutureProducer::from_config_and_context(properties, ears.clone()).map_err(|fault| {
                Why::new("sink_setting", format!("sink.{sink}: {}", refusal(&fault)))
            })?;
        Ok(Self { producer, ears })
    }

    /// For sending.
    pub(super) fn producer(&self) -> &FutureProducer<Ears> {
        &self.producer
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
            Some(fatal) if blame(code).1 == "kafka_fatal" => explained(code, Some(fatal)),
            _ => self.ears.explain(code),
        }
    }

    /// All is well: what was heard before explains nothing that comes.
    pub(super) fn forget_trouble(&self) {
        self.ears.heard.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
    }
}

/// `code`, and what is behind it. A reason that needs an operator is what is judged by.
fn explained(code: RDKafkaErrorCode, behind: Option<Cause>) -> Cause {
    let said = format!("{code} ({code:?})");
    match behind {
        None => Cause { code, text: said },
        Some(behind) => {
            let text = format!("{said}, because of: {}", behind.text);
            let code = if blame(behind.code).0 == Blame::Operator { behind.code } else { code };
            Cause { code, text }
        }
    }
}

/// librdkafka's refusal of a setting, without the setting's value: it may be a secret.
fn refusal(fault: &KafkaError) -> String {
    match fault {
        KafkaError::ClientConfig(_, text, key, value) if !value.is_empty() => {
            format!("option {key}: {}", text.replace(value.as_str(), "…"))
        }
        KafkaError::ClientConfig(_, text, key, _) => format!("option {key}: {text}"),
        other => format!("Kafka refuses these settings: {other}"),
    }
}

/// Hears what librdkafka has to say, on librdkafka's threads.
#[derive(Clone)]
pub(super) struct Ears {
    sink: String,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    trouble: Option<Cause>,
    /// Kinds of lines, with the time of the last one written and how many were not since.
    lines: BTreeMap<String, (Option<Instant>, u64)>,
}

impl Ears {
    pub(super) fn new(sink: &str) -> Self {
        Self { sink: sink.to_owned(), heard: Arc::default() }
    }

    /// `code`, with the last trouble heard of where it says nothing by itself.
    pub(super) fn explain(&self, code: RDKafkaErrorCode) -> Cause {
        let heard = || self.heard.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone();
        explained(code, if blame(code).0 == Blame::Time { heard() } else { None })
    }

    /// How many lines of this kind were held back since the last one, or `None` to hold this one back, too.
    fn may_say(&self, kind: &str) -> Option<u64> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (last, held_back) = heard.lines.entry(kind.to_owned()).or_default();
        if last.is_some_and(|last| now.duration_since(last) < QUIET) {
            *held_back += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(held_back))
    }
}

impl ClientContext for Ears {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let Some(held_back) = self.may_say(facility) else { return };
        let sink = self.sink.as_str();
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                tracing::warn!(sink, facility, held_back, "librdkafka: {message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(sink, facility, held_back, "librdkafka: {message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(sink, facility, "librdkafka: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // "All brokers down" follows the reason why they are, and says less.
        let new = Cause { code, text: reason.to_owned() };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if code != RDKafkaErrorCode::AllBrokersDown || heard.trouble.is_none() {
            heard.trouble = Some(new);
        }
        drop(heard);
        if let Some(held_back) = self.may_say(&format!("error {code:?}")) {
            let code = format!("{code:?}");
            tracing::warn!(sink = self.sink, code, held_back, "Kafka: {reason}");
        }
    }
}
