//! Indexer acknowledgement, over loopback.

use super::*;

async fn with_acks(change: impl FnOnce(&mut Options)) -> HecStandIn {
    let mut options = Options::default();
    options.tokens[0].use_ack = true;
    change(&mut options);
    HecStandIn::start(options).await.unwrap()
}

fn acknowledged(hec: &HecStandIn) -> SplunkConfig {
    SplunkConfig { ack: true, ..settings(hec) }
}

/// Runs with a short acknowledgement timeout.
fn run_impatient(hec: &HecStandIn) -> Running {
    run_with(acknowledged(hec), AckTiming { timeout: Duration::from_millis(400), ..FAST })
}

fn channels(hec: &HecStandIn) -> Vec<String> {
    let mut channels: Vec<String> = hec.indexed().into_iter().map(|event| event.channel).collect();
    channels.dedup();
    channels
}

#[tokio::test]
async fn events_are_delivered_when_the_indexer_acknowledges_them() {
    let hec = with_acks(|_| {}).await;
    hec.withhold_acks(true);
    let running = run(SplunkConfig { ack: true, ..settings(&hec) });
    let later = async {
        // Two events of two calls are accepted and polled: requests continue meanwhile.
        hec.wait_for_requests(4).await;
        let pending = running.metrics.encode();
        hec.withhold_acks(false);
        pending
    };
    let first = running.sink.deliver(vec![event(0)]);
    let second = async {
        hec.wait_for_requests(1).await;
        running.deliver(vec![event(1)]).await
    };
    let (first, second, pending) = futures_util::future::join3(first, second, later).await;
    assert_eq!((first, second), (vec![Outcome::Delivered], vec![Outcome::Delivered]));
    assert!(pending.contains(r#"sink_pending_events{sink="soc"} 2"#), "{pending}");
    assert_eq!(ids(&hec), ["event-0", "event-1"]);
    assert_eq!(channels(&hec).len(), 1);
    running.finish().await;
}

#[tokio::test]
async fn events_without_acknowledgement_are_sent_again() {
    let hec = with_acks(|_| {}).await;
    hec.withhold_acks(true);
    let running = run_impatient(&hec);
    let fix = async {
        let error = running.failure().await;
        hec.withhold_acks(false);
        error
    };
    let (outcomes, error) = running.deliver_while(vec![event(0)], fix).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    assert_eq!(error.code, Code::SplunkAckLost);
    let ids = ids(&hec);
    assert!(ids.len() >= 2 && ids.iter().all(|id| id == "event-0"), "{ids:?}");
    running.finish().await;
}

#[tokio::test]
async fn a_token_without_acknowledgement_confirms_nothing() {
    let hec = with_acks(|options| options.tokens[0].use_ack = false).await;
    let running = run(acknowledged(&hec));
    let fix = async {
        let error = running.failure().await;
        assert!(matches!(running.sink.state(), SinkState::Paused(_)));
        hec.change(|options| options.tokens[0].use_ack = true);
        error
    };
    let (outcomes, error) = running.deliver_while(vec![event(0)], fix).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    assert_eq!(error.code, Code::SplunkAckDisabled);
    assert!(error.text.contains("ack = false"), "{error}");
    running.finish().await;
}

#[tokio::test]
async fn a_failed_poll_confirms_nothing() {
    let hec = with_acks(|_| {}).await;
    let running = run_impatient(&hec);
    hec.withhold_acks(true);
    let interfere = async {
        hec.wait_for_requests(1).await;
        // Now `/ack` returns 400 with code 14.
        hec.change(|options| options.tokens[0].use_ack = false);
        hec.withhold_acks(false);
        let error = running.failure().await;
        hec.change(|options| options.tokens[0].use_ack = true);
        error.code
    };
    let (outcomes, code) = running.deliver_while(vec![event(0)], interfere).await;
    assert_eq!((outcomes, code), (vec![Outcome::Delivered], Code::SplunkAckLost));
    running.finish().await;
}

#[tokio::test]
async fn another_indexer_behind_a_load_balancer_means_a_new_channel_and_a_retry() {
    let hec = with_acks(|options| options.cookie = Some("indexer=a; Path=/".to_owned())).await;
    hec.withhold_acks(true);
    let running = run(acknowledged(&hec));
    let move_on = async {
        hec.wait_for_requests(2).await;
        hec.change(|options| options.cookie = Some("indexer=b; Path=/".to_owned()));
        for seen in 3.. {
            if posts(&hec) == 2 {
                break;
            }
            hec.wait_for_requests(seen).await;
        }
        hec.withhold_acks(false);
    };
    let (outcomes, ()) = running.deliver_while(vec![event(0)], move_on).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    assert_eq!((ids(&hec).len(), channels(&hec).len()), (2, 2));
    let cookies: Vec<_> =
        hec.requests().iter().map(|seen| seen.header("cookie").map(str::to_owned)).collect();
    assert_eq!(cookies[..2], [None, Some("indexer=a".to_owned())]);
    assert_eq!(cookies.last(), Some(&Some("indexer=b".to_owned())));
    running.finish().await;
}

#[tokio::test]
async fn events_before_a_bad_one_wait_for_their_own_acknowledgement() {
    let hec = with_acks(|options| options.reject = vec![("event-2".to_owned(), 13)]).await;
    hec.withhold_acks(true);
    let running = run(acknowledged(&hec));
    let release = async {
        hec.wait_for_requests(3).await;
        hec.withhold_acks(false);
    };
    let (outcomes, ()) = running.deliver_while((0..5).map(event).collect(), release).await;
    assert!(matches!(&outcomes[2], Outcome::Rejected(_)), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Delivered).count(), 4);
    assert_eq!(ids(&hec), ["event-0", "event-1", "event-3", "event-4"]);
    running.finish().await;
}

#[tokio::test]
async fn an_ack_of_a_restarted_indexer_does_not_confirm_an_older_request() {
    let hec = with_acks(|_| {}).await;
    hec.withhold_acks(true);
    let running = run_impatient(&hec);
    let first = running.sink.deliver(vec![event(0)]);
    let second = async {
        // Polled for ackId 0, and killed: the first event is lost.
        hec.wait_for_requests(2).await;
        hec.restart();
        // The second event's ackId is 0, too, and polled before its response arrives.
        let body = r#"{"text":"Success","code":0,"ackId":0}"#.to_owned();
        let delay = Duration::from_millis(200);
        hec.script([Fault { body, delay, after_indexing: true, ..Fault::code(200, 0) }]);
        running.deliver(vec![event(1)]).await
    };
    let (first, second) = futures_util::future::join(first, second).await;
    assert_eq!((first, second), (vec![Outcome::Delivered], vec![Outcome::Delivered]));
    let mut ids = ids(&hec);
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["event-0", "event-1"], "delivered means written");
    running.finish().await;
}

#[tokio::test]
async fn a_request_without_a_response_of_hec_abandons_its_channel() {
    let page = Fault { status: 504, body: "<html>".to_owned(), ..Fault::default() };
    for (fault, channels_used) in [(Fault::cut(true), 2), (page, 2), (Fault::code(503, 9), 1)] {
        let hec = with_acks(|_| {}).await;
        hec.script([fault.clone()]);
        let running = run(acknowledged(&hec));
        assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
        let posts = hec.requests().into_iter().filter(|seen| seen.path.ends_with("/event"));
        let channel = |seen: hec::Seen| seen.header("x-splunk-request-channel").map(str::to_owned);
        let used: std::collections::BTreeSet<_> = posts.map(channel).collect();
        assert_eq!(used.len(), channels_used, "{fault:?}");
        running.finish().await;
    }
}

#[tokio::test]
async fn polls_are_not_compressed() {
    let hec = with_acks(|_| {}).await;
    let running = run(acknowledged(&hec));
    assert_eq!(running.deliver(vec![event(0)]).await, [Outcome::Delivered]);
    let encodings: Vec<_> = hec
        .requests()
        .iter()
        .map(|seen| (seen.path.ends_with("/ack"), seen.header("content-encoding").is_some()))
        .collect();
    assert!(encodings.len() >= 2 && encodings.iter().all(|(ack, packed)| ack != packed));
    running.finish().await;
}
