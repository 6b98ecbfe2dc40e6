//! Sinks are tried from the start, without an event: a token that was revoked, or a topic that is missing, is better heard
//! of today than with the next certificate. No event waits for it, and none is held back by what it finds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::Level;

use crate::config::SinkConfig;
use crate::error::{Code, Error};
use crate::pipeline::SinkEntry;
use crate::sink::{self, SinkState, Wanted};

/// Until the next try: as often as secrets are read again.
const AGAIN: Duration = Duration::from_secs(300);

/// Until what lasts is said again: the alarm on `ERROR` lines holds for an hour, and no message is held that another would see.
const REMINDER: Duration = Duration::from_secs(55 * 60);

/// Tries a sink again and again until it answers, or an event has been sent there. `aws` are the
/// credentials that it logs in with, if it does.
pub(crate) async fn at_sink(
    entry: Arc<SinkEntry>,
    config: SinkConfig,
    aws: Option<SharedCredentialsProvider>,
) {
    at(&entry, || Box::pin(sink::probe(&config, aws.clone(), Wanted::Any))).await;
}

async fn at<'a>(entry: &SinkEntry, probe: impl Fn() -> BoxFuture<'a, Result<(), Error>>) {
    let (sink, mut said) = (entry.name.as_str(), Said::default());
    loop {
        let found = probe().await;
        let state = entry.state();
        let answers = match state {
            SinkState::Unverified => found.is_ok(),
            _ => state == SinkState::Up,
        };
        if answers && !said.at.is_empty() {
            tracing::info!(sink, "the sink answers now");
        }
        // What events were answered says more, and the sink has said it.
        if state != SinkState::Unverified {
            return;
        }
        let Err(Error { code, text, .. }) = &found else { return entry.note_probe(found) };
        let code = *code;
        match said.level(entry.required, code) {
            Some(Level::ERROR) => {
                tracing::error!(sink, code = code.as_str(), "the sink would take no event: {text}");
            }
            Some(_) => {
                tracing::warn!(sink, code = code.as_str(), "the sink would take no event: {text}")
            }
            None => {}
        }
        entry.note_probe(found);
        tokio::time::sleep(AGAIN).await;
    }
}

/// When each cause was last said, and how loudly.
#[derive(Default)]
struct Said {
    at: BTreeMap<(Code, Level), Instant>,
}

impl Said {
    /// How to say `code`, if it is time to.
    fn level(&mut self, required: bool, code: Code) -> Option<Level> {
        let lasts = code.needs_operator() || !self.at.is_empty();
        let level = if required && lasts { Level::ERROR } else { Level::WARN };
        let said = self.at.get(&(code, level));
        let due = said.is_none_or(|said| said.elapsed() >= REMINDER);
        due.then(|| {
            self.at.insert((code, level), Instant::now());
            level
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;
    use crate::config::{OutputFormat, SinkKind, StdoutConfig};
    use crate::error::{Code, Outcome};
    use crate::event::Event;
    use crate::pipeline::SinkPart;
    use crate::sink::{Built, Sink};

    /// A sink to which no event was sent, until its state says so.
    struct Idle(Mutex<SinkState>);

    impl Sink for Idle {
        fn deliver(&self, _: Vec<Arc<Event>>) -> BoxFuture<'_, Vec<Outcome>> {
            Box::pin(std::future::pending())
        }
        fn state(&self) -> SinkState {
            self.0.lock().unwrap().clone()
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

    /// Tries `entry` with these answers, and as often as there are any; how many are left.
    async fn scripted(entry: &SinkEntry, answers: Vec<Result<(), Error>>) -> usize {
        let answers = Mutex::new(VecDeque::from(answers));
        at(entry, || {
            let next = answers.lock().unwrap().pop_front();
            Box::pin(async move { next.expect("asked no more often than this") })
        })
        .await;
        answers.into_inner().unwrap().len()
    }

    fn refused() -> Result<(), Error> {
        Err(Error::new(Code::SplunkToken, "Invalid token"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_is_untried_until_it_answers_and_is_asked_again_meanwhile() {
        let (_, entry) = idle();
        assert_eq!(entry.probed_state(), "unverified");
        let asked = scripted(&entry, vec![refused(), refused(), Ok(())]);
        let before = tokio::time::timeout(AGAIN / 2, asked).await;
        assert!(
            before.is_err() && entry.probed_state() == "unverified: Invalid token [splunk_token]"
        );
        assert_eq!(scripted(&entry, vec![refused(), refused(), Ok(()), refused()]).await, 1);
        assert_eq!(entry.probed_state(), "up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_was_sent_an_event_speaks_for_itself() {
        let (sink, entry) = idle();
        *sink.0.lock().unwrap() = SinkState::Up;
        assert_eq!(scripted(&entry, vec![refused(), refused()]).await, 1);
        assert_eq!(entry.probed_state(), "unverified", "nothing was noted");
    }

    #[tokio::test]
    async fn what_can_be_reached_is_up_without_an_event() {
        let (_, entry) = idle();
        let kind = SinkKind::Stdout(StdoutConfig::default());
        let config =
            SinkConfig { name: "soc".to_owned(), required: true, format: OutputFormat::Raw, kind };
        at(&entry, || Box::pin(sink::probe(&config, None, Wanted::Any))).await;
        assert_eq!(entry.probed_state(), "up");
    }

    /// What is said of required (or best-effort) sinks in two hours of tries that are refused with these codes in turn:
    /// after how many minutes, and whether as an error.
    async fn said_in_two_hours(required: bool, codes: &[Code]) -> Vec<(usize, bool)> {
        let (mut said, mut lines) = (Said::default(), Vec::new());
        for (number, code) in codes.iter().cycle().take(24).enumerate() {
            if let Some(level) = said.level(required, *code) {
                lines.push((number * 5, level == Level::ERROR));
            }
            tokio::time::advance(AGAIN).await;
        }
        lines
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_may_heal_is_an_error_if_it_does_not_and_is_said_again_within_the_hour() {
        let lines = said_in_two_hours(true, &[Code::KafkaTransport]).await;
        assert_eq!(lines, [(0, false), (5, true), (60, true), (115, true)]);
        let turns = said_in_two_hours(true, &[Code::KafkaTransport, Code::KafkaTimeout]).await;
        assert_eq!(turns.iter().filter(|(_, error)| *error).count(), 4, "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_an_operator_can_mend_is_an_error_at_once() {
        let lines = said_in_two_hours(true, &[Code::SplunkToken]).await;
        assert_eq!(lines, [(0, true), (55, true), (110, true)]);
        let best_effort = said_in_two_hours(false, &[Code::SplunkToken]).await;
        assert_eq!(best_effort, [(0, false), (55, false), (110, false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn that_a_sink_answers_again_is_said_if_it_was_said_that_it_did_not() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (_, entry) = idle();
        scripted(&entry, vec![Ok(())]).await;
        let said = || std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(said(), "", "all is well");
        scripted(&entry, vec![refused(), Ok(())]).await;
        let lines: Vec<String> = said().lines().map(str::to_owned).collect();
        assert!(lines[0].contains("ERROR") && lines[0].contains("Invalid token"), "{lines:?}");
        assert!(lines[1].contains("INFO") && lines[1].contains("the sink answers now"));
    }
}
