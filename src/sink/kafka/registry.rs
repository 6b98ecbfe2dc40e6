//! The schema registry beside a cluster: values then begin with the id of their schema, as Confluent's clients write
//! and read them (a zero byte, four bytes of id, the JSON).
//!
//! An id is asked for once for each topic and kept. Nothing that a registry says is about an event: it is down, or
//! somebody has to act, and the events wait.

mod http;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::json;

use crate::config::{OutputFormat, RegistryConfig, SubjectName};
use crate::error::{Code, Error};
use http::{Http, Reply};

/// What stands before the JSON: Confluent's magic byte and the schema's id.
pub(super) fn prefix(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

/// A sink's schema in its registry.
pub(super) struct Registry {
    http: Http,
    sink: String,
    subject: SubjectName,
    register: bool,
    format: OutputFormat,
    ids: Mutex<BTreeMap<String, u32>>,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

/// The registry's own words for a failure.
#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Registry {
    /// Asks for nothing yet.
    pub(super) fn new(sink: &str, own: &RegistryConfig, format: OutputFormat) -> Self {
        Self {
            http: Http::new(sink, own),
            sink: sink.to_owned(),
            subject: own.subject,
            register: own.register,
            format,
            ids: Mutex::default(),
        }
    }

    /// The id of our schema for a topic's values.
    ///
    /// # Errors
    /// The registry does not answer, or answers that somebody has to act.
    pub(super) async fn id(&self, topic: &str) -> Result<u32, Error> {
        let kept = self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        if let Some(id) = kept {
            return Ok(id);
        }
        let id = self.ask(topic, self.register).await?;
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), id);
        Ok(id)
    }

    /// Whether the registry would give an id; registers nothing.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub(super) async fn probe(&self, topic: &str) -> Result<(), Error> {
        match self.ask(topic, false).await {
            Err(error) if error.code == Code::KafkaSchemaAbsent && self.register => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    async fn ask(&self, topic: &str, register: bool) -> Result<u32, Error> {
        let subject = self.subject_of(topic);
        let body = json!({ "schemaType": "JSON", "schema": crate::format::schema(self.format) });
        let reply = self.http.post(&subject, register, body.to_string()).await?;
        match serde_json::from_slice::<Registered>(&reply.body) {
            Ok(Registered { id }) if reply.status == 200 => Ok(id),
            _ => Err(self.refused(&subject, &reply)),
        }
    }

    fn subject_of(&self, topic: &str) -> String {
        let record = format!("certrelay.{}", self.format.as_str());
        match self.subject {
            SubjectName::Topic => format!("{topic}-value"),
            SubjectName::Record => record,
            SubjectName::TopicRecord => format!("{topic}-{record}"),
        }
    }

    /// What an answer without an id means. Source: Confluent, Schema Registry API Reference.
    fn refused(&self, subject: &str, reply: &Reply) -> Error {
        let refusal = serde_json::from_slice::<Refusal>(&reply.body).ok();
        let error = refusal.as_ref().map_or(u32::from(reply.status), |refusal| refusal.error_code);
        let format = self.format.as_str();
        let (code, advice) = match error {
            401 | 403 | 40101 | 40301 => {
                (Code::KafkaRegistryAuth, "see `username` and `password`".to_owned())
            }
            409 => (
                Code::KafkaSchema,
                format!(
                    "our schema of {format} is not compatible with what is registered: set the subject's \
                         compatibility to NONE, or write to another subject"
                ),
            ),
            422 | 42200..=42299 => (Code::KafkaSchema, "it takes no such JSON Schema".to_owned()),
            404 | 40400..=40499 => (
                Code::KafkaSchemaAbsent,
                format!(
                    "register what `certrelay schema --format {format}` prints, or let `register = true`"
                ),
            ),
            _ => (Code::KafkaRegistry, "tried again".to_owned()),
        };
        let words = refusal.map(|refusal| refusal.message).unwrap_or_default();
        let words: String = words.chars().filter(|letter| !letter.is_control()).take(300).collect();
        let text = format!(
            "sink.{}.schema_registry: {} answers {error} {words:?} for subject {subject}; {advice}",
            self.sink,
            self.http.place()
        );
        Error::new(code, text)
    }
}

/// Whether somebody has to act for such a reason to go away.
pub(super) fn needs_operator(error: &Error) -> bool {
    error.code.needs_operator()
}
