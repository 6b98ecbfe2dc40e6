//! What librdkafka has to say, and asks, on threads of its own: log lines, troubles, reports, statistics, tokens. Nothing here
//! may wait or panic.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use tokio::time::Instant;

use super::errors::{Blame, blame, code_of};
use super::iam::Iam;
use super::reports::Reports;
use super::statistics::Statistics;
use crate::telemetry::Metrics;

/// A kind of trouble is logged once in this time; librdkafka says it for every broker and attempt.
const QUIET: Duration = Duration::from_secs(60);

/// What failed, in librdkafka's words.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    /// What to judge by.
    pub(super) code: RDKafkaErrorCode,
    /// What to tell.
    pub(super) text: String,
}

/// `code`, and what is behind it. A reason that needs an operator is what is judged by.
pub(super) fn explained(code: RDKafkaErrorCode, behind: Option<Cause>) -> Cause {
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

/// Hears for one client.
#[derive(Clone)]
pub(super) struct Ears {
    sink: String,
    heard: Arc<Mutex<Heard>>,
    reports: Arc<Reports>,
    statistics: Option<Arc<Statistics>>,
    iam: Option<Arc<Iam>>,
    deaf: bool,
}

#[derive(Default)]
struct Heard {
    trouble: Option<Cause>,
    /// Kinds of lines, with the time of the last one written and how many were not since.
    lines: BTreeMap<String, (Option<Instant>, u64)>,
}

impl Ears {
    /// For a client that asks one question.
    pub(super) fn new(sink: &str, iam: Option<Arc<Iam>>) -> Self {
        let (heard, reports) = (Arc::default(), Arc::default());
        Self { sink: sink.to_owned(), heard, reports, statistics: None, iam, deaf: false }
    }

    /// For a client that is made for its settings to be looked at.
    pub(super) fn deaf(sink: &str) -> Self {
        Self { deaf: true, ..Self::new(sink, None) }
    }

    /// For a producer.
    pub(super) fn of_producer(sink: &str, metrics: &Arc<Metrics>, iam: Option<Arc<Iam>>) -> Self {
        let statistics = Some(Arc::new(Statistics::new(sink, metrics)));
        Self { statistics, ..Self::new(sink, iam) }
    }

    /// The batches whose reports come here.
    pub(super) fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    /// All is well: what was heard before explains nothing that comes.
    pub(super) fn forget_trouble(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
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

impl ConsumerContext for Ears {}

impl ProducerContext for Ears {
    /// A record's number.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, record: usize) {
        self.reports.take(record, result.as_ref().map(drop).map_err(|(fault, _)| code_of(fault)));
    }
}

impl ClientContext for Ears {
    // Asked for only where the mechanism is OAUTHBEARER.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(iam) = &self.iam else { return Err("no login is set up".into()) };
        // What is wrong comes back as an error of the client's, which is heard below.
        iam.token().map_err(|error| error.text.replace('\0', " ").into())
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Some(taker) = &self.statistics {
            taker.take(statistics);
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if self.deaf {
            return;
        }
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
        if self.deaf {
            return;
        }
        let code = code_of(&error);
        // A broker that wants another certificate says so after the handshake: to librdkafka it only hung up.
        let refused =
            code == RDKafkaErrorCode::BrokerTransportFailure && reason.contains("SSL alert");
        let code = if refused { RDKafkaErrorCode::SSL } else { code };
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
