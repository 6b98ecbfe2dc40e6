//! Requests that are made ready early still go out one at a time, in order.

use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::body::Bytes;

use super::*;

/// Requests that were there at once, and all of them.
#[derive(Default)]
struct Seen {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

#[tokio::test]
async fn a_request_waits_until_the_one_before_it_is_answered() {
    let seen = Arc::new(Seen::default());
    let noted = seen.clone();
    let answer = move |_: Bytes| {
        let seen = noted.clone();
        async move {
            seen.most.fetch_max(seen.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            seen.all.fetch_add(1, Ordering::SeqCst);
            // Time for another one to come, if there is one.
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen.now.fetch_sub(1, Ordering::SeqCst);
            r#"{"text":"Success","code":0}"#
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    let own = SplunkConfig { endpoints: vec![endpoint], ..settings(&stand_in().await) };
    let running = run(own);
    let outcomes = running.built.deliver((0..3000).map(event).collect()).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 3000]);
    let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
    assert!(count(&seen.all) >= 3);
    assert_eq!(count(&seen.most), 1, "of {} requests", count(&seen.all));
    running.finish().await;
}
