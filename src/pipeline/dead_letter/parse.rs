//! A letter's text → what it is about, and how that comes back in.

use std::path::PathBuf;

use serde::Deserialize;

use crate::cloudtrail::Origin;
use crate::error::{Code, Error};
use crate::pipeline::dead_letter::SCHEMA_VERSION;
use crate::store::{Location, ObjectRef, notification};

/// A letter that was read.
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// How it comes back in.
pub(crate) enum Content {
    /// The message that it was, under its own id.
    Message { queue: String, id: String, body: String },
    /// A notification about the object; for a file its path.
    Object { location: Location, body: String },
    /// The letter itself: a record or an event.
    DeadLetter { location: Option<Location>, body: String },
}

/// Members of letters. Others are for people.
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
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let members: Self = serde_json::from_str(text).map_err(|cause| {
            let place = format!("line {}, column {}", cause.line(), cause.column());
            unreadable(&format!("it is no dead letter of certrelay ({place})"))
        })?;
        if members.schema_version > SCHEMA_VERSION {
            return Err(unreadable("a newer certrelay wrote it; replay it with that one"));
        }
        Ok(members)
    }

    /// The object that it is about.
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

    /// Where its record is from.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let index = self.index;
        Some(match self.location() {
            Some(Location::S3 { bucket, key, version }) => {
                Origin::Object { bucket, key, version, index }
            }
            Some(Location::File(path)) => Origin::File { path, index },
            None => Origin::Inline { message_id: self.at.clone()?.message_id? },
        })
    }
}

/// Understands a letter, as far as is needed to find its source.
pub(crate) fn parse(text: &str) -> Result<Read, Error> {
    let members = Members::read(text)?;
    let location = members.location();
    let content = match members.kind.as_str() {
        "message" => match (members.queue, members.message_id, members.body) {
            (Some(queue), Some(id), Some(body)) => Content::Message { queue, id, body },
            _ => {
                return Err(unreadable(
                    "its message was left out: it was too large for the queue, or may have held a private key",
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
        other => return Err(unreadable(&format!("its kind {other:?} is not known"))),
    };
    Ok(Read { name: members.name, content })
}

/// An object of which only the place is known.
pub(crate) fn reference(location: Location) -> ObjectRef {
    ObjectRef { location, region: None, size: None, etag: None }
}

pub(crate) fn unreadable(cause: &str) -> Error {
    Error::new(Code::DeadLetterUnreadable, format!("the letter cannot be replayed: {cause}"))
}
