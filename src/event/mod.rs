//! Reads a CloudTrail record into an [`Event`]: who called what on which certificate, and what it
//! means for security. Pure: the time is an argument, nothing is logged and nothing is looked up.
//!
//! The record is evidence: its own bytes travel with the event. Everything derived from it is in
//! other fields and never changes those bytes.

mod call;
pub(crate) mod caller;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod credential_report;
pub(crate) mod date;
mod explain;
mod fields;
mod finding;
pub(crate) mod json;
mod operations;
mod record;
pub(crate) mod redact;
mod remediation;
pub(crate) mod target;
pub(crate) mod view;

pub use call::CallOutcome;
pub use caller::Kind as CallerKind;
pub use credential_report::{AccessKey, Credentials, Report, ReportedCredentials, Reports};
pub(crate) use date::instant;
pub use explain::explain;
pub use fields::Fields;
pub use finding::{Finding, RULES, Rule, Severity, Technique};
pub use operations::{OPERATIONS, Operation};
pub use record::{Arrival, Channel, Context, Event, EventKey};
pub(crate) use redact::{may_hold_key, without_private_keys};
pub use remediation::{Advice, Names, Remediation};
