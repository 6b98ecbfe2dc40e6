//! A reverse proxy before the collector: it notes what is asked, and can keep questions about receipts waiting.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request, and how it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) encoding: Option<String>,
    /// `None`: not answered yet.
    pub(crate) status: Option<u16>,
}

/// A proxy that runs until it is dropped.
pub(crate) struct Between {
    pub(crate) url: String,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    upstream: String,
    client: reqwest::Client,
    asked: Mutex<Vec<Asked>>,
    held: watch::Sender<bool>,
}

impl Between {
    /// Starts listening before `upstream`.
    pub(crate) async fn start(upstream: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State {
            upstream,
            client: reqwest::Client::new(),
            asked: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Ok(Self { url, state, _tasks: tasks })
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps questions about receipts waiting while `held`.
    pub(crate) fn hold_acks(&self, held: bool) {
        self.state.held.send_replace(held);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, state.clone()));
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = hyper::service::service_fn(|request| pass(request, &state));
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
}

async fn pass(
    request: Request<hyper::body::Incoming>,
    state: &State,
) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), 64 << 20).await.map_err(io::Error::other)?;
    let path = head.uri.path().to_owned();
    let encoding = head.headers.get("content-encoding");
    let encoding = encoding.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let number = {
        let mut asked = state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Asked { path: path.clone(), encoding, status: None });
        asked.len() - 1
    };
    if path.ends_with("/ack") {
        let _ = state.held.subscribe().wait_for(|held| !held).await;
    }
    let url = format!("{}{path}", state.upstream);
    let request = state.client.request(head.method, url).headers(head.headers).body(body);
    let answer = request.send().await.map_err(io::Error::other)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(answer.headers().clone());
        // About the connection behind, not about ours.
        headers.remove("connection");
        headers.remove("transfer-encoding");
    }
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(io::Error::other)?;
    state.asked.lock().unwrap_or_else(PoisonError::into_inner)[number].status = Some(status);
    response.body(Body::from(body)).map_err(io::Error::other)
}
