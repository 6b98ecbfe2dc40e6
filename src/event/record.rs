//! Reading a record into an event.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::caller::Caller;
use super::certificate::{self, Flag};
use super::credential_report::{ReportedCredentials, Reports};
use super::fields::Fields;
use super::finding::{self, Subject};
use super::json;
use super::redact::{self, Redactions};
use super::target::Target;
use crate::cloudtrail::{InvalidRecord, Origin, Record};
use crate::config::{ACCOUNT_LABELS, Account, Accounts, EventOptions, Mapping, MappingKey};

/// The way a record reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A CloudTrail log file in S3: complete, minutes after the call.
    S3,
    /// An EventBridge event that carries the record: seconds after the call.
    EventBridge,
}

impl Channel {
    /// Returns `s3` or `eventbridge`, as in events, headers, metrics and `when`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::EventBridge => "eventbridge",
        }
    }
}

/// What is known of a record besides its bytes.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where it was read from.
    pub origin: Origin,
    /// The way it arrived.
    pub channel: Channel,
    /// The time of reading.
    pub seen: OffsetDateTime,
    /// When its file was delivered, where known.
    pub delivered: Option<OffsetDateTime>,
}

/// Enrichment data: the organisation's accounts and IAM's credential reports. It is a snapshot, so
/// that the same record and snapshot always make the same event.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// `[accounts]`.
    pub accounts: Arc<Accounts>,
    /// `[credential_reports]`.
    pub reports: Arc<Reports>,
}

/// Deduplication key: event id, recipient account, name and time together, hashed. A forged
/// `eventID` on another record makes another key and suppresses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey([u8; 16]);

impl std::fmt::Display for EventKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl EventKey {
    /// Returns the key of these parts. Each is framed by its length, so that no two splits collide.
    pub(crate) fn new(parts: [&str; 4]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }

    /// The time is the record's own or absent, never the time of reading.
    fn of(id: &str, fields: &Fields) -> Self {
        let time = fields.time.map(|time| time.unix_timestamp_nanos().to_string());
        let account = fields.account.as_deref().unwrap_or_default();
        Self::new([id, account, &fields.name, time.as_deref().unwrap_or_default()])
    }
}

/// One selected CloudTrail record with everything derived from it.
#[derive(Debug, Clone)]
pub struct Event {
    /// `eventID`; where missing, the SHA-256 of the record. Equal on every redelivery: consumers
    /// deduplicate by it.
    pub id: String,
    /// Deduplication key of this process; stronger than `id`.
    pub key: EventKey,
    /// The evidence. Its bytes never change; `redactions` lists the spans that must not leave.
    record: Record,
    pub(super) redactions: Redactions,
    /// Where it was read from.
    pub origin: Origin,
    /// The way it arrived.
    pub channel: Channel,
    /// When certrelay read it.
    pub seen: OffsetDateTime,
    /// When CloudTrail delivered its file (`Last-Modified`), where known.
    pub delivered: Option<OffsetDateTime>,
    /// SHA-256 of its file's uncompressed content, as in CloudTrail's digest files; only with
    /// `[decode] hash`.
    pub file_sha256: Option<String>,
    /// The parts that routing and the sinks' envelopes read.
    pub fields: Fields,
    /// The recipient's account (`recipientAccountId`), if the accounts file has it.
    pub account: Option<Arc<Account>>,
    /// What the credential reports say of the caller and of the user acted on.
    pub credential_report: ReportedCredentials,
    /// Settings that affect reading and formats.
    pub options: Arc<EventOptions>,
}

impl Event {
    /// Reads a selected record with default settings.
    ///
    /// # Errors
    /// As [`Event::read_in`].
    pub fn read(record: Record, arrival: Arrival) -> Result<Self, InvalidRecord> {
        Self::read_with(record, arrival, &Arc::default())
    }

    /// Reads a selected record without enrichment data.
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
    /// The record is not a JSON object, or lacks `eventName` or `eventSource`. The error has its
    /// bytes, for the dead letter.
    pub fn read_in(
        record: Record,
        arrival: Arrival,
        options: &Arc<EventOptions>,
        context: &Context,
    ) -> Result<Self, InvalidRecord> {
        match Parts::read(&record.bytes, &arrival, options, &context.reports) {
            Ok(Parts { id, fields, credential_report, redactions }) => Ok(Self {
                credential_report,
                account: fields.account.as_ref().and_then(|id| context.accounts.get(id)).cloned(),
                key: EventKey::of(&id, &fields),
                id,
                record,
                redactions,
                origin: arrival.origin,
                channel: arrival.channel,
                seen: arrival.seen,
                delivered: arrival.delivered,
                file_sha256: None,
                fields,
                options: Arc::clone(options),
            }),
            Err(reason) => Err(InvalidRecord {
                index: record.index,
                offset: record.offset,
                sha256: HEXLOWER.encode(&Sha256::digest(&record.bytes)),
                reason,
                bytes: record.bytes,
            }),
        }
    }

    /// Returns the unredacted record. Only [`crate::format::render`] makes text that may leave.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns the event with the id that it had before: without an `eventID` the id is the SHA-256
    /// of the record, which a redacted copy no longer has.
    #[must_use]
    pub(crate) fn with_id(self, id: String) -> Self {
        let key = EventKey::of(&id, &self.fields);
        Self { key, id, ..self }
    }

    /// Returns the label of this name: `owner` and `environment` from the recipient's account, else
    /// from `[labels]`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let own = self.account.as_ref().and_then(|account| account.label(name));
        own.or_else(|| self.options.labels.get(name).map(String::as_str))
    }

    /// Returns every label of this event, by name.
    #[must_use]
    pub(crate) fn labels(&self) -> BTreeMap<&str, &str> {
        let names = self.options.labels.keys().map(String::as_str).chain(ACCOUNT_LABELS);
        names.filter_map(|name| Some((name, self.label(name)?))).collect()
    }

    /// Returns the mapping's text for this event (an index, a topic), one of those configured.
    #[must_use]
    pub fn choose<'m>(&self, mapping: &'m Mapping) -> &'m str {
        mapping.choose(|key| match key {
            MappingKey::Account => self.fields.account.as_deref(),
            MappingKey::Ou => self.account.as_ref().and_then(|account| account.ou.as_deref()),
            MappingKey::Event => Some(&self.fields.name),
            MappingKey::Severity => Some(self.fields.severity.as_str()),
        })
    }

    /// Returns when it happened: `eventTime`, else the time of delivery, else that of reading.
    pub(crate) fn time(&self) -> OffsetDateTime {
        self.fields.time.or(self.delivered).unwrap_or(self.seen)
    }
}

/// What is derived from a record's bytes.
struct Parts {
    id: String,
    fields: Fields,
    credential_report: ReportedCredentials,
    redactions: Redactions,
}

impl Parts {
    /// Fields are read from the redacted record, so that nothing redacted leaves in an envelope.
    fn read(
        bytes: &[u8],
        arrival: &Arrival,
        options: &EventOptions,
        reports: &Reports,
    ) -> Result<Self, String> {
        let mut root = json::parse_within(bytes, options.max_values)
            .map_err(|error| format!("the record is not JSON: {error}"))?;
        let redactions = redact::find(&root, bytes);
        let clean = redact::apply(bytes, &redactions, options.keep_pem);
        if let Cow::Owned(clean) = &clean {
            // One tree at a time is in memory.
            drop(root);
            root = json::parse(clean)
                .map_err(|error| format!("the redacted record is not JSON: {error}"))?;
        }
        let mut fields = Fields::read(&root)?;
        let id = root.text("eventID").map(str::to_owned);
        let id = id.unwrap_or_else(|| HEXLOWER.encode(&Sha256::digest(bytes)));
        let target = Target::of(&root, fields.call());
        let caller = Caller::of(&root);
        let user = target.user.as_ref().and_then(|user| user.arn.as_deref());
        let credential_report = reports.of_call(caller.principal.as_deref(), user);
        let certificates = certificate::found(&redactions, bytes);
        let now = fields.time.or(arrival.delivered).unwrap_or(arrival.seen);
        let findings = finding::assess(&Subject {
            root: &root,
            call: fields.call(),
            target: &target,
            caller: &caller,
            reported: &credential_report,
            certificates: &certificates,
            options,
            now,
        });
        let leaf = certificate::body(&certificates).and_then(|found| found.chain.leaf());
        let flags = leaf.map(|leaf| leaf.flags(now)).unwrap_or_default();
        fields.certificate = flags.into_iter().map(Flag::as_str).collect();
        fields.target = target.arn();
        fields.caller = caller.principal;
        fields.severity = findings.iter().map(|finding| finding.severity).max().unwrap_or_default();
        fields.findings = findings;
        Ok(Self { id, fields, credential_report, redactions: Redactions::new(redactions) })
    }
}
