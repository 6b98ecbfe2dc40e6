//! Finding and replacing the spans of a record that must not leave.

use std::borrow::Cow;
use std::ops::Range;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::json::{self, Node, Value};
use super::patterns::{
    Reason, is_labelled_private_key, is_placeholder, key_lines, names_certificate,
    names_private_key, names_value, reason_to_redact,
};

/// Longest path that is shown, in bytes: hostile names must not make the output grow.
const MAX_PATH: usize = 256;

/// Most redactions that an event stores, under 4 kB of memory: IAM's own calls have at most three
/// (a body, a chain, a key). An event with more stores none and is searched again, so that hostile
/// records do not take more memory than was reserved.
const MAX_STORED: usize = 8;

/// One replaced span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// Path, as `requestParameters.certificateBody`.
    pub(crate) path: String,
    /// The replaced bytes of the unredacted record.
    pub(crate) span: Range<usize>,
    /// Why it is replaced.
    pub(crate) reason: Reason,
    /// SHA-256 of the text, hexadecimal; none for a private key.
    pub(crate) sha256: Option<String>,
    /// Number of characters of the text.
    pub(crate) characters: usize,
}

impl Redaction {
    /// Returns the JSON string that replaces the span.
    fn placeholder(&self) -> String {
        let Self { reason, characters, .. } = self;
        match &self.sha256 {
            Some(sha256) => {
                let reason = reason.as_str();
                format!("\"[redacted {reason}: sha256 {sha256}, {characters} characters]\"")
            }
            None => format!("\"[redacted {}]\"", reason.as_str()),
        }
    }

    /// Returns the certificate's text from `bytes`, the unredacted record; `None` for a private
    /// key. A member that is named as a certificate may have both: only the certificate's facts may
    /// be made from that text, no hash.
    pub(crate) fn certificate<'b>(&self, bytes: &'b [u8]) -> Option<Cow<'b, str>> {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        if self.reason == Reason::PrivateKey && !names_certificate(name) {
            return None;
        }
        let raw = bytes.get(self.span.clone())?;
        match json::parse(raw).map(|node| node.value) {
            Ok(Value::Text(text)) => Some(text),
            _ => Some(String::from_utf8_lossy(raw)),
        }
    }
}

/// Returns all spans of this record that are to be replaced, in order, none inside another.
pub(crate) fn find(root: &Node<'_>, bytes: &[u8]) -> Vec<Redaction> {
    let mut search = Search { bytes, found: Vec::new() };
    search.visit(root, Path::ROOT);
    search.found
}

/// Returns the record with these spans replaced. `keep_pem` leaves certificates, never private
/// keys.
pub(crate) fn apply<'a>(
    bytes: &'a [u8],
    redactions: &[Redaction],
    keep_pem: bool,
) -> Cow<'a, [u8]> {
    let is_replaced = |redaction: &&Redaction| !keep_pem || redaction.reason == Reason::PrivateKey;
    if !redactions.iter().any(|redaction| is_replaced(&redaction)) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    for redaction in redactions.iter().filter(is_replaced) {
        out.extend_from_slice(&bytes[copied..redaction.span.start]);
        out.extend_from_slice(redaction.placeholder().as_bytes());
        copied = redaction.span.end;
    }
    out.extend_from_slice(&bytes[copied..]);
    Cow::Owned(out)
}

/// The redactions of a record, stored with its event, so that rendering does not search again.
#[derive(Debug, Clone)]
pub(crate) enum Redactions {
    /// These, and no others.
    All(Box<[Redaction]>),
    /// More than [`MAX_STORED`]: the record is searched again.
    TooMany,
}

impl Redactions {
    /// Stores what was found.
    pub(crate) fn new(found: Vec<Redaction>) -> Self {
        if found.len() <= MAX_STORED { Self::All(found.into_boxed_slice()) } else { Self::TooMany }
    }

    /// Returns the redactions; `bytes` must be those of the record that this was made for.
    pub(crate) fn of(&self, bytes: &[u8]) -> Cow<'_, [Redaction]> {
        match self {
            Self::All(redactions) => Cow::Borrowed(redactions),
            // It has been parsed before: this cannot fail.
            Self::TooMany => {
                Cow::Owned(json::parse(bytes).map(|root| find(&root, bytes)).unwrap_or_default())
            }
        }
    }
}

/// The search over everything in a record.
struct Search<'s> {
    bytes: &'s [u8],
    found: Vec<Redaction>,
}

impl Search<'_> {
    fn visit(&mut self, node: &Node<'_>, path: Path<'_>) {
        match &node.value {
            Value::Text(text) => {
                if let Some(reason) = reason_to_redact(text) {
                    self.redact(path, &node.span, reason, text);
                }
            }
            Value::Array(items) => self.items(items, path),
            Value::Object(members) => {
                let labelled = is_labelled_private_key(node);
                for member in members {
                    let mut below = path.member(&member.name);
                    if let Some(reason) = reason_to_redact(&member.name) {
                        below = Path::redacted_member();
                        self.redact(below, &member.name_span, reason, &member.name);
                    }
                    self.member(&member.name, labelled, &member.node, below);
                }
            }
            _ => {}
        }
    }

    /// The lines of a key are one span.
    fn items(&mut self, items: &[Node<'_>], path: Path<'_>) {
        let mut index = 0;
        while let Some(item) = items.get(index) {
            let lines = key_lines(&items[index..]);
            match items[index..index + lines].last() {
                Some(last) => {
                    let span = item.span.start..last.span.end;
                    let text = String::from_utf8_lossy(&self.bytes[span.clone()]);
                    self.redact(path.item(index), &span, Reason::PrivateKey, &text);
                }
                None => self.visit(item, path.item(index)),
            }
            index += lines.max(1);
        }
    }

    fn member(&mut self, name: &str, labelled: bool, node: &Node<'_>, path: Path<'_>) {
        if node.is_empty() || node.as_text().is_some_and(is_placeholder) {
            return;
        }
        if names_private_key(name) || (labelled && names_value(name)) {
            let text = self.text(node);
            self.redact(path, &node.span, Reason::PrivateKey, &text);
        } else if names_certificate(name) {
            let text = self.text(node);
            let reason = reason_to_redact(&text).unwrap_or(Reason::Certificate);
            self.redact(path, &node.span, reason, &text);
        } else {
            self.visit(node, path);
        }
    }

    /// Returns the string itself, or the JSON of any other value.
    fn text<'n>(&self, node: &'n Node<'_>) -> Cow<'n, str> {
        let raw = || String::from_utf8_lossy(&self.bytes[node.span.clone()]).into_owned();
        node.as_text().map_or_else(|| Cow::Owned(raw()), Cow::Borrowed)
    }

    fn redact(&mut self, path: Path<'_>, span: &Range<usize>, reason: Reason, text: &str) {
        let shown = (reason == Reason::Certificate).then_some(text);
        self.found.push(Redaction {
            path: path.to_text(),
            span: span.clone(),
            reason,
            sha256: shown.map(|text| HEXLOWER.encode(&Sha256::digest(text.as_bytes()))),
            characters: text.chars().count(),
        });
    }
}

/// The path of a value in the record. It becomes text only if the value is redacted, which is rare.
#[derive(Debug, Clone, Copy)]
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Member(&'p str),
    Item(usize),
    /// A member whose name is redacted itself; its path is not shown.
    RedactedMember,
}

impl<'p> Path<'p> {
    /// The record itself.
    const ROOT: Self = Self { above: None, step: Step::Root };

    /// Returns the path of the member of this name.
    fn member(&'p self, name: &'p str) -> Self {
        Self { above: Some(self), step: Step::Member(name) }
    }

    /// Returns the path of the item at this index of an array.
    fn item(&'p self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Item(index) }
    }

    /// Returns the path of a member whose name is redacted.
    fn redacted_member() -> Self {
        Self { above: None, step: Step::RedactedMember }
    }

    /// Formats it as `requestParameters.tags.0`, cut after [`MAX_PATH`] bytes.
    fn to_text(self) -> String {
        let mut path = self.above.map(|above| above.to_text()).unwrap_or_default();
        match self.step {
            Step::Root => return path,
            Step::RedactedMember => return "(name)".to_owned(),
            Step::Member(name) => push(&mut path, name),
            Step::Item(index) => push(&mut path, &index.to_string()),
        }
        if path.len() > MAX_PATH {
            path.truncate(path.floor_char_boundary(MAX_PATH));
            path.push('…');
        }
        path
    }
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
