//! What must not leave: private keys always, certificate bodies because they are bulky and their
//! facts say more.
//!
//! Redaction replaces spans of the record's own bytes, so that everything else stays exactly as
//! CloudTrail wrote it, and every replacement names itself. All formats are made from the redacted
//! record; none can leak what another one hides. The record is searched once, when it is read: the
//! event keeps what was found, and its bytes cannot be exchanged after that.

#[cfg(test)]
mod equal;
mod kept;
mod message;
mod path;
mod signs;
#[cfg(test)]
mod tests;
mod unread;
mod walk;

use std::borrow::Cow;
use std::ops::Range;

use super::json::{self, Node};

pub(super) use kept::Kept;
pub use message::without_private_keys;
pub use unread::may_hold_key;

/// One replaced span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redaction {
    /// Where, as `requestParameters.certificateBody`.
    pub(super) path: String,
    /// The bytes that go, in the record as it came.
    pub(super) span: Range<usize>,
    /// Error.
    pub(super) reason: Reason,
    /// SHA-256 of the text, hexadecimal; none for a private key.
    pub(super) sha256: Option<String>,
    /// Characters of the text.
    pub(super) characters: usize,
}

/// Why a span is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A private key, or text that carries one.
    PrivateKey,
    /// A certificate or a chain.
    Certificate,
}

impl Reason {
    /// `private key` or `certificate`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::Certificate => "certificate",
        }
    }
}

impl Redaction {
    /// What stands in the record instead: a JSON string.
    fn placeholder(&self) -> String {
        let Self { reason, characters, .. } = self;
        match &self.sha256 {
            Some(sha256) => {
                format!(
                    "\"[redacted {}: sha256 {sha256}, {characters} characters]\"",
                    reason.as_str()
                )
            }
            None => format!("\"[redacted {}]\"", reason.as_str()),
        }
    }

    /// The certificate's text, read again from `bytes`, the record as it came; none of a private key.
    pub(super) fn certificate<'b>(&self, bytes: &'b [u8]) -> Option<Cow<'b, str>> {
        if self.reason == Reason::PrivateKey {
            return None;
        }
        let raw = bytes.get(self.span.clone())?;
        match json::parse(raw).map(|node| node.value) {
            Ok(json::Value::Text(text)) => Some(text),
            _ => Some(String::from_utf8_lossy(raw)),
        }
    }
}

/// All spans of this record that must go, in order, none inside another.
pub(super) fn find(root: &Node<'_>, bytes: &[u8]) -> Vec<Redaction> {
    walk::all(root, bytes)
}

/// The record with these spans replaced; itself, if there are none. `keep_pem` leaves certificates,
/// never private keys.
pub(super) fn apply<'a>(
    bytes: &'a [u8],
    redactions: &[Redaction],
    keep_pem: bool,
) -> Cow<'a, [u8]> {
    let goes = |redaction: &&Redaction| !keep_pem || redaction.reason == Reason::PrivateKey;
    if !redactions.iter().any(|redaction| goes(&redaction)) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut kept = 0;
    for redaction in redactions.iter().filter(goes) {
        out.extend_from_slice(&bytes[kept..redaction.span.start]);
        out.extend_from_slice(redaction.placeholder().as_bytes());
        kept = redaction.span.end;
    }
    out.extend_from_slice(&bytes[kept..]);
    Cow::Owned(out)
}
