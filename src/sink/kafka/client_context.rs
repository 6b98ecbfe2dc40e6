//! librdkafka's callbacks: log lines, errors, delivery reports, statistics, OAuth tokens. They run
//! on threads of librdkafka; nothing here may block or panic.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use tokio::time::Instant;

use super::errors::{code_of, is_of_record, kafka_code};
use super::iam::Iam;
use super::reports::Reports;
use super::statistics::Statistics;
use crate::telemetry::Metrics;

/// Minimum time between two log lines of one kind; librdkafka logs every broker and attempt.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A failure in librdkafka's words.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    /// The code that decides what follows.
    pub(super) code: RDKafkaErrorCode,
    /// The text for the operator.
    pub(super) text: String,
}

/// Returns the cause of a failure with `code`, which `reason` explains. A reason that needs an
/// operator replaces the code.
pub(super) fn explained(code: RDKafkaErrorCode, reason: Option<Cause>) -> Cause {
    let text = format!("{code} ({code:?})");
    match reason {
        None => Cause { code, text },
        Some(reason) => {
            let text = format!("{text}, because of: {}", reason.text);
            let decisive = code_of(reason.code).needs_operator();
            Cause { code: if decisive { reason.code } else { code }, text }
        }
    }
}

/// Returns a token to log in with; must not block.
pub(super) type TokenSource =
    Arc<dyn Fn() -> Result<OAuthToken, crate::error::Error> + Send + Sync>;

/// The callbacks of one client.
#[derive(Clone)]
pub(super) struct ClientCallbacks {
    sink: String,
    log: Arc<Mutex<LogState>>,
    /// The batches whose reports arrive here.
    pub(super) reports: Arc<Reports>,
    statistics: Option<Arc<Statistics>>,
    token: Option<TokenSource>,
    silent: bool,
}

#[derive(Default)]
struct LogState {
    last_error: Option<Cause>,
    /// By kind of line: the time of the last one, and how many were suppressed since.
    lines: BTreeMap<String, (Option<Instant>, u64)>,
}

impl ClientCallbacks {
    /// For a client that makes one request.
    pub(super) fn new(sink: &str, token: Option<TokenSource>) -> Self {
        let (log, reports) = (Arc::default(), Arc::default());
        Self { sink: sink.to_owned(), log, reports, statistics: None, token, silent: false }
    }

    /// For a client that is created only to check its settings.
    pub(super) fn silent(sink: &str) -> Self {
        Self { silent: true, ..Self::new(sink, None) }
    }

    /// For a producer.
    pub(super) fn of_producer(sink: &str, metrics: &Arc<Metrics>, iam: Option<Arc<Iam>>) -> Self {
        let statistics = Some(Arc::new(Statistics::new(sink, metrics)));
        let token = iam.map(|iam| -> TokenSource { Arc::new(move || iam.token()) });
        Self { statistics, ..Self::new(sink, token) }
    }

    /// Clears the last error, which does not explain failures after a success.
    pub(super) fn clear_last_error(&self) {
        self.log.lock().last_error = None;
    }

    /// Returns the cause of a failure with `code`; a code that explains nothing itself is explained
    /// by the last error.
    pub(super) fn explain(&self, code: RDKafkaErrorCode) -> Cause {
        let ours = code_of(code);
        let unexplained = !ours.needs_operator() && !is_of_record(ours);
        explained(code, self.log.lock().last_error.clone().filter(|_| unexplained))
    }

    /// Returns how many lines of this kind were suppressed since the last one; `None` suppresses
    /// this one too.
    fn throttle(&self, kind: &str) -> Option<u64> {
        let mut log = self.log.lock();
        let now = Instant::now();
        let (last, suppressed) = log.lines.entry(kind.to_owned()).or_default();
        if last.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            *suppressed += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(suppressed))
    }
}

impl ConsumerContext for ClientCallbacks {}

impl ProducerContext for ClientCallbacks {
    /// A record's number: see [`super::reports`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, record: usize) {
        let report = result.as_ref().map(drop).map_err(|(error, _)| kafka_code(error));
        self.reports.add(record, report);
    }
}

impl ClientContext for ClientCallbacks {
    // Called only with the mechanism OAUTHBEARER.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(token) = &self.token else { return Err("no OAuth login is configured".into()) };
        // librdkafka returns the error text as a client error, which arrives below.
        token().map_err(|error| error.text.replace('\0', " ").into())
    }

    fn stats_raw(&self, json: &[u8]) {
        if let Some(statistics) = &self.statistics {
            statistics.update(json);
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        if self.silent {
            return;
        }
        let Some(suppressed) = self.throttle(facility) else { return };
        let sink = self.sink.as_str();
        // As in syslog: the lower, the more severe.
        if level as i32 <= RDKafkaLogLevel::Warning as i32 {
            tracing::warn!(sink, facility, suppressed, text, "librdkafka warning");
        } else if level as i32 <= RDKafkaLogLevel::Info as i32 {
            tracing::info!(sink, facility, suppressed, text, "librdkafka notice");
        } else {
            tracing::debug!(sink, facility, suppressed, text, "librdkafka debug");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.silent {
            return;
        }
        let code = kafka_code(&error);
        // A broker rejects a client certificate after the handshake: librdkafka reports a closed
        // connection.
        let tls = code == RDKafkaErrorCode::BrokerTransportFailure && reason.contains("SSL alert");
        let code = if tls { RDKafkaErrorCode::SSL } else { code };
        let mut log = self.log.lock();
        // "All brokers down" follows its reason, and contains less.
        if code != RDKafkaErrorCode::AllBrokersDown || log.last_error.is_none() {
            log.last_error = Some(Cause { code, text: reason.to_owned() });
        }
        drop(log);
        if let Some(suppressed) = self.throttle(&format!("error {code:?}")) {
            let kafka_code = format!("{code:?}");
            let (sink, code) = (&self.sink, code_of(code).as_str());
            tracing::warn!(
                sink,
                code,
                kafka_code,
                suppressed,
                error = reason,
                "Kafka client error"
            );
        }
    }
}
