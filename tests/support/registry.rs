//! A stand-in for a schema registry with Confluent's HTTP interface and error codes. It depends on
//! nothing of certrelay.
//!
//! A schema has one id in all subjects. A subject accepts a second, different schema only with
//! compatibility NONE; compatibility is not computed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Default)]
struct Subjects {
    /// The id is the position, from 1.
    schemas: Vec<String>,
    /// Ids by subject, oldest first.
    subjects: BTreeMap<String, Vec<usize>>,
    /// Subjects with compatibility NONE.
    any_schema: BTreeSet<String>,
    /// The required `Authorization`.
    authorization: Option<String>,
    /// Responses that replace the usual ones, one request each.
    script: VecDeque<(StatusCode, String)>,
    requests: Vec<String>,
}

type Reply = (StatusCode, String);

/// A running stand-in; it stops when it is dropped.
pub struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<Subjects>>,
    _server: JoinSet<()>,
}

impl Registry {
    /// Starts listening.
    ///
    /// # Errors
    /// No port is available.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(Subjects::default()));
        let app = Router::new().fallback(handle).with_state(state.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, state, _server: server })
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Subjects) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// Requires this name and password from now on.
    pub fn require_login(&self, username: &str, password: &str) {
        let pair = format!("{username}:{password}");
        let text = format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
        self.with(|state| state.authorization = Some(text));
    }

    /// Fails the next request with this response.
    pub fn fail_next(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.with(|state| state.script.push_back((status, body.to_owned())));
    }

    /// Registers a schema of another client.
    pub fn put(&self, subject: &str, schema: &str) -> usize {
        self.with(|state| state.add(subject, schema))
    }

    /// Sets the subject's compatibility to NONE.
    pub fn set_compatibility_none(&self, subject: &str) {
        self.with(|state| state.any_schema.insert(subject.to_owned()));
    }

    /// Returns the text of a schema.
    pub fn schema(&self, id: usize) -> Option<String> {
        self.with(|state| state.schemas.get(id.checked_sub(1)?).cloned())
    }

    /// Returns the existing subjects.
    pub fn subjects(&self) -> Vec<String> {
        self.with(|state| state.subjects.keys().cloned().collect())
    }

    /// Returns method and path of every request.
    pub fn requests(&self) -> Vec<String> {
        self.with(|state| state.requests.clone())
    }
}

async fn handle(
    State(state): State<Arc<Mutex<Subjects>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl axum::response::IntoResponse {
    let mut state = state.lock();
    state.requests.push(format!("{method} {}", uri.path()));
    let (status, text) = state.reply(&method, uri.path(), &headers, &body);
    (status, [(CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")], text).into_response()
}

impl Subjects {
    fn reply(&mut self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Reply {
        if let Some(scripted) = self.script.pop_front() {
            return scripted;
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if self.authorization.is_some() && given != self.authorization.as_deref() {
            return error(StatusCode::UNAUTHORIZED, 401, "Unauthorized");
        }
        let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let known = ["application/json", "application/vnd.schemaregistry.v1+json"];
        if !media.is_some_and(|media| known.contains(&media)) {
            return error(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                415,
                "HTTP 415 Unsupported Media Type",
            );
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            (&Method::POST, ["subjects", subject, "versions"]) => self.register(subject, body),
            (&Method::POST, ["subjects", subject]) => self.look_up(subject, body),
            _ => error(StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found"),
        }
    }

    fn register(&mut self, subject: &str, body: &[u8]) -> Reply {
        let Some(schema) = schema_of(body) else { return invalid() };
        let latest = self.subjects.get(subject).and_then(|ids| ids.last());
        let differs = latest.is_some_and(|id| self.schemas[id - 1] != schema);
        if differs && !self.any_schema.contains(subject) {
            let text = "Schema being registered is incompatible with an earlier schema for subject";
            return error(StatusCode::CONFLICT, 409, &format!("{text} \"{subject}\""));
        }
        (StatusCode::OK, json!({ "id": self.add(subject, &schema) }).to_string())
    }

    fn look_up(&self, subject: &str, body: &[u8]) -> Reply {
        let Some(schema) = schema_of(body) else { return invalid() };
        let Some(ids) = self.subjects.get(subject) else {
            let text = format!("Subject '{subject}' not found.");
            return error(StatusCode::NOT_FOUND, 40401, &text);
        };
        match ids.iter().position(|id| self.schemas[id - 1] == schema) {
            Some(at) => {
                let found = json!({ "subject": subject, "id": ids[at], "version": at + 1, "schema": schema });
                (StatusCode::OK, found.to_string())
            }
            None => error(StatusCode::NOT_FOUND, 40403, "Schema not found"),
        }
    }

    fn add(&mut self, subject: &str, schema: &str) -> usize {
        let known = self.schemas.iter().position(|known| known == schema);
        let at = known.unwrap_or_else(|| {
            self.schemas.push(schema.to_owned());
            self.schemas.len() - 1
        });
        let ids = self.subjects.entry(subject.to_owned()).or_default();
        if !ids.contains(&(at + 1)) {
            ids.push(at + 1);
        }
        at + 1
    }
}

/// Returns the schema in a request, if it is JSON Schema.
fn schema_of(body: &[u8]) -> Option<String> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let schema = request.get("schema")?.as_str()?;
    let parsed: Value = serde_json::from_str(schema).ok()?;
    let is_schema = parsed.is_object() && request.get("schemaType")?.as_str()? == "JSON";
    is_schema.then(|| schema.to_owned())
}

fn invalid() -> Reply {
    error(StatusCode::UNPROCESSABLE_ENTITY, 42201, "Invalid schema")
}

fn error(status: StatusCode, error_code: u32, message: &str) -> Reply {
    (status, json!({ "error_code": error_code, "message": message }).to_string())
}
