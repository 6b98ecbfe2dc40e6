//! The search for what must go, over everything in the record.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::json::{Node, Value};
use super::path::Path;
use super::signs::{
    hidden_in, is_labelled_private_key, is_placeholder, key_lines, names_certificate,
    names_private_key, names_value,
};
use super::{Reason, Redaction};

/// All spans of this record that must go, in order, none inside another.
pub(super) fn all(root: &Node<'_>, bytes: &[u8]) -> Vec<Redaction> {
    let mut walk = Walk { bytes, found: Vec::new() };
    walk.visit(root, Path::ROOT);
    walk.found
}

struct Walk<'w> {
    bytes: &'w [u8],
    found: Vec<Redaction>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Node<'_>, path: Path<'_>) {
        match &node.value {
            Value::Text(text) => {
                if let Some(reason) = hidden_in(text) {
                    self.redact(path, &node.span, reason, text);
                }
            }
            Value::Array(items) => self.items(items, path),
            Value::Object(members) => {
                let labelled = is_labelled_private_key(node);
                for member in members {
                    let mut below = path.member(&member.name);
                    if let Some(reason) = hidden_in(&member.name) {
                        below = Path::hidden_member();
                        self.redact(below, &member.name_span, reason, &member.name);
                    }
                    self.member(&member.name, labelled, &member.node, below);
                }
            }
            _ => {}
        }
    }

    /// The lines of a key go together, as one.
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
        if node.is_nothing() || node.as_text().is_some_and(is_placeholder) {
            return;
        }
        if names_private_key(name) || (labelled && names_value(name)) {
            let text = self.text(node);
            self.redact(path, &node.span, Reason::PrivateKey, &text);
        } else if names_certificate(name) {
            let text = self.text(node);
            let reason = hidden_in(&text).unwrap_or(Reason::Certificate);
            self.redact(path, &node.span, reason, &text);
        } else {
            self.visit(node, path);
        }
    }

    /// The string itself; of anything else its JSON.
    fn text<'n>(&self, node: &'n Node<'_>) -> Cow<'n, str> {
        match node.as_text() {
            Some(text) => Cow::Borrowed(text),
            None => {
                let raw = String::from_utf8_lossy(&self.bytes[node.span.clone()]);
                Cow::Owned(raw.into_owned())
            }
        }
    }

    fn redact(
        &mut self,
        path: Path<'_>,
        span: &std::ops::Range<usize>,
        reason: Reason,
        text: &str,
    ) {
        let shown = (reason == Reason::Certificate).then_some(text);
        self.found.push(Redaction {
            path: path.spell(),
            span: span.clone(),
            reason,
            sha256: shown.map(|text| HEXLOWER.encode(&Sha256::digest(text.as_bytes()))),
            characters: text.chars().count(),
        });
    }
}
