//! The search as plainly as it can be written: every name and every text is looked at in full, every path spelled out.
//! What takes no short cut is the search's own.

use std::ops::Range;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::super::json::{Node, Value};
use super::super::signs::{is_placeholder, quotes_private_key};
use super::super::unread::in_any_layer;
use super::super::{Reason, Redaction};

const MAX_PATH: usize = 256;

/// Names of members whose value is a certificate or a chain of them, in lower case.
const CERTIFICATE_NAMES: [&str; 3] = ["certificatebody", "certificatechain", "x509certificatedata"];

/// Every redaction, with the text of a certificate.
pub(super) fn find(root: &Node<'_>, bytes: &[u8]) -> Vec<(Redaction, Option<String>)> {
    let mut found = Vec::new();
    Walk { bytes, found: &mut found }.visit(root, &mut String::new());
    found
}

struct Walk<'w> {
    bytes: &'w [u8],
    found: &'w mut Vec<(Redaction, Option<String>)>,
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
                let (mut index, mut last) = (0, 0);
                while let Some(item) = items.get(index) {
                    while last + 1 < items.len() && in_key(&items[index..=last], &items[last + 1..])
                    {
                        last += 1;
                    }
                    self.below(path, &index.to_string(), |walk, path| match begins_key(item) {
                        true => walk.lines(path, item.span.start..items[last].span.end),
                        false => walk.visit(item, path),
                    });
                    last += 1;
                    index = last;
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

    fn lines(&mut self, path: &str, span: Range<usize>) {
        let text = String::from_utf8_lossy(&self.bytes[span.clone()]).into_owned();
        self.redact(path, span, Reason::PrivateKey, &text);
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
        let redaction = Redaction {
            path: path.to_owned(),
            span,
            reason,
            sha256: shown.map(|text| HEXLOWER.encode(&Sha256::digest(text.as_bytes()))),
            characters: text.chars().count(),
        };
        self.found.push((redaction, shown.map(str::to_owned)));
    }
}

/// Whether this is a text that begins a private key and does not end it.
fn begins_key(item: &Node<'_>) -> bool {
    let begins = |text: &str| match text.rsplit_once("-----BEGIN") {
        Some((_, rest)) => rest.contains("PRIVATE KEY") && !rest.contains("-----END"),
        None => false,
    };
    item.as_text().is_some_and(|text| in_any_layer(text, begins))
}

/// Whether a key that the first of these lines begins goes on below them.
fn in_key(lines: &[Node<'_>], below: &[Node<'_>]) -> bool {
    let ends = |line: &Node<'_>| {
        line.as_text().is_some_and(|text| in_any_layer(text, |text| text.contains("-----END")))
    };
    begins_key(&lines[0])
        && !lines[1..].iter().any(ends)
        && below.iter().any(|item| item.as_text().is_some())
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
/// JSON inside a string or in a validation message that quotes the parameter; of JSON with letters
/// written as `\u00XX`, in any layer.
fn hidden_in(text: &str) -> Option<Reason> {
    let reason = |text: &str| {
        let pem = text.contains("-----BEGIN") || text.contains("-----END");
        let key = quotes_private_key(text);
        let certificate = pem && !text.contains("PRIVATE KEY") && !key;
        let found = if certificate { Reason::Certificate } else { Reason::PrivateKey };
        (pem || key).then_some(found)
    };
    if !text.contains("\\u") {
        return reason(text);
    }
    let says = |wanted| in_any_layer(text, |layer| reason(layer) == Some(wanted));
    [Reason::PrivateKey, Reason::Certificate].into_iter().find(|wanted| says(*wanted))
}
