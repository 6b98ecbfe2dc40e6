//! Probes each sink from start-up on, without an event: a revoked token or a missing topic shows
//! before the first certificate event. No event waits for a probe, and none is delayed by its
//! result.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use tracing::Level;

use crate::config::SinkConfig;
use crate::error::{Code, Error};
use crate::pipeline::SinkEntry;
use crate::sink::{self, ProbeScope, SinkState};
use crate::telemetry::{LogThrottle, REMINDER_INTERVAL};

/// Time between two probes: as often as secrets are refreshed.
const PROBE_INTERVAL: Duration = Duration::from_secs(300);

/// Probes a sink until a probe succeeds or an event has been sent there. `aws` are its credentials
/// if it authenticates with AWS's.
pub(crate) async fn probe_sink(
    entry: Arc<SinkEntry>,
    config: SinkConfig,
    aws: Option<SharedCredentialsProvider>,
) {
    let probe = || sink::probe(&config, aws.clone(), ProbeScope::AnyEndpoint);
    probe_until_verified(&entry, || Box::pin(probe())).await;
}

async fn probe_until_verified<'a>(
    entry: &SinkEntry,
    probe: impl Fn() -> BoxFuture<'a, Result<(), Error>>,
) {
    let (sink, mut failures) = (entry.name.as_str(), FailureLog::new(entry.required));
    loop {
        let result = probe().await;
        let state = entry.state();
        let reachable = match state {
            SinkState::Unverified => result.is_ok(),
            _ => state == SinkState::Up,
        };
        if reachable && failures.any {
            tracing::info!(sink, "sink recovered");
        }
        // An event was sent meanwhile: its outcome is more precise, and the sink logs it itself.
        if state != SinkState::Unverified {
            return;
        }
        if let Err(error) = &result {
            failures.log(sink, error);
        }
        entry.note_probe(result);
        if reachable {
            return;
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// Logs the failed probes of one sink.
struct FailureLog {
    /// The sink is required.
    required: bool,
    /// A probe has failed before.
    any: bool,
    throttle: LogThrottle<(Code, Level)>,
}

impl FailureLog {
    const fn new(required: bool) -> Self {
        Self { required, any: false, throttle: LogThrottle::new(REMINDER_INTERVAL) }
    }

    fn log(&mut self, sink: &str, error: &Error) {
        let (code, text) = (error.code.as_str(), error.text.as_str());
        match self.level(error.code) {
            Some((Level::ERROR, suppressed)) => {
                tracing::error!(sink, code, error = text, suppressed, "sink probe failed");
            }
            Some((_, suppressed)) => {
                tracing::warn!(sink, code, error = text, suppressed, "sink probe failed");
            }
            None => {}
        }
    }

    /// Returns the level of a line about `code` and the lines suppressed before it, if a line is
    /// due.
    ///
    /// A required sink's failure is an error if an operator must act, or if the probe before it
    /// failed too.
    fn level(&mut self, code: Code) -> Option<(Level, u64)> {
        let lasting = code.needs_operator() || self.any;
        self.any = true;
        let level = if self.required && lasting { Level::ERROR } else { Level::WARN };
        self.throttle.due((code, level)).map(|suppressed| (level, suppressed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use parking_lot::Mutex;

    use super::*;
    use crate::config::{OutputFormat, SinkKind, StdoutConfig};
    use crate::error::Outcome;
    use crate::event::Event;
    use crate::pipeline::SinkPart;
    use crate::sink::{Built, Sink};

    /// A sink to which no event was sent, unless its state is changed.
    struct Idle(Mutex<SinkState>);

    impl Sink for Idle {
        fn deliver(&self, _: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
            Box::pin(std::future::pending())
        }
        fn state(&self) -> SinkState {
            self.0.lock().clone()
        }
    }

    fn idle() -> (Arc<Idle>, Arc<SinkEntry>) {
        let sink = Arc::new(Idle(Mutex::new(SinkState::Unverified)));
        let built = Built {
            name: "soc".to_owned(),
            required: true,
            sink: sink.clone(),
            driver: Box::pin(async {}),
        };
        (sink, SinkPart::from(built).entry)
    }

    /// Probes `entry` with these results; returns how many of them were not used.
    async fn scripted(entry: &SinkEntry, results: Vec<Result<(), Error>>) -> usize {
        let results = Mutex::new(VecDeque::from(results));
        probe_until_verified(entry, || {
            let next = results.lock().pop_front();
            Box::pin(async move { next.expect("no further probe") })
        })
        .await;
        results.into_inner().len()
    }

    fn denied() -> Result<(), Error> {
        Err(Error::new(Code::SplunkToken, "Invalid token"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_is_unverified_until_a_probe_succeeds_and_is_probed_again() {
        let (_, entry) = idle();
        assert_eq!(entry.probed_state(), "unverified");
        let probed = scripted(&entry, vec![denied(), denied(), Ok(())]);
        let before = tokio::time::timeout(PROBE_INTERVAL / 2, probed).await;
        assert!(
            before.is_err() && entry.probed_state() == "unverified: Invalid token [splunk_token]"
        );
        assert_eq!(scripted(&entry, vec![denied(), denied(), Ok(()), denied()]).await, 1);
        assert_eq!(entry.probed_state(), "up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_was_sent_an_event_is_no_longer_probed() {
        let (sink, entry) = idle();
        *sink.0.lock() = SinkState::Up;
        assert_eq!(scripted(&entry, vec![denied(), denied()]).await, 1);
        assert_eq!(entry.probed_state(), "unverified", "no result was recorded");
    }

    #[tokio::test]
    async fn a_sink_without_a_destination_is_up_without_an_event() {
        let (_, entry) = idle();
        let kind = SinkKind::Stdout(StdoutConfig::default());
        let config =
            SinkConfig { name: "soc".to_owned(), required: true, format: OutputFormat::Raw, kind };
        probe_until_verified(&entry, || {
            Box::pin(sink::probe(&config, None, ProbeScope::AnyEndpoint))
        })
        .await;
        assert_eq!(entry.probed_state(), "up");
    }

    /// Returns what is logged in two hours of probes that fail with these codes in turn: minute,
    /// and whether as an error.
    async fn logged_in_two_hours(required: bool, codes: &[Code]) -> Vec<(usize, bool)> {
        let (mut failures, mut lines) = (FailureLog::new(required), Vec::new());
        for (number, code) in codes.iter().cycle().take(24).enumerate() {
            if let Some((level, _)) = failures.level(*code) {
                lines.push((number * 5, level == Level::ERROR));
            }
            tokio::time::advance(PROBE_INTERVAL).await;
        }
        lines
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_failure_that_lasts_is_an_error_and_is_repeated_hourly() {
        let lines = logged_in_two_hours(true, &[Code::KafkaTransport]).await;
        assert_eq!(lines, [(0, false), (5, true), (60, true), (115, true)]);
        let turns = logged_in_two_hours(true, &[Code::KafkaTransport, Code::KafkaTimeout]).await;
        assert_eq!(turns.iter().filter(|(_, error)| *error).count(), 4, "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn operator_errors_are_logged_as_errors_immediately() {
        let lines = logged_in_two_hours(true, &[Code::SplunkToken]).await;
        assert_eq!(lines, [(0, true), (55, true), (110, true)]);
        let best_effort = logged_in_two_hours(false, &[Code::SplunkToken]).await;
        assert_eq!(best_effort, [(0, false), (55, false), (110, false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn recovery_is_logged_after_a_logged_failure() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (_, entry) = idle();
        scripted(&entry, vec![Ok(())]).await;
        let logged = || std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(logged(), "", "no failure, no line");
        scripted(&entry, vec![denied(), Ok(())]).await;
        let lines: Vec<String> = logged().lines().map(str::to_owned).collect();
        assert!(lines[0].contains("ERROR") && lines[0].contains("Invalid token"), "{lines:?}");
        assert!(lines[1].contains("INFO") && lines[1].contains("sink recovered"), "{lines:?}");
    }
}
