//! Secrets Manager on loopback: a valid response to the first request, invalid ones with the secret
//! in each to the next, and then valid ones again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running server; it stops when it is dropped.
pub(crate) struct SecretsManager {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl SecretsManager {
    pub(crate) async fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let (count, token) = (requests.clone(), token.to_owned());
        let respond = move || {
            let (count, token) = (count.clone(), token.clone());
            async move { response(count.fetch_add(1, Ordering::SeqCst), &token) }
        };
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, Router::new().fallback(respond)).await;
        });
        Self { url, requests, _server: server }
    }

    /// The number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn response(number: usize, token: &str) -> Response {
    let text = serde_json::json!({ "token": token, "other": 1 }).to_string();
    let valid = serde_json::json!({
        "ARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:hec-AbCdEf",
        "Name": "hec", "VersionId": "v1", "SecretString": text, "CreatedDate": 1_790_000_000.0,
    })
    .to_string();
    let json = [("content-type", "application/x-amz-json-1.1")];
    match number {
        // Cut in the middle: no JSON, and half of it is the secret.
        1 | 2 => (StatusCode::OK, json, valid[..valid.len() - 30].to_owned()).into_response(),
        // No text, but bytes.
        3 => {
            let binary = valid.replace("SecretString", "Secretstring");
            (StatusCode::OK, json, binary).into_response()
        }
        // A proxy's error page that quotes the response.
        4 => (StatusCode::BAD_REQUEST, format!("<html><pre>{valid}</pre>")).into_response(),
        // Without the configured member.
        5 => (StatusCode::OK, json, valid.replace("\\\"token\\\"", "\\\"tokn\\\"")).into_response(),
        _ => (StatusCode::OK, json, valid).into_response(),
    }
}
