//! What a try without an event finds, and what it does about a secret that AWS keeps.

use std::sync::Mutex;

use super::*;
use crate::config::{AwsSecret, Stage, Version, Versions};
use crate::sink;

async fn found(own: &SplunkConfig, wanted: Wanted) -> Result<(), Code> {
    let config = config("soc", SinkKind::SplunkHec(own.clone()));
    sink::probe(&config, None, wanted).await.map_err(|error| error.code)
}

/// Answers a request without data like this.
fn answer(hec: &HecStandIn, status: u16, code: i64) {
    hec.change(|options| options.nothing = Some(Fault::code(status, code)));
}

#[tokio::test]
async fn a_collector_that_answers_nothing_with_success_takes_events() {
    let hec = stand_in().await;
    let own = settings(&hec);
    for (status, code, expected) in
        [(200, 0, Ok(())), (200, 24, Ok(())), (400, 5, Ok(())), (503, 9, Err(Code::SplunkBusy))]
    {
        answer(&hec, status, code);
        assert_eq!(found(&own, Wanted::All).await, expected, "{code}");
    }
}

#[tokio::test]
async fn one_endpoint_that_takes_events_is_enough_for_events_and_not_for_a_check() {
    let (first, second) = (stand_in().await, stand_in().await);
    let endpoints = vec![first.url().parse().unwrap(), second.url().parse().unwrap()];
    let own = SplunkConfig { endpoints, ..settings(&first) };
    for (sick, well) in [(&first, &second), (&second, &first)] {
        answer(sick, 503, 9);
        answer(well, 400, 5);
        assert_eq!(found(&own, Wanted::Any).await, Ok(()));
        assert_eq!(found(&own, Wanted::All).await, Err(Code::SplunkBusy));
    }
    answer(&first, 503, 9);
    answer(&second, 403, 4);
    assert_eq!(found(&own, Wanted::Any).await, Err(Code::SplunkToken), "what an operator can mend");
}

/// The versions of a secret: current, previous.
struct Shelf(Mutex<[&'static str; 2]>);

impl Versions for Shelf {
    fn get<'a>(
        &'a self,
        _: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
        let [current, previous] = *self.0.lock().unwrap();
        let text = if stage == Stage::Current { current } else { previous };
        Box::pin(async move { Ok(Some(Version { text: text.into(), age: None })) })
    }
}

#[tokio::test]
async fn a_token_that_was_refused_is_asked_of_aws_again_the_one_before_it_included() {
    let options = Options { tokens: vec![hec::Token::new("two")], ..Options::default() };
    let hec = HecStandIn::start(options).await.unwrap();
    // Rotated at Splunk first, or in the secret first.
    for (then, now) in [(["one", "zero"], ["two", "one"]), (["three", "two"], ["three", "two"])] {
        let shelf = Arc::new(Shelf(Mutex::new(then)));
        let secret = Arc::new(AwsSecret::new("prod/hec".to_owned(), None, HOUR));
        secret.connect(shelf.clone());
        let own = SplunkConfig { token: Secret::Aws(secret), ..settings(&hec) };
        assert_eq!(found(&own, Wanted::Any).await, Err(Code::SplunkToken));
        *shelf.0.lock().unwrap() = now;
        assert_eq!(found(&own, Wanted::Any).await, Ok(()), "{now:?}");
    }
}
