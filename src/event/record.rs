//! A CloudTrail record, read once: the fields that routing and envelopes need.

use time::OffsetDateTime;

use super::{Arrival, CallOutcome, Event};
use crate::cloudtrail::{BadRecord, Record};

/// Parts of the record, decoded.
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
}

pub(super) fn read(_record: Record, _arrival: Arrival) -> Result<Event, BadRecord> {
    todo!("event helper")
}
