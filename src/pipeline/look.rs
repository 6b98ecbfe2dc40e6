//! Sinks are tried from the start, without an event: a token that was revoked, or a topic that is missing, is better heard
//! of today than with the next certificate. No event waits for it, and none is held back by what it finds.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::{BoxFuture, join_all};
use tokio_util::sync::CancellationToken;

use super::wire::{Post, Wire};
use crate::config::SinkConfig;
use crate::outcome::Why;
use crate::sink::{self, SinkState, Wanted};

/// Until the next try: as often as secrets are read again.
const AGAIN: Duration = Duration::from_secs(300);

/// A sink to try, and the AWS credentials that it logs in with, if it does.
pub type Look = (SinkConfig, Option<SharedCredentialsProvider>);

/// Tries each sink again and again until it answers, or an event has been sent there.
pub(super) async fn at_sinks(wire: Arc<Wire>, looks: Vec<Look>, stop: CancellationToken) {
    let all = looks.iter().filter_map(|(config, aws)| {
        let post = wire.posts.iter().find(|post| post.name == config.name)?;
        Some(at(post, move || Box::pin(sink::probe(config, aws.clone(), Wanted::Any))))
    });
    stop.run_until_cancelled(join_all(all)).await;
}

async fn at<'a>(post: &Post, probe: impl Fn() -> BoxFuture<'a, Result<(), Why>>) {
    let mut said = "";
    loop {
        let found = probe().await;
        // What events were answered says more, and the sink has said it.
        if post.sink.state() != SinkState::Untried {
            return;
        }
        let Err(why) = &found else { return post.looked(found) };
        if why.code != said {
            said = why.code;
            tell(post, why);
        }
        post.looked(found);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Once for each cause.
fn tell(post: &Post, Why { code, text }: &Why) {
    let sink = post.name.as_str();
    if post.required {
        tracing::error!(sink, code, "the sink would take no event: {text}");
    } else {
        tracing::warn!(sink, code, "the sink would take no event: {text}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;
    use crate::config::{OutputFormat, SinkKind, StdoutConfig};
    use crate::event::Event;
    use crate::outcome::Outcome;
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

    fn idle() -> (Arc<Idle>, Post) {
        let sink = Arc::new(Idle(Mutex::new(SinkState::Untried)));
        let built = Built {
            name: "soc".to_owned(),
            required: true,
            sink: sink.clone(),
            driver: Box::pin(async {}),
        };
        (sink, Post::new(&built))
    }

    /// Tries `post` with these answers, and as often as there are any; how many are left.
    async fn scripted(post: &Post, answers: Vec<Result<(), Why>>) -> usize {
        let answers = Mutex::new(VecDeque::from(answers));
        at(post, || {
            let next = answers.lock().unwrap().pop_front();
            Box::pin(async move { next.expect("asked no more often than this") })
        })
        .await;
        answers.into_inner().unwrap().len()
    }

    fn refused() -> Result<(), Why> {
        Err(Why::new("splunk_token", "Invalid token"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_is_untried_until_it_answers_and_is_asked_again_meanwhile() {
        let (_, post) = idle();
        assert_eq!(post.untried(), "untried");
        let asked = scripted(&post, vec![refused(), refused(), Ok(())]);
        let before = tokio::time::timeout(AGAIN / 2, asked).await;
        assert!(before.is_err() && post.untried() == "untried: Invalid token [splunk_token]");
        assert_eq!(scripted(&post, vec![refused(), refused(), Ok(()), refused()]).await, 1);
        assert_eq!(post.untried(), "up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_was_sent_an_event_speaks_for_itself() {
        let (sink, post) = idle();
        *sink.0.lock().unwrap() = SinkState::Up;
        assert_eq!(scripted(&post, vec![refused(), refused()]).await, 1);
        assert_eq!(post.untried(), "untried", "nothing was noted");
    }

    #[tokio::test]
    async fn what_can_be_reached_is_up_without_an_event() {
        let (_, post) = idle();
        let kind = SinkKind::Stdout(StdoutConfig::default());
        let config =
            SinkConfig { name: "soc".to_owned(), required: true, format: OutputFormat::Raw, kind };
        at(&post, || Box::pin(sink::probe(&config, None, Wanted::Any))).await;
        assert_eq!(post.untried(), "up");
    }
}
