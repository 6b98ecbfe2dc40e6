//! How long connections live, and how much is read over them.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::http::{Ages, pack};
use super::*;
use crate::error::Code;

const LONG: Duration = Duration::from_secs(3600);
/// Over before the next request.
const GONE: Duration = Duration::from_nanos(1);

/// How many connections three requests take.
async fn connections(ages: Ages) -> usize {
    let hec = stand_in().await;
    let own = settings(&hec);
    let http = Http::with_ages("soc", &own, ages).unwrap();
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    let endpoint = &endpoints.all()[0];
    for _ in 0..3 {
        let ticket = endpoint.session.ticket();
        let body = pack(br#"{"event":"x"}"#.to_vec()).await.unwrap();
        let reply = http.post(&endpoint.event_url, &ticket, body).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    assert_eq!(hec.count(), 3);
    hec.connections()
}

#[tokio::test]
async fn connections_are_kept_and_not_for_ever() {
    assert_eq!(connections(Ages { idle: LONG, client: LONG }).await, 1);
    assert_eq!(connections(Ages { idle: LONG, client: GONE }).await, 3, "names are resolved again");
    assert_eq!(connections(Ages { idle: GONE, client: LONG }).await, 3, "idle ones are not used");
    assert_eq!(connections(Ages::DEFAULT).await, 1);
    assert!(Ages::DEFAULT.idle < Duration::from_secs(60), "a balancer closes them after 60 s");
    assert!(Ages::DEFAULT.client <= Duration::from_secs(120));
}

/// A proxy whose error page quotes the token and has no end; counts what it could get rid of.
async fn endless(written: Arc<AtomicUsize>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let head = "HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\n\r\n";
            let line = "<p>authorization: Splunk stand-in-token</p>\n".repeat(100);
            let chunk = format!("{:x}\r\n{line}\r\n", line.len());
            if stream.write_all(head.as_bytes()).await.is_ok() {
                while stream.write_all(chunk.as_bytes()).await.is_ok() {
                    written.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            }
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn an_error_page_without_end_is_cut_and_what_is_quoted_of_it_holds_no_token() {
    let written = Arc::new(AtomicUsize::new(0));
    let (url, _tasks) = endless(written.clone()).await;
    let hec = stand_in().await;
    let own = SplunkConfig { endpoints: vec![url.parse().unwrap()], ..settings(&hec) };
    let http = Http::new("soc", &own).unwrap();
    let endpoints = Endpoints::new("soc", &own.endpoints).unwrap();
    let endpoint = &endpoints.all()[0];
    let ticket = endpoint.session.ticket();
    let body = pack(b"{}".to_vec()).await.unwrap();
    let reply = http.post(&endpoint.event_url, &ticket, body).await.unwrap();
    assert_eq!(reply.status, 502);
    assert!(reply.body.len() <= 64 * 1024, "{}", reply.body.len());
    // What lies in sockets' buffers is not read by us; a page that is read whole would have no end.
    assert!(written.load(Ordering::Relaxed) < 64 << 20);
    let text = String::from_utf8_lossy(&reply.body);
    assert!(text.starts_with("<p>authorization: Splunk [redacted]</p>"), "{}", &text[..100]);
    assert!(!text.contains("stand-in-token"));

    let running = run(own);
    let deliver = Box::pin(running.built.deliver(vec![event(0)]));
    let trouble = Box::pin(running.trouble());
    let futures_util::future::Either::Right((error, _)) =
        futures_util::future::select(deliver, trouble).await
    else {
        panic!("delivered to a proxy")
    };
    assert_eq!(error.code, Code::SplunkUnavailable);
    assert!(error.text.len() < 400 && error.text.contains("[redacted]"), "{error}");
    assert!(!error.text.contains("stand-in-token"), "{error}");
    running.finish().await;
}
