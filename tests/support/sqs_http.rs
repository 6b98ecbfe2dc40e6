//! SQS over HTTP: the AWS JSON 1.0 protocol in front of the SQS model, for any SDK.
//!
//! It listens on 127.0.0.1 and a port that the kernel chooses, checks no signature, and responds in
//! AWS's shapes, so that a client cannot distinguish it from the service. It counts calls by action
//! and can make calls fail ([`Fault`]); faults of messages are those of
//! [`super::queue_core::Faults`].

mod actions;
mod attributes;
mod response;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::queue_core::ACCOUNT;
use super::sqs::Sqs;

/// A running endpoint; dropping it stops it.
pub struct SqsHttp {
    endpoint: Arc<Endpoint>,
    _server: JoinSet<()>,
}

/// A fault of a call, before it reaches the queue or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503 `ServiceUnavailable`, without effect.
    Unavailable,
    /// 400 `RequestThrottled`, without effect.
    Throttled,
    /// 403 `AccessDenied`, the response to a missing permission, without effect.
    Denied,
    /// The call is delayed by this time, then succeeds.
    Delayed(Duration),
    /// The call takes effect but the response is 503: the client cannot know.
    ResponseLost,
}

/// A fault of the next calls.
#[derive(Debug, Clone)]
struct Scripted {
    action: Option<String>,
    fault: Fault,
    times: u32,
}

struct Endpoint {
    sqs: Arc<Sqs>,
    url: String,
    script: Mutex<Vec<Scripted>>,
    calls: Mutex<BTreeMap<String, u64>>,
}

impl SqsHttp {
    /// Serves `sqs` on 127.0.0.1, on `port` (0: the kernel chooses).
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub async fn start(sqs: Arc<Sqs>, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let endpoint = Arc::new(Endpoint {
            sqs,
            url: format!("http://{address}"),
            script: Mutex::default(),
            calls: Mutex::default(),
        });
        let app = Router::new().fallback(handle).with_state(Arc::clone(&endpoint));
        let mut server = JoinSet::new();
        let listener = axum::serve::ListenerExt::tap_io(listener, |connection| {
            // Small responses: Nagle's algorithm would add 40 ms to each.
            let _ = connection.set_nodelay(true);
        });
        server.spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { endpoint, _server: server })
    }

    /// `http://127.0.0.1:PORT`, the value for `AWS_ENDPOINT_URL_SQS`.
    pub fn url(&self) -> &str {
        &self.endpoint.url
    }

    /// The URL of a queue, whether it exists or not.
    pub fn queue_url(&self, name: &str) -> String {
        self.endpoint.queue_url(name)
    }

    /// Makes the next `times` calls of `action` (of any, if `None`) fail with `fault`.
    pub fn script(&self, action: Option<&str>, fault: Fault, times: u32) {
        let scripted = Scripted { action: action.map(str::to_owned), fault, times };
        self.endpoint.script.lock().push(scripted);
    }

    /// The number of calls of each action, faults included.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.endpoint.calls.lock().clone()
    }
}

impl Endpoint {
    fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.url)
    }

    /// Counts the call, and takes the first scripted fault for it.
    fn next_fault(&self, action: &str) -> Option<Fault> {
        *self.calls.lock().entry(action.to_owned()).or_default() += 1;
        let mut script = self.script.lock();
        let matches = |s: &Scripted| s.action.as_deref().is_none_or(|name| name == action);
        let index = script.iter().position(matches)?;
        script[index].times = script[index].times.saturating_sub(1);
        let fault = script[index].fault;
        if script[index].times == 0 {
            script.remove(index);
        }
        Some(fault)
    }
}

async fn handle(
    State(endpoint): State<Arc<Endpoint>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some(action) = target.and_then(|target| target.strip_prefix("AmazonSQS.")) else {
        return response::error(&response::unknown_operation(
            "no X-Amz-Target: AmazonSQS.<Action> header",
        ));
    };
    let fault = endpoint.next_fault(action);
    match fault {
        Some(Fault::Unavailable) => return response::error(&response::unavailable()),
        Some(Fault::Throttled) => return response::error(&response::throttled()),
        Some(Fault::Denied) => return response::error(&response::denied(action)),
        Some(Fault::Delayed(time)) => tokio::time::sleep(time).await,
        Some(Fault::ResponseLost) | None => {}
    }
    let result = match serde_json::from_slice(&body) {
        Ok(input) => actions::call(&endpoint, action, &input).await,
        Err(error) => Err(response::malformed(&error)),
    };
    match result {
        _ if fault == Some(Fault::ResponseLost) => response::error(&response::unavailable()),
        Ok(output) => response::respond(StatusCode::OK, None, &output),
        Err(error) => response::error(&error),
    }
}
