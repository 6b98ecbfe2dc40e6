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
    assert!(matches!(&outcomes[0], Outcome::Rejected(error) if error.text.contains("[redacted]")));
    assert_eq!(outcomes[1], Outcome::Delivered);
    said.push_str(&format!("{outcomes:?}{states}{}{}", running.metrics.encode(), log.text()));
    for reason in ["splunk_unavailable", "splunk_token", "splunk_redirect", "splunk_transport"] {
        assert!(said.contains(reason), "{reason} is not in {said}");
    }
    assert!(!said.contains(CANARY), "{said}");
    running.finish().await;
}

/// How many requests it takes to deliver one event with each of two tokens, of which Splunk takes the second only when
/// its file has it.
async fn requests_through_a_rotation(refresh: Duration) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one").unwrap();
    let options = Options { tokens: vec![hec::Token::new("one")], ..Options::default() };
    let hec = HecStandIn::start(options).await.unwrap();
    let token = Secret::File { path: path.clone(), refresh };
    let running = run(SplunkConfig { token, ..settings(&hec) });
    assert_eq!(running.built.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    std::fs::write(&path, "two").unwrap();
    hec.change(|options| options.tokens = vec![hec::Token::new("two")]);
    assert_eq!(running.built.deliver(vec![event(1)]).await, [Outcome::Delivered]);
    running.finish().await;
    posts(&hec)
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_after_its_refresh_and_when_it_is_refused() {
    assert_eq!(requests_through_a_rotation(Duration::ZERO).await, 2);
    assert_eq!(requests_through_a_rotation(Duration::from_secs(3600)).await, 3);
}
