//! The token is a canary: after a run through every kind of failure it stands nowhere but in requests.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::*;

const CANARY: &str = "canary-5f0c2a";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap()
    }
}

#[tokio::test]
async fn the_token_stands_in_no_log_error_metric_or_outcome() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let hec =
        HecStandIn::start(Options { tokens: vec![hec::Token::new(CANARY)], ..Options::default() });
    let hec = hec.await.unwrap();
    let echo = |status| Fault {
        status,
        body: format!("<pre>authorization: Splunk {CANARY}\nx: {CANARY}</pre>"),
        ..Fault::default()
    };
    let named = Fault {
        body: format!(r#"{{"code":4,"text":"no such token {CANARY}"}}"#),
        ..Fault::code(403, 4)
    };
    let refused = Fault {
        body: format!(r#"{{"code":13,"text":"{CANARY}","invalid-event-number":0}}"#),
        ..Fault::code(400, 13)
    };
    hec.script([echo(502), named, echo(303), Fault::cut(false), refused]);
    let own = SplunkConfig { token: Secret::Literal(Arc::new(CANARY.into())), ..settings(&hec) };
    let running = run(own.clone());
    let mut said = format!("{own:?}");
    let watch = async {
        let mut states = String::new();
        for requests in 1..=5 {
            hec.wait_for_requests(requests).await;
            states.push_str(&format!("{:?}", running.built.state()));
        }
        states
    };
    let deliver = running.built.deliver((0..2).map(event).collect());
    let (outcomes, states) = futures_util::future::join(deliver, watch).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(why) if why.text.contains("[redacted]")));
    assert_eq!(outcomes[1], Outcome::Delivered);
    said.push_str(&format!("{outcomes:?}{states}{}{}", running.metrics.encode(), log.text()));
    for reason in ["splunk_unavailable", "splunk_token", "splunk_redirect", "splunk_transport"] {
        assert!(said.contains(reason), "{reason} is not in {said}");
    }
    assert!(!said.contains(CANARY), "{said}");
    running.finish().await;
}
