//! Secrets Manager on loopback: answers the first question well, the next ones badly, with the secret in each answer,
//! and then well again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running keeper; it ends when it is dropped.
pub(crate) struct Keeper {
    pub(crate) url: String,
    asked: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Keeper {
    pub(crate) async fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, token) = (asked.clone(), token.to_owned());
        let answer = move || {
            let (count, token) = (count.clone(), token.clone());
            async move { answer(count.fetch_add(1, Ordering::SeqCst), &token) }
        };
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, Router::new().fallback(answer)).await;
        });
        Self { url, asked, _server: server }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(number: usize, token: &str) -> Response {
    let text = serde_json::json!({ "token": token, "other": 1 }).to_string();
    let good = serde_json::json!({
        "ARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:hec-AbCdEf",
        "Name": "hec", "VersionId": "v1", "SecretString": text, "CreatedDate": 1_790_000_000.0,
    })
    .to_string();
    let json = [("content-type", "application/x-amz-json-1.1")];
    match number {
        // Cut in the middle: no JSON, and half of it is the secret.
        1 | 2 => (StatusCode::OK, json, good[..good.len() - 30].to_owned()).into_response(),
        // No text, but bytes.
        3 => {
            let binary = good.replace("SecretString", "Secretstring");
            (StatusCode::OK, json, binary).into_response()
        }
        // A page of a proxy that shows what it was about to say.
        4 => (StatusCode::BAD_REQUEST, format!("<html><pre>{good}</pre>")).into_response(),
        // Another object than was agreed.
        5 => (StatusCode::OK, json, good.replace("\\\"token\\\"", "\\\"tokn\\\"")).into_response(),
        _ => (StatusCode::OK, json, good).into_response(),
    }
}
