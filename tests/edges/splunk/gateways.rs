//! What is between the sink and the collector, or wrong with the token: a gateway's path, numbers
//! rewritten as text, a destination that rejects every event.

use std::pin::pin;

use futures_util::future::{Either, select};

use super::*;

#[tokio::test]
async fn an_endpoint_behind_a_gateways_path_is_used() {
    let hec = stand_in().await;
    hec.change(|options| options.prefix = "/splunk".to_owned());
    let url = format!("{}/splunk", hec.url()).parse().unwrap();
    let own = SplunkConfig { endpoints: vec![url], ..settings(&hec) };
    assert_eq!(probe(&own, ProbeScope::AllEndpoints).await, Ok(()));
    let running = run(own);
    assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    assert_eq!(ids(&hec), ["event-0"]);
    running.finish().await;
}

#[tokio::test]
async fn numbers_and_flags_as_text_are_read() {
    for ack in [false, true] {
        let hec = stand_in().await;
        hec.change(|options| {
            options.as_text = true;
            options.tokens[0].use_ack = ack;
            options.reject = vec![("event-1\"".to_owned(), 12)];
        });
        let running = run(SplunkConfig { ack, ..settings(&hec) });
        let deliver = running.sink.deliver((0..3).map(event).collect());
        let Either::Left((outcomes, _)) = select(deliver, pin!(running.failure())).await else {
            panic!("ack {ack}: {:?}", running.sink.state());
        };
        assert!(matches!(outcomes[1], Outcome::Rejected(_)), "ack {ack}: {outcomes:?}");
        assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Delivered, &Outcome::Delivered));
        assert_eq!((ids(&hec), posts(&hec)), (vec!["event-0".into(), "event-2".into()], 2));
        running.finish().await;
    }
}

#[tokio::test]
async fn a_rejected_token_is_described_and_not_printed() {
    let hec = stand_in().await;
    for (token, fault) in [
        ("\u{feff}stand-in-token", "byte order mark"),
        ("\"stand-in-token\"", "quotation marks"),
        ("Splunk stand-in-token", "begins with \"Splunk \""),
        (" stand-in-token", "white space"),
        ("stand-in token", "white space"),
        ("stand-in-t\u{f6}ken", "ASCII"),
    ] {
        let token = Secret::Literal(Arc::new(token.into()));
        let own = SplunkConfig { token, ..settings(&hec) };
        let error = probe(&own, ProbeScope::AllEndpoints).await.unwrap_err();
        assert_eq!(error.code, Code::SplunkToken, "{error}");
        assert!(error.text.contains(fault) && !error.text.contains("stand-in"), "{error}");
    }
}

#[tokio::test]
async fn a_collector_that_rejects_every_event_pauses_the_sink_without_dead_letters() {
    let hec = stand_in().await;
    let all_with = |code| vec![("UploadServerCertificate".to_owned(), code)];
    for code in [6, 12, 15] {
        hec.change(|options| options.reject = all_with(code));
        let running = run(settings(&hec));
        let deliver = running.sink.deliver((0..60).map(event).collect());
        let Either::Right((error, deliver)) = select(deliver, pin!(running.failure())).await else {
            panic!("code {code}: every event was rejected");
        };
        hec.change(|options| options.reject = vec![("event-7\"".to_owned(), code)]);
        let outcomes = deliver.await;
        assert_eq!(error.code, Code::SinkRejectsAll, "{error}");
        assert!(error.text.contains(&format!("code {code}")), "{error}");
        for (n, outcome) in outcomes.iter().enumerate() {
            match n {
                7 => assert!(matches!(outcome, Outcome::Rejected(_)), "{code}: {outcome:?}"),
                _ => assert_eq!(*outcome, Outcome::Delivered, "{code}: {n}"),
            }
        }
        running.finish().await;
    }
}
