//! Parses a dead letter's text into what `replay` feeds to the pipeline.

use std::path::PathBuf;

use serde::Deserialize;

use crate::cloudtrail::Origin;
use crate::error::{Code, Error};
use crate::pipeline::dead_letter::SCHEMA_VERSION;
use crate::store::{Location, ObjectRef, notification};

/// A parsed dead letter.
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// How a dead letter is reprocessed.
pub(crate) enum Content {
    /// As the message that it was, under its own id.
    Message { queue: String, id: String, body: String },
    /// As a notification about the object; for a file its path.
    Object { location: Location, body: String },
    /// As the dead letter itself: a record or an event.
    DeadLetter { location: Option<Location>, body: String },
}

/// The members that are read; the others are for people.
#[derive(Debug, Deserialize)]
pub(crate) struct Members {
    schema_version: u32,
    kind: String,
    name: String,
    queue: Option<String>,
    message_id: Option<String>,
    body: Option<String>,
    at: Option<At>,
    #[serde(default)]
    pub(crate) index: u64,
    #[serde(default)]
    pub(crate) offset: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) file_sha256: Option<String>,
    pub(crate) bytes: Option<String>,
    pub(crate) event_id: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) delivered: Option<String>,
    #[serde(default)]
    pub(crate) sinks: Vec<String>,
    pub(crate) record: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct At {
    bucket: Option<String>,
    key: Option<String>,
    version_id: Option<String>,
    path: Option<PathBuf>,
    message_id: Option<String>,
}

impl Members {
    /// Parses the members.
    ///
    /// # Errors
    /// [`Code::DeadLetterUnreadable`]: no dead letter, or one of a newer version.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let members: Self = serde_json::from_str(text).map_err(|cause| {
            let (line, column) = (cause.line(), cause.column());
            unreadable(&format!("not a dead letter of certrelay (line {line}, column {column})"))
        })?;
        if members.schema_version > SCHEMA_VERSION {
            return Err(unreadable(
                "written by a newer version of certrelay; replay it with that version",
            ));
        }
        Ok(members)
    }

    /// Returns the object that the dead letter is about.
    pub(crate) fn location(&self) -> Option<Location> {
        let at = self.at.clone()?;
        match (at.bucket, at.key, at.path) {
            (Some(bucket), Some(key), _) => {
                Some(Location::S3 { bucket, key, version: at.version_id })
            }
            (_, _, Some(path)) => Some(Location::File(path)),
            _ => None,
        }
    }

    /// Returns the origin of the record.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let index = self.index;
        Some(match self.location() {
            Some(Location::S3 { bucket, key, version }) => {
                Origin::Object { bucket, key, version, index }
            }
            Some(Location::File(path)) => Origin::File { path, index },
            None => Origin::Message { message_id: self.at.clone()?.message_id? },
        })
    }
}

/// Parses a dead letter, as far as is needed to find its source.
///
/// # Errors
/// [`Code::DeadLetterUnreadable`]: it cannot be replayed.
pub(crate) fn parse(text: &str) -> Result<Read, Error> {
    let members = Members::read(text)?;
    let location = members.location();
    let content = match members.kind.as_str() {
        "message" => match (members.queue, members.message_id, members.body) {
            (Some(queue), Some(id), Some(body)) => Content::Message { queue, id, body },
            _ => {
                return Err(unreadable(
                    "the message body is missing: too large for the queue, or withheld as a possible private key",
                ));
            }
        },
        "object" => {
            let Some(location) = location else { return Err(unreadable("it names no object")) };
            let object = reference(location.clone());
            let body = match &location {
                Location::File(path) => Some(path.display().to_string()),
                Location::S3 { .. } => notification::created(&object),
            };
            Content::Object { location, body: body.unwrap_or_default() }
        }
        "record" | "event" => Content::DeadLetter { location, body: text.to_owned() },
        other => return Err(unreadable(&format!("unknown kind {other:?}"))),
    };
    Ok(Read { name: members.name, content })
}

/// Returns an object of which only the location is known.
pub(crate) fn reference(location: Location) -> ObjectRef {
    ObjectRef { location, region: None, size: None, etag: None }
}

pub(crate) fn unreadable(cause: &str) -> Error {
    Error::new(Code::DeadLetterUnreadable, format!("the dead letter cannot be replayed: {cause}"))
}
