//! Splunk as cheap as can be: it lets each request's bytes go by, counts them, and says that all is
//! indexed.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running collector; it ends when it is dropped.
pub(crate) struct Collector {
    pub(crate) url: String,
    bytes: Arc<AtomicU64>,
    _server: JoinSet<()>,
}

impl Collector {
    /// Bytes of bodies since this was last asked.
    pub(crate) fn take_bytes(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }
}

pub(crate) async fn start() -> Result<Collector, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = bytes.clone();
    let answer = move |body: Body| {
        let counted = counted.clone();
        async move {
            let mut chunks = body.into_data_stream();
            while let Some(Ok(chunk)) = chunks.next().await {
                counted.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
            r#"{"text":"Success","code":0}"#
        }
    };
    let mut server = JoinSet::new();
    server.spawn(async move {
        let _ = axum::serve(listener, Router::new().fallback(answer)).await;
    });
    Ok(Collector { url, bytes, _server: server })
}
