//! Redaction: private keys never leave, certificate bodies only with `privacy.keep_pem` (they are
//! bulky, and the event has their facts).
//!
//! Redaction replaces spans of the record's own bytes, so that everything else stays exactly as
//! CloudTrail wrote it, and every replacement names itself. All formats are made from the redacted
//! record, so none can leak what another one redacts. A record is searched once, when it is read;
//! the event keeps the spans, and its bytes cannot be exchanged after that.

#[cfg(test)]
mod equivalence;
mod message;
mod patterns;
mod redactions;
#[cfg(test)]
mod tests;

pub(crate) use message::without_private_keys;
pub(crate) use patterns::Reason;
pub(crate) use patterns::may_hold_key;
pub(crate) use redactions::{Redaction, Redactions, apply, find};
