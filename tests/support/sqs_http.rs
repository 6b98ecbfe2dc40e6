//! SQS over HTTP: the AWS JSON 1.0 protocol in front of the queue core, for any SDK.
//!
//! It listens on 127.0.0.1 and a port the kernel chooses, checks no signature, and answers in AWS's
//! shapes, so that a real client cannot tell it from the service but by its address. It counts calls
//! by action and can be told to misbehave on the way ([`Fault`]); what goes wrong with messages is
//! the core's affair ([`super::queue_core::Faults`]).

mod actions;
mod attributes;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::queue_core::ACCOUNT;
use super::sqs::Sqs;

/// A running endpoint; dropping it closes the port.
pub struct SqsHttp {
    endpoint: Arc<Endpoint>,
    _server: JoinSet<()>,
}

/// What goes wrong with a call before it reaches the queue, or with its answer after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503 `ServiceUnavailable`; nothing happened.
    Unavailable,
    /// 400 `RequestThrottled`; nothing happened.
    Throttled,
    /// 403 `AccessDenied`, as a missing permission answers; nothing happened.
    Denied,
    /// The call waits this long, then goes on as usual.
    Delayed(Duration),
    /// The call is carried out but answered with 503: the client cannot know.
    AnswerLost,
}

/// A fault that waits for its calls.
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
    /// Serves `sqs` on 127.0.0.1, on `port` (0: one the kernel chooses).
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
            // Small answers to small calls: Nagle would add 40 ms to each.
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

    /// Lets the next `times` calls of `action` (of any, if `None`) go wrong.
    pub fn script(&self, action: Option<&str>, fault: Fault, times: u32) {
        let scripted = Scripted { action: action.map(str::to_owned), fault, times };
        lock(&self.endpoint.script).push(scripted);
    }

    /// How often each action was called, faults included.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.endpoint.calls).clone()
    }
}

impl Endpoint {
    fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.url)
    }

    /// Counts the call, and takes the first scripted fault that is meant for it.
    fn next_fault(&self, action: &str) -> Option<Fault> {
        *lock(&self.calls).entry(action.to_owned()).or_default() += 1;
        let mut script = lock(&self.script);
        let meant = |s: &Scripted| s.action.as_deref().is_none_or(|name| name == action);
        let index = script.iter().position(meant)?;
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
        return wire::refuse(&wire::unknown_operation(
            "no X-Amz-Target: AmazonSQS.<Action> header",
        ));
    };
    let fault = endpoint.next_fault(action);
    match fault {
        Some(Fault::Unavailable) => return wire::refuse(&wire::unavailable()),
        Some(Fault::Throttled) => return wire::refuse(&wire::throttled()),
        Some(Fault::Denied) => return wire::refuse(&wire::denied(action)),
        Some(Fault::Delayed(time)) => tokio::time::sleep(time).await,
        Some(Fault::AnswerLost) | None => {}
    }
    let answer = match serde_json::from_slice(&body) {
        Ok(input) => actions::call(&endpoint, action, &input).await,
        Err(error) => Err(wire::malformed(&error)),
    };
    match answer {
        _ if fault == Some(Fault::AnswerLost) => wire::refuse(&wire::unavailable()),
        Ok(output) => wire::respond(StatusCode::OK, None, &output),
        Err(refusal) => wire::refuse(&refusal),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
