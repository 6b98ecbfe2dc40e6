//! The parts of an event that routing and the sinks' envelopes read, decoded once.

use time::OffsetDateTime;

use super::call::{Call, CallOutcome};
use super::date;
use super::finding::{Finding, Severity};
use super::json::{Node, Value};

/// Decoded parts of the record. An absent field may also have had another type than CloudTrail
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
    /// The caller's own ARN, for a session the ARN of its role: matched by `when.principal` and
    /// `events.expected_principals`.
    pub caller: Option<String>,
    /// ARN of what the call acts on, built where the record does not state it.
    pub target: Option<String>,
    /// The highest severity of the findings.
    pub severity: Severity,
    /// The rules that the event matches, highest severity first.
    pub findings: Vec<Finding>,
    /// Flags of the certificate that the call uploads, as of the time of the call.
    pub certificate: Vec<&'static str>,
}

impl Fields {
    /// Reads what the record states; `caller`, `target`, `severity`, `findings` and `certificate`
    /// stay empty.
    ///
    /// # Errors
    /// The record is not a JSON object, or lacks `eventName` or `eventSource`.
    pub(super) fn read(root: &Node<'_>) -> Result<Self, String> {
        if !matches!(root.value, Value::Object(_)) {
            return Err("the record is not a JSON object".to_owned());
        }
        let required = |name: &str| {
            root.text(name).map(str::to_owned).ok_or_else(|| match root.at(name) {
                None => format!("{name} is missing"),
                Some(_) => format!("{name} is not a non-empty string"),
            })
        };
        let owned = |path: &str| root.text(path).map(str::to_owned);
        Ok(Self {
            name: required("eventName")?,
            source: required("eventSource")?,
            time: root.at("eventTime").and_then(date::of),
            account: owned("recipientAccountId").or_else(|| owned("userIdentity.accountId")),
            region: owned("awsRegion"),
            outcome: CallOutcome::of(root),
            error_code: owned("errorCode"),
            request_id: owned("requestID"),
            principal: owned("userIdentity.arn"),
            caller: None,
            target: None,
            severity: Severity::default(),
            findings: Vec::new(),
            certificate: Vec::new(),
        })
    }

    /// Returns the call that these fields describe.
    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            name: &self.name,
            source: &self.source,
            account: self.account.as_deref(),
            region: self.region.as_deref(),
            principal: self.principal.as_deref(),
            outcome: self.outcome,
            error_code: self.error_code.as_deref(),
        }
    }
}
