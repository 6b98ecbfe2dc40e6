//! The schema registry of a cluster: values then begin with the id of their schema, in the format
//! of Confluent's clients (a zero byte, four bytes of id, the JSON).
//!
//! An id is requested once for each topic and cached. No error of a registry is about an event: it
//! is down, or an operator has to act, and the events wait.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use crate::config::{OutputFormat, RegistryConfig, SubjectName};
use crate::error::{Code, Error};
use crate::sink::{http_client, secrets, tls};

/// Timeout of a request, connection included. Events wait meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The media type of schema registries.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Returns what precedes the JSON: Confluent's magic byte and the schema's id.
pub(super) fn prefix(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

/// The schema registry of a sink. Requests are rare, so that each creates its client: host names,
/// files and secrets are then current.
pub(super) struct Registry {
    sink: String,
    settings: RegistryConfig,
    format: OutputFormat,
    ids: Mutex<BTreeMap<String, u32>>,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

/// The registry's error body.
#[derive(Deserialize)]
struct Failure {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Registry {
    /// Sends no request yet.
    pub(super) fn new(sink: &str, settings: &RegistryConfig, format: OutputFormat) -> Self {
        let (sink, settings) = (sink.to_owned(), settings.clone());
        Self { sink, settings, format, ids: Mutex::default() }
    }

    /// Returns the id of our schema for a topic's values.
    ///
    /// # Errors
    /// The registry does not respond, or an operator has to act.
    pub(super) async fn id(&self, topic: &str) -> Result<u32, Error> {
        let cached = self.ids.lock().get(topic).copied();
        if let Some(id) = cached {
            return Ok(id);
        }
        let id = self.request_id(topic, self.settings.register).await?;
        self.ids.lock().insert(topic.to_owned(), id);
        Ok(id)
    }

    /// Checks that [`id`](Self::id) would succeed; registers nothing.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub(super) async fn probe(&self, topic: &str) -> Result<(), Error> {
        match self.request_id(topic, false).await {
            Err(error) if error.code == Code::KafkaSchemaAbsent && self.settings.register => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Registers the schema of a topic, or looks it up.
    async fn request_id(&self, topic: &str, register: bool) -> Result<u32, Error> {
        let subject = self.subject_of(topic);
        let body = json!({ "schemaType": "JSON", "schema": crate::format::schema(self.format) });
        let (status, body) = self.post(&subject, register, body.to_string()).await?;
        match serde_json::from_slice::<Registered>(&body) {
            Ok(Registered { id }) if status == 200 => Ok(id),
            _ => Err(self.failure(&subject, status, &body)),
        }
    }

    fn subject_of(&self, topic: &str) -> String {
        let record = format!("certrelay.{}", self.format.as_str());
        match self.settings.subject {
            SubjectName::Topic => format!("{topic}-value"),
            SubjectName::Record => record,
            SubjectName::TopicRecord => format!("{topic}-{record}"),
        }
    }

    /// Posts a schema to a subject, to register it or to look it up. Returns the status and the
    /// body.
    async fn post(
        &self,
        subject: &str,
        register: bool,
        body: String,
    ) -> Result<(u16, Vec<u8>), Error> {
        let RegistryConfig { url, login, tls, .. } = &self.settings;
        let mut url = url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["subjects", subject]);
            if register {
                path.push("versions");
            }
        }
        secrets::renew(&self.sink, tls.secrets().collect()).await;
        let setting = format!("sink.{}.schema_registry", self.sink);
        let client = http_client::client(tls, &setting, Code::KafkaRegistryTls, |builder| {
            builder.timeout(TIMEOUT)
        })?;
        let request = client.post(url).header(ACCEPT, MEDIA_TYPE).header(CONTENT_TYPE, MEDIA_TYPE);
        let mut request = request.body(body);
        if let Some((username, password)) = login {
            secrets::renew(&self.sink, vec![password]).await;
            request = request.basic_auth(username, Some(password.read()?.expose_secret()));
        }
        let response = request.send().await.map_err(|error| self.no_response(error))?;
        let status = response.status().as_u16();
        if let (401 | 403, Some((_, password))) = (status, login) {
            password.reject();
        }
        let body = http_client::body_of(response).await.map_err(|error| self.no_response(error))?;
        Ok((status, body))
    }

    fn no_response(&self, error: reqwest::Error) -> Error {
        let error = error.without_url();
        let (code, advice) = match tls::advice(&error) {
            Some(advice) => (Code::KafkaRegistryTls, format!("; {advice}")),
            None => (Code::KafkaRegistry, String::new()),
        };
        let (sink, origin) = (&self.sink, self.origin());
        let text = format!("sink.{sink}.schema_registry: no response from {origin}{advice}");
        Error::caused(code, text, error)
    }

    /// Returns the registry's origin, for errors.
    fn origin(&self) -> String {
        self.settings.url.origin().ascii_serialization()
    }

    /// Returns the error of a response without an id. Source: Confluent, Schema Registry API
    /// Reference.
    fn failure(&self, subject: &str, status: u16, body: &[u8]) -> Error {
        let failure = serde_json::from_slice::<Failure>(body).ok();
        let error = failure.as_ref().map_or(u32::from(status), |failure| failure.error_code);
        let format = self.format.as_str();
        let (code, advice) = match error {
            401 | 403 | 40101 | 40301 => {
                (Code::KafkaRegistryAuth, "see `username` and `password`".to_owned())
            }
            409 => (
                Code::KafkaSchema,
                format!(
                    "the schema of {format} is not compatible with the registered one: set the \
                     subject's compatibility to NONE, or use another subject"
                ),
            ),
            422 | 42200..=42299 => {
                (Code::KafkaSchema, "the registry does not support this JSON Schema".to_owned())
            }
            404 | 40400..=40499 => (
                Code::KafkaSchemaAbsent,
                format!(
                    "register the output of `certrelay schema --format {format}`, or set \
                     `register = true`"
                ),
            ),
            _ => (Code::KafkaRegistry, "retrying".to_owned()),
        };
        let message = failure.map(|failure| failure.message).unwrap_or_default();
        let message: String = message.chars().filter(|c| !c.is_control()).take(300).collect();
        let (sink, origin) = (&self.sink, self.origin());
        let text = format!(
            "sink.{sink}.schema_registry: {origin} returned {error} {message:?} for subject \
             {subject}; {advice}"
        );
        Error::new(code, text)
    }
}
