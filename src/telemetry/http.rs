//! Serves `/livez`, `/readyz` and `/metrics`. Anybody on the network may connect, so one connection
//! is one request, which takes seconds at most, and new connections replace old ones: slow clients
//! keep neither the health check out nor the process alive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Health, LogThrottle};
use crate::error::{Code, Error};
use crate::escape::escape_json;

/// Connections that are open at once; a further one closes the oldest.
const MAX_CONNECTIONS: u64 = 64;

/// Time from the accepted connection to the end of its response.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of a request that are buffered.
const MAX_BUFFER: usize = 16 << 10;

/// Delay after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time until the same failure is logged again.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Serves the endpoints on `listener` until `stop`; then the open connections are closed.
pub(crate) async fn serve(listener: TcpListener, health: Arc<Health>, stop: CancellationToken) {
    let mut throttle = LogThrottle::new(LOG_INTERVAL);
    let (accepted, _) = watch::channel(0);
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = connections.next() => {}
            stream = listener.accept() => match stream {
                Ok((stream, _)) => {
                    accepted.send_modify(|count| *count += 1);
                    connections.push(serve_one(stream, &health, accepted.subscribe()));
                }
                Err(cause) => {
                    // Descriptors may be short: these are the ones that nobody misses.
                    connections.clear();
                    log_failure(cause, &mut throttle);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

fn log_failure(cause: std::io::Error, throttle: &mut LogThrottle<()>) {
    if let Some(suppressed) = throttle.due(()) {
        let error = Error::caused(Code::HttpListen, "[http] listen", cause);
        let (code, error) = (error.code.as_str(), error.text);
        tracing::warn!(code, error, suppressed, "health connection not accepted");
    }
}

/// Answers the one request of a connection; ends early if so many others were `accepted` that this
/// one may be the oldest.
fn serve_one(
    stream: TcpStream,
    health: &Health,
    mut accepted: watch::Receiver<u64>,
) -> impl Future<Output = ()> {
    let last = *accepted.borrow() + MAX_CONNECTIONS;
    let answer = async |request: Request<Incoming>| {
        Ok::<_, Infallible>(respond(health, request.uri().path()))
    };
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(MAX_BUFFER);
    let served = http.serve_connection(TokioIo::new(stream), service_fn(answer));
    async move {
        tokio::select! {
            // A client that leaves or sends something else than HTTP concerns nobody.
            _ = served => {}
            _ = accepted.wait_for(|count| *count >= last) => {}
            () = tokio::time::sleep(CONNECTION_TIMEOUT) => {}
        }
    }
}

fn respond(health: &Health, path: &str) -> Response<String> {
    let text = "text/plain; charset=utf-8";
    let status = |ok| if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (status, kind, body) = match path {
        "/livez" => match health.live() {
            true => (StatusCode::OK, text, "live\n".to_owned()),
            false => (StatusCode::SERVICE_UNAVAILABLE, text, "stalled\n".to_owned()),
        },
        "/readyz" => {
            let (ready, body) = health.ready();
            let body = format!("{}\n", escape_json(&body.to_string()));
            (status(ready), "application/json", body)
        }
        "/metrics" => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, kind, health.metrics())
        }
        _ => (StatusCode::NOT_FOUND, text, "/livez, /readyz or /metrics\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
#[path = "../../tests/edges/http.rs"]
mod tests;
