//! The HTTP sink against a webhook on loopback whose responses are scripted.

use std::collections::VecDeque;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;

use super::*;
use crate::config::{SinkKind, Tls};
use crate::sink::testing::{Running, config, event, event_with, render_record};

type Responses = Arc<Mutex<VecDeque<(u16, Option<&'static str>)>>>;
type Requests = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A webhook: 200 to everything that is not scripted; an event that contains `bad` is 400.
struct Webhook {
    url: String,
    requests: Requests,
    _task: tokio::task::JoinSet<()>,
}

impl Webhook {
    async fn start(script: &[(u16, Option<&'static str>)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let requests = Requests::default();
        let responses: Responses = Arc::new(Mutex::new(script.iter().copied().collect()));
        let seen = Arc::clone(&requests);
        let respond = move |headers: HeaderMap, body: Bytes| {
            let body = String::from_utf8(body.to_vec()).expect("text");
            let bad = body.contains("bad");
            seen.lock().push((headers, body));
            let scripted = responses.lock().pop_front();
            let (status, after) = scripted.unwrap_or((if bad { 400 } else { 200 }, None));
            let status = StatusCode::from_u16(status).expect("a status");
            let headers: Vec<_> = after.map(|after| ("retry-after", after)).into_iter().collect();
            std::future::ready((status, axum::response::AppendHeaders(headers)).into_response())
        };
        let app = Router::new().route("/hook", post(respond));
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, requests, _task: task }
    }

    fn settings(&self) -> HttpConfig {
        HttpConfig {
            url: self.url.parse().expect("a URL"),
            authorization: Some(Secret::Literal(Arc::new("Bearer canary".into()))),
            signing_key: Some(Secret::Literal(Arc::new("key".into()))),
            body: HttpBody::Ndjson,
            max_batch_bytes: 1_000_000,
            timeout: Duration::from_secs(10),
            tls: Tls::default(),
        }
    }

    fn bodies(&self) -> Vec<String> {
        self.requests.lock().iter().map(|(_, body)| body.clone()).collect()
    }
}

fn run(settings: &HttpConfig) -> Running {
    let config = config("hook", SinkKind::Http(settings.clone()));
    Running::start(&config, |context| {
        let sink = HttpSink::new(&config, settings, render_record).expect("a sink");
        driver::start(context, sink, LIMITS)
    })
}

#[tokio::test]
async fn events_are_posted_as_ndjson_with_login_and_signature() {
    let webhook = Webhook::start(&[]).await;
    let sink = run(&webhook.settings());
    assert_eq!(sink.deliver(vec![event(1), event(2)]).await, vec![Outcome::Delivered; 2]);
    let (headers, body) = webhook.requests.lock()[0].clone();
    let lines: Vec<&str> = body.lines().collect();
    assert_eq!(
        lines,
        [&event(1), &event(2)]
            .map(|e| std::str::from_utf8(&e.record().bytes).expect("text").to_owned())
    );
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["authorization"], "Bearer canary");
    // As any receiver verifies it.
    let signature = headers[SIGNATURE].to_str().expect("text");
    let (seconds, hex) =
        signature.strip_prefix("t=").and_then(|s| s.split_once(",v1=")).expect("two parts");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").expect("a key");
    mac.update(format!("{seconds}.{body}").as_bytes());
    mac.verify_slice(&HEXLOWER.decode(hex.as_bytes()).expect("hex")).expect("the signature");
    sink.finish().await;
}

#[tokio::test]
async fn one_event_a_request_has_its_id_as_idempotency_key() {
    let webhook = Webhook::start(&[]).await;
    let sink = run(&HttpConfig { body: HttpBody::Event, ..webhook.settings() });
    sink.deliver(vec![event(1), event(2)]).await;
    let keys: Vec<_> = webhook
        .requests
        .lock()
        .iter()
        .map(|(headers, _)| headers["idempotency-key"].clone())
        .collect();
    assert_eq!(keys, ["event-1", "event-2"]);
    sink.finish().await;
}

#[tokio::test]
async fn a_bad_event_is_rejected_alone_and_no_other_is_sent_twice() {
    let webhook = Webhook::start(&[]).await;
    let sink = run(&webhook.settings());
    let mut events: Vec<_> = (0..7).map(event).collect();
    events.insert(3, event_with("event-bad", ""));
    let outcomes = sink.deliver(events).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Rejected(error) => assert_eq!((index, error.code), (3, Code::HttpRejected)),
            outcome => assert_eq!(*outcome, Outcome::Delivered),
        }
    }
    let accepted: Vec<_> =
        webhook.bodies().into_iter().filter(|body| !body.contains("bad")).collect();
    assert_eq!(accepted.concat().lines().count(), 7, "each once");
    sink.finish().await;
}

#[tokio::test]
async fn requests_are_split_by_size_and_an_event_over_it_is_rejected_unsent() {
    let webhook = Webhook::start(&[]).await;
    let sink = run(&HttpConfig { max_batch_bytes: 600, ..webhook.settings() });
    let large = event_with("event-large", &"x".repeat(1000));
    let outcomes = sink.deliver(vec![event(1), event(2), event(3), large]).await;
    assert_eq!(outcomes[..3], vec![Outcome::Delivered; 3]);
    assert!(matches!(&outcomes[3], Outcome::Rejected(error) if error.code == Code::HttpTooLarge));
    assert!(webhook.bodies().iter().all(|body| body.len() <= 600));
    sink.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_about_an_event_is_retried_after_the_delay_that_was_asked_for() {
    let webhook = Webhook::start(&[(503, None), (429, Some("90")), (302, None), (404, None)]).await;
    let sink = run(&webhook.settings());
    let begin = Instant::now();
    assert_eq!(sink.deliver(vec![event(1)]).await, [Outcome::Delivered]);
    assert!(begin.elapsed() >= Duration::from_secs(90));
    assert_eq!(webhook.bodies().len(), 5);
    sink.finish().await;
}

#[tokio::test]
async fn a_refused_login_pauses_the_sink_and_shows_no_secret() {
    let webhook = Webhook::start(&[(401, None); 3]).await;
    let sink = run(&webhook.settings());
    let (outcomes, error) = sink.deliver_while(vec![event(1)], sink.failure()).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    assert_eq!(error.code, Code::HttpAuth);
    assert!(!format!("{error:?} {error}").contains("canary"));
    sink.finish().await;
}

#[test]
fn every_status_has_its_class() {
    for (status, class) in [
        (200, Class::Delivered),
        (204, Class::Delivered),
        (301, Class::Setting(Code::HttpRedirect)),
        (400, Class::Event(Code::HttpRejected)),
        (401, Class::Setting(Code::HttpAuth)),
        (404, Class::Setting(Code::HttpEndpoint)),
        (413, Class::Event(Code::HttpTooLarge)),
        (422, Class::Event(Code::HttpRejected)),
        (429, Class::Busy),
        (500, Class::Busy),
        (503, Class::Busy),
    ] {
        assert_eq!(classify(status), class, "{status}");
    }
}
