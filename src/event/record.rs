//! A CloudTrail record, read once: the fields that routing and envelopes need.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::json::{self, Node};
use super::{Arrival, CallOutcome, Event, EventKey, redact};
use crate::cloudtrail::{BadRecord, Record};

/// Parts of the record, decoded. Absent also means: there, but not of the type that CloudTrail
/// documents.
#[derive(Debug, Clone)]
pub struct Fields {
    /// `eventName`.
    pub name: String,
    /// `eventSource`.
    pub source: String,
    /// `eventTime`.
    pub time: Option<OffsetDateTime>,
    /// `recipientAccountId`, else `userIdentity.accountId`.
    pub account: Option<String>,
    /// `awsRegion`.
    pub region: Option<String>,
    /// By `errorCode` and `errorMessage`.
    pub outcome: CallOutcome,
    /// `errorCode`.
    pub error_code: Option<String>,
    /// `requestID`.
    pub request_id: Option<String>,
    /// `userIdentity.arn`: who called.
    pub principal: Option<String>,
}

/// Reads the record's JSON and what every record has.
///
/// The fields come from the redacted record, so that nothing hidden can leave through an envelope.
pub(super) fn read(record: Record, arrival: Arrival) -> Result<Event, BadRecord> {
    match understand(&record.bytes) {
        Ok((id, fields)) => Ok(Event {
            key: key(&id, &fields),
            id,
            record,
            origin: arrival.origin,
            lane: arrival.lane,
            seen: arrival.seen,
            delivered: arrival.delivered,
            fields,
        }),
        Err(reason) => Err(BadRecord {
            index: record.index,
            offset: record.offset,
            sha256: redact::hex(&Sha256::digest(&record.bytes)),
            reason,
            bytes: record.bytes,
        }),
    }
}

fn understand(bytes: &[u8]) -> Result<(String, Fields), String> {
    let root = json::parse(bytes).map_err(|why| format!("the record is not JSON: {why}"))?;
    let redactions = redact::find(&root, bytes);
    if redactions.is_empty() {
        return fields(&root, bytes);
    }
    let clean = redact::apply(bytes, &redactions);
    let root =
        json::parse(&clean).map_err(|why| format!("the redacted record is not JSON: {why}"))?;
    fields(&root, bytes)
}

fn fields(root: &Node<'_>, bytes: &[u8]) -> Result<(String, Fields), String> {
    if !matches!(root.value, json::Value::Object(_)) {
        return Err("the record is not a JSON object".to_owned());
    }
    let required = |name: &str| {
        root.text(name).map(str::to_owned).ok_or_else(|| match root.at(name) {
            None => format!("{name} is missing"),
            Some(_) => format!("{name} is not a string that says something"),
        })
    };
    let owned = |path: &str| root.text(path).map(str::to_owned);
    let fields = Fields {
        name: required("eventName")?,
        source: required("eventSource")?,
        time: root.text("eventTime").and_then(instant),
        account: owned("recipientAccountId").or_else(|| owned("userIdentity.accountId")),
        region: owned("awsRegion"),
        outcome: match root.text("errorCode").or_else(|| root.text("errorMessage")) {
            Some(_) => CallOutcome::Failure,
            None => CallOutcome::Success,
        },
        error_code: owned("errorCode"),
        request_id: owned("requestID"),
        principal: owned("userIdentity.arn"),
    };
    let id = owned("eventID").unwrap_or_else(|| redact::hex(&Sha256::digest(bytes)));
    Ok((id, fields))
}

/// The ledger's key. The time is that of the record, or nothing: never ours.
fn key(id: &str, fields: &Fields) -> EventKey {
    let time = fields.time.map(|time| time.unix_timestamp_nanos().to_string());
    EventKey::new([
        id,
        fields.account.as_deref().unwrap_or_default(),
        &fields.name,
        time.as_deref().unwrap_or_default(),
    ])
}

/// `eventTime` and its kin: RFC 3339.
pub(super) fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
