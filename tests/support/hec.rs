//! A stand-in for Splunk's HTTP Event Collector, for tests and the demo: it responds as Splunk
//! Enterprise 10 and Cloud were observed to respond, undocumented behaviour included, and records
//! what it indexed.
//!
//! It depends on nothing of certrelay. `objects` reads a request's body, `acks` is indexer
//! acknowledgement; this file is the server. In short:
//!
//! - A body is JSON objects one after the other. The objects before a bad one are indexed, the bad
//!   one and everything after it are not; `invalid-event-number` counts from 0, but from 1 for code
//!   7.
//! - From an object with an unknown key on, nothing is indexed, and the response is 200 all the
//!   same.
//! - AckIds count from 0 for each channel; a `true` is returned once.
//! - `/services/collector/health` requires no token unless configured.

#[path = "hec/acks.rs"]
mod acks;
#[path = "hec/objects.rs"]
mod objects;
#[path = "hec/setup.rs"]
mod setup;
#[cfg(test)]
#[path = "hec/tests.rs"]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use acks::Acks;
use objects::Fault as BadObject;
pub(crate) use objects::Indexed;
pub(crate) use setup::{Fault, Options, Seen, Token};

/// Maximum body that is read.
const MAX_BODY: usize = 64 << 20;

#[derive(Debug)]
struct State {
    options: Options,
    indexed: Vec<Indexed>,
    requests: Vec<Seen>,
    script: VecDeque<Fault>,
    acks: Acks,
    healthy: bool,
    connections: usize,
}

/// A running stand-in; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct HecStandIn {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    requests_changed: Arc<Notify>,
    _server: JoinSet<()>,
}

impl HecStandIn {
    /// Starts listening.
    pub(crate) async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            options,
            indexed: Vec::new(),
            requests: Vec::new(),
            script: VecDeque::new(),
            acks: Acks::default(),
            healthy: true,
            connections: 0,
        }));
        let mut server = JoinSet::new();
        let requests_changed = Arc::new(Notify::new());
        server.spawn(accept(listener, state.clone(), requests_changed.clone()));
        Ok(Self { address, state, requests_changed, _server: server })
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns everything indexed so far, in order.
    pub(crate) fn indexed(&self) -> Vec<Indexed> {
        lock(&self.state).indexed.clone()
    }

    /// Returns the number of events indexed so far.
    pub(crate) fn count(&self) -> usize {
        lock(&self.state).indexed.len()
    }

    /// Returns every request so far, in order.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        lock(&self.state).requests.clone()
    }

    /// Waits until there were this many requests.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        loop {
            let notified = self.requests_changed.notified();
            if lock(&self.state).requests.len() >= count {
                return;
            }
            notified.await;
        }
    }

    /// Scripts the responses to the next requests with events, one each; none of an earlier script
    /// is left.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state).script = faults.into_iter().collect();
    }

    /// Changes the options from the next request on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Options)) {
        change(&mut lock(&self.state).options);
    }

    /// Sets the state that `/health` reports.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        lock(&self.state).healthy = healthy;
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.state).connections
    }

    /// Restarts as after `kill -9`: unwritten events (all of them) are lost, and ackIds count from
    /// 0 again.
    pub(crate) fn restart(&self) {
        let mut state = lock(&self.state);
        state.acks = Acks::default();
        state.indexed.clear();
    }

    /// Acknowledges nothing while `withheld`.
    pub(crate) fn withhold_acks(&self, withheld: bool) {
        lock(&self.state).acks.withhold(withheld);
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, requests_changed: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            lock(&state).connections += 1;
            connections.spawn(serve(stream, state.clone(), requests_changed.clone()));
        }
    }
}

/// No response: hyper closes the connection.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, requests_changed: Arc<Notify>) {
    let service =
        hyper::service::service_fn(|request| respond_to(request, &state, &requests_changed));
    let io = hyper_util::rt::TokioIo::new(stream);
    // Fails when a client closes its connection.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
}

async fn respond_to(
    request: Request<hyper::body::Incoming>,
    state: &Mutex<State>,
    requests_changed: &Notify,
) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    let stored = axum::body::to_bytes(Body::new(body), MAX_BODY).await.map_err(|_| Cut)?;
    let encoding = head.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let body = decompress(encoding, &stored);
    let path = head.uri.path();
    let path = path.strip_prefix(lock(state).options.prefix.as_str()).unwrap_or_default();
    let seen = Seen {
        method: head.method.to_string(),
        path: path.to_owned(),
        headers: head.headers.iter().map(|(k, v)| (k.to_string(), text(v.as_bytes()))).collect(),
        stored_bytes: stored.len(),
        body: body.clone().unwrap_or_default(),
    };
    let (reply, fault) = {
        let mut state = lock(state);
        state.requests.push(seen.clone());
        requests_changed.notify_waiters();
        let for_events = is_event_path(&seen.path) && head.method == Method::POST;
        let fault = match (for_events, stored.is_empty()) {
            (true, true) => state.options.empty_response.clone(),
            (true, false) => state.script.pop_front(),
            (false, _) => None,
        };
        let acts = fault.as_ref().is_none_or(|fault| fault.after_indexing);
        (acts.then(|| state.reply(&seen, body)), fault)
    };
    let Some(fault) = fault else { return Ok(reply.unwrap_or_default()) };
    tokio::time::sleep(fault.delay).await;
    if fault.cut {
        return Err(Cut);
    }
    let mut response = Response::builder().status(fault.status);
    for (name, value) in &fault.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(fault.body)).map_err(|_| Cut)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_event_path(path: &str) -> bool {
    matches!(
        path.trim_end_matches('/'),
        "/services/collector" | "/services/collector/event" | "/services/collector/event/1.0"
    )
}

/// Decompresses a body. `None`: an encoding that HEC does not support, or an invalid stream.
fn decompress(encoding: Option<&str>, stored: &Bytes) -> Option<Vec<u8>> {
    match encoding {
        None | Some("identity") => Some(stored.to_vec()),
        Some("gzip") => {
            let mut body = Vec::new();
            let mut stream =
                flate2::read::MultiGzDecoder::new(stored.as_ref()).take(MAX_BODY as u64);
            stream.read_to_end(&mut body).ok().map(|_| body)
        }
        Some(_) => None,
    }
}

impl State {
    fn reply(&mut self, seen: &Seen, body: Option<Vec<u8>>) -> Response<Body> {
        let path = seen.path.trim_end_matches('/');
        let mut response = match (seen.method.as_str(), path) {
            ("GET", "/services/collector/health" | "/services/collector/health/1.0") => {
                self.health(seen)
            }
            ("POST", "/services/collector/ack") => self.poll(seen, body),
            ("POST", path) if is_event_path(path) => self.events(seen, body),
            (_, path) if path.starts_with("/services/collector") => {
                hec(405, 405, "Method Not Allowed")
            }
            _ => hec(404, 404, "The requested URL was not found on this server."),
        };
        let cookie = self.options.cookie.as_deref().and_then(|cookie| cookie.parse().ok());
        if let Some(cookie) = cookie {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    fn health(&self, seen: &Seen) -> Response<Body> {
        if self.options.health_needs_token
            && let Err(response) = self.token(seen)
        {
            return *response;
        }
        match self.healthy {
            true => hec(200, 17, "HEC is healthy"),
            false => hec(503, 18, "HEC is unhealthy, queues are full"),
        }
    }

    /// Returns the token of a request, or the error response.
    fn token(&self, seen: &Seen) -> Result<Token, Box<Response<Body>>> {
        let deny = |status, code, text| Err(Box::new(hec(status, code, text)));
        let Some(header) = seen.header(AUTHORIZATION.as_str()) else {
            return deny(401, 2, "Token is required");
        };
        let Some(value) = header.strip_prefix("Splunk ") else {
            return deny(401, 3, "Invalid authorization");
        };
        match self.options.tokens.iter().find(|token| token.value == value) {
            None => deny(403, 4, "Invalid token"),
            Some(token) if token.disabled => deny(403, 1, "Token disabled"),
            Some(token) => Ok(token.clone()),
        }
    }

    fn events(&mut self, seen: &Seen, body: Option<Vec<u8>>) -> Response<Body> {
        let token = match self.token(seen) {
            Ok(token) => token,
            Err(response) => return *response,
        };
        let Some(body) = body else { return page(415, "Unsupported Media Type") };
        let channel = match self.channel(seen, &token) {
            Ok(channel) => channel,
            Err(response) => return *response,
        };
        if body.len() > self.options.max_content_length {
            return match self.options.oversize_as_bad_data {
                true => self.respond_with(400, &BadObject { code: 6, number: Some(0) }, None),
                false => page(413, "Content-Length too large"),
            };
        }
        let (indexed, fault) = objects::read(&body, &token.indexes, &self.options.reject, &channel);
        let ack_id = (token.use_ack && !(indexed.is_empty() && fault.is_some()))
            .then(|| self.acks.issue(&channel));
        self.indexed.extend(indexed);
        match fault {
            Some(fault) => self.respond_with(400, &fault, ack_id),
            None => {
                let mut body = json!({ "text": "Success", "code": self.options.success });
                if let Some(ack_id) = ack_id {
                    body["ackId"] = json!(ack_id);
                }
                self.respond(200, body)
            }
        }
    }

    /// Returns the channel: required with acknowledgement, and always a GUID.
    fn channel(&self, seen: &Seen, token: &Token) -> Result<String, Box<Response<Body>>> {
        match seen.header("x-splunk-request-channel") {
            None if token.use_ack => Err(Box::new(hec(400, 10, "Data channel is missing"))),
            Some(channel) if !is_guid(channel) => {
                Err(Box::new(hec(400, 11, "Invalid data channel")))
            }
            channel => Ok(channel.unwrap_or_default().to_owned()),
        }
    }

    fn poll(&mut self, seen: &Seen, body: Option<Vec<u8>>) -> Response<Body> {
        let token = match self.token(seen) {
            Ok(token) => token,
            Err(response) => return *response,
        };
        if !token.use_ack {
            return hec(400, 14, "ACK is disabled");
        }
        let channel = match self.channel(seen, &token) {
            Ok(channel) => channel,
            Err(response) => return *response,
        };
        let polled: Option<Value> = body.and_then(|body| serde_json::from_slice(&body).ok());
        let Some(polled) = polled.as_ref().and_then(|body| body["acks"].as_array()) else {
            return hec(400, 6, "Invalid data format");
        };
        let ids = polled.iter().filter_map(Value::as_u64);
        let acks: serde_json::Map<String, Value> =
            ids.map(|id| (id.to_string(), json!(self.acks.take(&channel, id)))).collect();
        self.respond(200, json!({ "acks": acks }))
    }

    fn respond_with(&self, status: u16, fault: &BadObject, ack_id: Option<u64>) -> Response<Body> {
        let mut body = json!({ "text": objects::text_of(fault.code), "code": fault.code });
        if let Some(number) = fault.number {
            body["invalid-event-number"] = json!(number);
        }
        if let Some(ack_id) = ack_id {
            body["ackId"] = json!(ack_id);
        }
        self.respond(status, body)
    }

    fn respond(&self, status: u16, mut body: Value) -> Response<Body> {
        if self.options.as_text {
            write_as_text(&mut body);
        }
        respond(status, &body)
    }
}

/// Turns numbers and flags into strings.
fn write_as_text(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(write_as_text),
        Value::Number(_) | Value::Bool(_) => *value = Value::String(value.to_string()),
        _ => {}
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn hec(status: u16, code: i64, text: &str) -> Response<Body> {
    respond(status, &json!({ "text": text, "code": code }))
}

fn page(status: u16, title: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("<!doctype html><title>{title}</title>")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn respond(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
}
