//! A CloudTrail record, read once: the fields that routing and envelopes need.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::caller::Caller;
use super::certificate::Flag;
use super::finding::{self, Finding, Severity, Subject};
use super::json::{self, Node};
use super::redact::Kept;
use super::target::Target;
use super::{
    Arrival, CallOutcome, Context, Event, EventKey, Posture, Reports, certificate, date, redact,
};
use crate::cloudtrail::{InvalidRecord, Record};
use crate::config::EventOptions;

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
    /// The caller's own ARN, for a session that of its role: what `when.principal` and
    /// `events.expected_principals` are matched on.
    pub caller: Option<String>,
    /// ARN of what the call acts on, built where the record does not state it.
    pub target: Option<String>,
    /// The gravest finding's severity.
    pub severity: Severity,
    /// What is worth a look, gravest first.
    pub findings: Vec<Finding>,
    /// Flags of the certificate that the call brings, as of the time of the call.
    pub certificate: Vec<&'static str>,
}

/// Reads the record's JSON and what every record has.
///
/// The fields come from the redacted record, so that nothing hidden can leave through an envelope.
pub(super) fn read(
    record: Record,
    arrival: Arrival,
    options: &Arc<EventOptions>,
    context: &Context,
) -> Result<Event, InvalidRecord> {
    match understand(&record.bytes, &arrival, options, &context.reports) {
        Ok(Understood { id, fields, posture, redactions }) => Ok(Event {
            posture,
            account: fields.account.as_ref().and_then(|id| context.accounts.get(id)).cloned(),
            key: key(&id, &fields),
            id,
            record,
            redactions,
            origin: arrival.origin,
            lane: arrival.lane,
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

/// What the record's JSON comes to.
struct Understood {
    id: String,
    fields: Fields,
    posture: Posture,
    redactions: Kept,
}

fn understand(
    bytes: &[u8],
    arrival: &Arrival,
    options: &EventOptions,
    reports: &Reports,
) -> Result<Understood, String> {
    let mut root =
        json::parse(bytes).map_err(|error| format!("the record is not JSON: {error}"))?;
    let redactions = redact::find(&root, bytes);
    let clean = redact::apply(bytes, &redactions, options.keep_pem);
    if let Cow::Owned(clean) = &clean {
        root = json::parse(clean)
            .map_err(|error| format!("the redacted record is not JSON: {error}"))?;
    }
    let (id, mut fields) = fields(&root, bytes)?;
    let target = Target::of(&root, &fields);
    let caller = Caller::of(&root);
    let posture = posture_of(&caller, &target, reports);
    let certificates = certificate::found(&redactions, bytes);
    let now = fields.time.or(arrival.delivered).unwrap_or(arrival.seen);
    let findings = finding::assess(&Subject {
        root: &root,
        fields: &fields,
        target: &target,
        caller: &caller,
        posture: &posture,
        certificates: &certificates,
        options,
        now,
    });
    let body = certificates.iter().find(|found| found.is_body());
    let flags = body.and_then(|found| found.chain.leaf()).map(|leaf| leaf.flags(now));
    fields.certificate = flags.unwrap_or_default().into_iter().map(Flag::as_str).collect();
    fields.caller = caller.principal;
    fields.target = target.arn();
    fields.severity = findings.iter().map(|finding| finding.severity).max().unwrap_or_default();
    fields.findings = findings;
    Ok(Understood { id, fields, posture, redactions: Kept::new(redactions) })
}

/// What the reports say of those that a call is about.
fn posture_of(caller: &Caller, target: &Target, reports: &Reports) -> Posture {
    let of = |arn: Option<&str>| reports.of(arn?).cloned();
    let user = target.user.as_ref();
    Posture {
        caller: of(caller.principal.as_deref()),
        target: of(user.and_then(|user| user.arn.as_deref())),
    }
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
        time: root.text("eventTime").and_then(date::instant),
        account: owned("recipientAccountId").or_else(|| owned("userIdentity.accountId")),
        region: owned("awsRegion"),
        outcome: match root.text("errorCode").or_else(|| root.text("errorMessage")) {
            Some(_) => CallOutcome::Failure,
            None => CallOutcome::Success,
        },
        error_code: owned("errorCode"),
        request_id: owned("requestID"),
        principal: owned("userIdentity.arn"),
        caller: None,
        target: None,
        severity: Severity::default(),
        findings: Vec::new(),
        certificate: Vec::new(),
    };
    let id = owned("eventID").unwrap_or_else(|| HEXLOWER.encode(&Sha256::digest(bytes)));
    Ok((id, fields))
}

/// The ledger's key. The time is that of the record, or nothing: never ours.
pub(super) fn key(id: &str, fields: &Fields) -> EventKey {
    let time = fields.time.map(|time| time.unix_timestamp_nanos().to_string());
    EventKey::new([
        id,
        fields.account.as_deref().unwrap_or_default(),
        &fields.name,
        time.as_deref().unwrap_or_default(),
    ])
}
