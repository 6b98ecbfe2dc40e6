//! Room 4: a record → our event: who did what to which certificate, and what it means. Pure: the
//! time comes in as an argument, nothing is logged, nothing is looked up.
//!
//! The raw record is evidence: its own bytes travel with the event. What we know of it stands
//! beside those bytes, never inside them.

mod caller;
mod catalogue;
mod certificate;
mod cim;
mod context;
mod date;
mod ecs;
mod explain;
mod finding;
mod format;
mod id;
mod json;
mod mapped;
mod object;
mod ocsf;
mod posture;
mod record;
mod redact;
mod remedy;
mod schema;
mod target;
mod unmapped;
mod visible;

use std::sync::Arc;

use time::OffsetDateTime;

use self::redact::Kept;
use crate::cloudtrail::{InvalidRecord, Origin, Record};
use crate::config::{Account, EventOptions};

pub use caller::Kind as CallerKind;
pub use catalogue::{CATALOGUE, Operation, page as catalogue_page};
pub use context::Context;
pub use date::instant;
pub use explain::explain;
pub use finding::{Finding, RULES, Rule, Severity, Technique};
pub use format::render;
pub use id::EventKey;
pub use posture::{Credentials, Key, Posture, Report, Reports};
pub use record::Fields;
pub use redact::{may_hold_key, without_private_keys};
pub use remedy::{Advice, Names, Remedy, WRONG_ADVICE};
pub use schema::schema;
pub use visible::visible;

/// Which way a record reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A CloudTrail log file in S3: complete, minutes late.
    S3,
    /// Inline in an EventBridge event: seconds after the call.
    EventBridge,
}

impl Channel {
    /// `file` or `inline`, as in headers, metrics and `when`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::EventBridge => "eventbridge",
        }
    }
}

/// Whether the call succeeded: `errorCode` or `errorMessage` present means failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// AWS did what was asked.
    Success,
    /// AWS refused or failed; a denied attempt is signal too.
    Failure,
}

impl CallOutcome {
    /// `success` or `failure`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// One CloudTrail record that the selection names, understood.
#[derive(Debug, Clone)]
pub struct Event {
    /// `eventID`; where missing, the SHA-256 of the record. The same on every redelivery: what
    /// consumers downstream fold duplicates by.
    pub id: String,
    /// What the ledger folds by: id, account, name and time, so that a forged `eventID` suppresses nothing.
    pub key: EventKey,
    /// The evidence. Its bytes never change: `redactions` tells what of them goes.
    record: Record,
    redactions: Kept,
    /// Where it comes from.
    pub origin: Origin,
    /// Which way it came.
    pub lane: Channel,
    /// When certrelay read it.
    pub seen: OffsetDateTime,
    /// When CloudTrail delivered its file (`Last-Modified`), where known.
    pub delivered: Option<OffsetDateTime>,
    /// SHA-256 of its file's uncompressed content, as CloudTrail's digests carry it, where `[decode] hash` asks for it.
    pub file_sha256: Option<String>,
    /// The parts of the record that routing and the sinks' envelopes need, read once.
    pub fields: Fields,
    /// The recipient's account (`recipientAccountId`), where the table of accounts has it.
    pub account: Option<Arc<Account>>,
    /// What the credential reports say of the caller and of the user acted on.
    pub posture: Posture,
    /// What the operator said about reading events: formats follow it too.
    pub options: Arc<EventOptions>,
}

/// What is known of a record besides its bytes.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where it comes from.
    pub origin: Origin,
    /// Which way it came.
    pub lane: Channel,
    /// Now.
    pub seen: OffsetDateTime,
    /// When its file was delivered, where known.
    pub delivered: Option<OffsetDateTime>,
}

impl Event {
    /// Reads a selected record, as somebody who has configured nothing.
    ///
    /// # Errors
    /// As [`Event::read_with`].
    pub fn read(record: Record, arrival: Arrival) -> Result<Self, InvalidRecord> {
        Self::read_with(record, arrival, &Arc::default())
    }

    /// Reads a selected record, with nothing known beside it.
    ///
    /// # Errors
    /// As [`Event::read_in`].
    pub fn read_with(
        record: Record,
        arrival: Arrival,
        options: &Arc<EventOptions>,
    ) -> Result<Self, InvalidRecord> {
        Self::read_in(record, arrival, options, &Context::default())
    }

    /// Reads a selected record.
    ///
    /// # Errors
    /// The record is not a JSON object, or lacks what every CloudTrail record has. Its bytes come
    /// back with the reason, for the dead letter.
    pub fn read_in(
        record: Record,
        arrival: Arrival,
        options: &Arc<EventOptions>,
        context: &Context,
    ) -> Result<Self, InvalidRecord> {
        record::read(record, arrival, options, context)
    }

    /// The evidence: the record as it came, with all that must not leave. What may leave is [`render`]'s.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// This event under the id it went by before: one without an `eventID` is known by the SHA-256 of
    /// its record, which a redacted copy no longer has.
    #[must_use]
    pub fn known_as(self, id: String) -> Self {
        let key = record::key(&id, &self.fields);
        Self { key, id, ..self }
    }

    /// The event's own names, for [`Remedy::advice`].
    #[must_use]
    pub fn names(&self) -> Names {
        explain::names(self)
    }
}
