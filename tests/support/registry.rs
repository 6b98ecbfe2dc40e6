//! A stand-in for a schema registry with Confluent's HTTP interface: what it registers, looks up and refuses, and the
//! error codes that it has for that. It knows nothing of certrelay.
//!
//! A schema has one id wherever it is registered. A subject takes a second, different schema only if it was told that
//! any will do; compatibility itself is not computed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Default)]
struct Shelf {
    /// By text; the id is the place, from 1.
    schemas: Vec<String>,
    /// Ids by subject, oldest first.
    subjects: BTreeMap<String, Vec<usize>>,
    /// Subjects that take any schema.
    lenient: BTreeSet<String>,
    /// What `Authorization` has to be.
    authorization: Option<String>,
    /// Answers instead of the usual one, one request each.
    script: VecDeque<(StatusCode, String)>,
    requests: Vec<String>,
}

type Answer = (StatusCode, String);

/// A running stand-in; it ends when it is dropped.
pub struct Registry {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    _server: JoinSet<()>,
}

impl Registry {
    /// Starts listening.
    ///
    /// # Errors
    /// Loopback has no port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let app = Router::new().fallback(answer).with_state(shelf.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, shelf, _server: server })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shelf) -> T) -> T {
        act(&mut self.shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wants this name and password from now on.
    pub fn want_login(&self, username: &str, password: &str) {
        let pair = format!("{username}:{password}");
        let text = format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
        self.with(|shelf| shelf.authorization = Some(text));
    }

    /// Answers the next request with this.
    pub fn fail_next(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.with(|shelf| shelf.script.push_back((status, body.to_owned())));
    }

    /// Puts a schema into a subject, as somebody else would have.
    pub fn put(&self, subject: &str, schema: &str) -> usize {
        self.with(|shelf| shelf.add(subject, schema))
    }

    /// The subject takes any schema (compatibility NONE).
    pub fn be_lenient(&self, subject: &str) {
        self.with(|shelf| shelf.lenient.insert(subject.to_owned()));
    }

    /// The text of a schema.
    pub fn schema(&self, id: usize) -> Option<String> {
        self.with(|shelf| shelf.schemas.get(id.checked_sub(1)?).cloned())
    }

    /// The subjects that there are.
    pub fn subjects(&self) -> Vec<String> {
        self.with(|shelf| shelf.subjects.keys().cloned().collect())
    }

    /// Method and path of every request.
    pub fn requests(&self) -> Vec<String> {
        self.with(|shelf| shelf.requests.clone())
    }
}

async fn answer(
    State(shelf): State<Arc<Mutex<Shelf>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl axum::response::IntoResponse {
    let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    shelf.requests.push(format!("{method} {}", uri.path()));
    let (status, text) = shelf.answer(&method, uri.path(), &headers, &body);
    (status, [(CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")], text).into_response()
}

impl Shelf {
    fn answer(&mut self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        if let Some(scripted) = self.script.pop_front() {
            return scripted;
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if self.authorization.is_some() && given != self.authorization.as_deref() {
            return refusal(StatusCode::UNAUTHORIZED, 401, "Unauthorized");
        }
        let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let known = ["application/json", "application/vnd.schemaregistry.v1+json"];
        if !media.is_some_and(|media| known.contains(&media)) {
            return refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                415,
                "HTTP 415 Unsupported Media Type",
            );
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            (&Method::POST, ["subjects", subject, "versions"]) => self.register(subject, body),
            (&Method::POST, ["subjects", subject]) => self.look_up(subject, body),
            _ => refusal(StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found"),
        }
    }

    fn register(&mut self, subject: &str, body: &[u8]) -> Answer {
        let Some(schema) = schema_of(body) else { return invalid() };
        let latest = self.subjects.get(subject).and_then(|ids| ids.last());
        let differs = latest.is_some_and(|id| self.schemas[id - 1] != schema);
        if differs && !self.lenient.contains(subject) {
            let text = "Schema being registered is incompatible with an earlier schema for subject";
            return refusal(StatusCode::CONFLICT, 409, &format!("{text} \"{subject}\""));
        }
        (StatusCode::OK, json!({ "id": self.add(subject, &schema) }).to_string())
    }

    fn look_up(&self, subject: &str, body: &[u8]) -> Answer {
        let Some(schema) = schema_of(body) else { return invalid() };
        let Some(ids) = self.subjects.get(subject) else {
            let text = format!("Subject '{subject}' not found.");
            return refusal(StatusCode::NOT_FOUND, 40401, &text);
        };
        match ids.iter().position(|id| self.schemas[id - 1] == schema) {
            Some(at) => {
                let found = json!({ "subject": subject, "id": ids[at], "version": at + 1, "schema": schema });
                (StatusCode::OK, found.to_string())
            }
            None => refusal(StatusCode::NOT_FOUND, 40403, "Schema not found"),
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

/// The schema in a request, if it is JSON Schema.
fn schema_of(body: &[u8]) -> Option<String> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let schema = request.get("schema")?.as_str()?;
    let parsed: Value = serde_json::from_str(schema).ok()?;
    let is_schema = parsed.is_object() && request.get("schemaType")?.as_str()? == "JSON";
    is_schema.then(|| schema.to_owned())
}

fn invalid() -> Answer {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, 42201, "Invalid schema")
}

fn refusal(status: StatusCode, error_code: u32, message: &str) -> Answer {
    (status, json!({ "error_code": error_code, "message": message }).to_string())
}
