//! A reverse proxy in front of the collector: it records requests, and can delay polls for
//! acknowledgements.

use std::io;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use hyper::{Request, Response};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request and its status.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) encoding: Option<String>,
    /// `None`: no response yet.
    pub(crate) status: Option<u16>,
}

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    upstream: String,
    client: reqwest::Client,
    requests: Mutex<Vec<Seen>>,
    withheld: watch::Sender<bool>,
}

impl Proxy {
    /// Starts listening in front of `upstream`.
    pub(crate) async fn start(upstream: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State {
            upstream,
            client: reqwest::Client::new(),
            requests: Mutex::default(),
            withheld: watch::Sender::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Ok(Self { url, state, _tasks: tasks })
    }

    /// Returns every request so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.requests.lock().clone()
    }

    /// Delays polls for acknowledgements while `withheld`.
    pub(crate) fn withhold_acks(&self, withheld: bool) {
        self.state.withheld.send_replace(withheld);
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
        let mut requests = state.requests.lock();
        requests.push(Seen { path: path.clone(), encoding, status: None });
        requests.len() - 1
    };
    if path.ends_with("/ack") {
        let _ = state.withheld.subscribe().wait_for(|withheld| !withheld).await;
    }
    let url = format!("{}{path}", state.upstream);
    let request = state.client.request(head.method, url).headers(head.headers).body(body);
    let upstream = request.send().await.map_err(io::Error::other)?;
    let mut response = Response::builder().status(upstream.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(upstream.headers().clone());
        // These are about the upstream connection.
        headers.remove("connection");
        headers.remove("transfer-encoding");
    }
    let status = upstream.status().as_u16();
    let body = upstream.bytes().await.map_err(io::Error::other)?;
    state.requests.lock()[number].status = Some(status);
    response.body(Body::from(body)).map_err(io::Error::other)
}
