//! What must not leave: private keys always, certificate bodies because they are bulky and their
//! facts say more.
//!
//! Redaction replaces spans of the record's own bytes, so that everything else stays exactly as
//! CloudTrail wrote it, and every replacement names itself. All formats are made from the redacted
//! record; none can leak what another one hides.

#[cfg(test)]
mod tests;
mod unread;

use std::borrow::Cow;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::json::{Node, Value};

pub use unread::{may_hold_key, without_private_keys};

/// Longest path that is spelled out: hostile names must not make the output grow.
const MAX_PATH: usize = 256;

/// Names of members whose value is a certificate or a chain of them, in lower case.
/// Source: IAM `UploadServerCertificate`, `UploadSigningCertificate`; Roles Anywhere `CreateTrustAnchor`.
const CERTIFICATE_NAMES: [&str; 3] = ["certificatebody", "certificatechain", "x509certificatedata"];

/// One replaced span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redaction {
    /// Where, as `requestParameters.certificateBody`.
    pub(super) path: String,
    /// The bytes that go, in the record as it came.
    pub(super) span: Range<usize>,
    /// Why.
    pub(super) reason: Reason,
    /// SHA-256 of the text, hexadecimal; none for a private key.
    pub(super) sha256: Option<String>,
    /// Characters of the text.
    pub(super) characters: usize,
    /// The text itself, to read the certificate; none for a private key.
    pub(super) text: Option<String>,
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
}

/// All spans of this record that must go, in order, none inside another.
pub(super) fn find(root: &Node<'_>, bytes: &[u8]) -> Vec<Redaction> {
    let mut found = Vec::new();
    Walk { bytes, found: &mut found }.visit(root, &mut String::new());
    found
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

struct Walk<'w> {
    bytes: &'w [u8],
    found: &'w mut Vec<Redaction>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Node<'_>, path: &mut String) {
        match &node.value {
            Value::Text(text) => {
                if let Some(reason) = hidden_in(text) {
                    self.redact(path, node.span.clone(), reason, text);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(path, &index.to_string(), |walk, path| walk.visit(item, path));
                }
            }
            Value::Object(members) => {
                let labelled = is_labelled_private_key(node);
                for member in members {
                    self.below(path, &member.name, |walk, path| {
                        if let Some(reason) = hidden_in(&member.name) {
                            "(name)".clone_into(path);
                            walk.redact(path, member.name_span.clone(), reason, &member.name);
                        }
                        walk.member(&member.name, labelled, &member.node, path);
                    });
                }
            }
            _ => {}
        }
    }

    fn member(&mut self, name: &str, labelled: bool, node: &Node<'_>, path: &mut String) {
        let name = squash(name);
        if node.is_nothing() || node.as_text().is_some_and(is_placeholder) {
            return;
        }
        let raw = || String::from_utf8_lossy(&self.bytes[node.span.clone()]).into_owned();
        let text = || node.as_text().map_or_else(raw, str::to_owned);
        if names_private_key(&name) || (labelled && name.starts_with("value")) {
            let text = text();
            self.redact(path, node.span.clone(), Reason::PrivateKey, &text);
        } else if CERTIFICATE_NAMES.contains(&name.as_str()) {
            let text = text();
            let reason = hidden_in(&text).unwrap_or(Reason::Certificate);
            self.redact(path, node.span.clone(), reason, &text);
        } else {
            self.visit(node, path);
        }
    }

    fn below(&mut self, path: &mut String, name: &str, then: impl FnOnce(&mut Self, &mut String)) {
        let before = path.clone();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        if path.len() > MAX_PATH {
            path.truncate(path.floor_char_boundary(MAX_PATH));
            path.push('…');
        }
        then(self, path);
        *path = before;
    }

    fn redact(&mut self, path: &str, span: Range<usize>, reason: Reason, text: &str) {
        let shown = (reason == Reason::Certificate).then_some(text);
        self.found.push(Redaction {
            path: path.to_owned(),
            span,
            reason,
            sha256: shown.map(|text| hex(&Sha256::digest(text.as_bytes()))),
            characters: text.chars().count(),
            text: shown.map(str::to_owned),
        });
    }
}

/// Whether this text is what an earlier redaction left, so that a replayed record stays as it is. The
/// match is exact: nothing can hide in it.
fn is_placeholder(text: &str) -> bool {
    let certificate = || {
        let (sha256, rest) =
            text.strip_prefix("[redacted certificate: sha256 ")?.split_at_checked(64)?;
        let count = rest.strip_prefix(", ")?.strip_suffix(" characters]")?;
        let is_hex = sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && count.len() < 12 && count.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some(())
    };
    text == "[redacted private key]" || certificate().is_some()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name without case and separators: `Private_Key` and `private-key` are `privateKey` too.
fn squash(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a member of this (squashed) name holds a private key, not merely its ARN or type.
fn names_private_key(name: &str) -> bool {
    name.contains("privatekey")
        && !["arn", "id", "name", "type"].iter().any(|suffix| name.ends_with(suffix))
}

/// `{"key": "privateKey", "value": …}`, as tags are written.
fn is_labelled_private_key(node: &Node<'_>) -> bool {
    node.members().iter().any(|member| {
        matches!(squash(&member.name).as_str(), "key" | "name" | "tagkey")
            && member.node.as_text().is_some_and(|text| names_private_key(&squash(text)))
    })
}

/// What a text must be hidden for: PEM anywhere in it, or `privateKey` with a value behind it, as in
/// JSON inside a string or in a validation message that quotes the parameter.
fn hidden_in(text: &str) -> Option<Reason> {
    let pem = text.contains("-----BEGIN") || text.contains("-----END");
    if pem && !text.contains("PRIVATE KEY") && !quotes_private_key(text) {
        return Some(Reason::Certificate);
    }
    (pem || quotes_private_key(text)).then_some(Reason::PrivateKey)
}

fn quotes_private_key(text: &str) -> bool {
    let text: String =
        text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    text.match_indices("privatekey").any(|(at, name)| {
        let after = text[at + name.len()..].trim_start_matches(['"', '\'', '\\', ' ', '\n', '\t']);
        after.starts_with([':', '=']) || text[..at].ends_with("' at '")
    })
}
