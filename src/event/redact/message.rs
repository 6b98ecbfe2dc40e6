//! The text of a message, in whose strings JSON may stand again (`EventBridge`'s message in SNS's), each time under one
//! more layer of escapes. Only what is key is cut, however deep it stands, so that whoever reads the letter still sees
//! the bucket, the object and all the rest.

use std::borrow::Cow;
use std::ops::Range;

use super::super::json::{self, Node, Value};
use super::Reason;
use super::signs::{
    hidden_in, is_labelled_private_key, is_placeholder, key_lines, names_certificate,
    names_private_key, names_value,
};
use super::unread::{MOST_LAYERS, speaks_of_private_key};

/// What stands instead of a key: what records have there, too.
const CUT: &str = "\"[redacted private key]\"";

/// The text of a message without private keys: with each of them replaced as in a record, so that the message can still
/// be read; `None`: one may stand where it cannot be found. Certificates stay, because the message may be the only
/// copy of them.
#[must_use]
pub fn without_private_keys(text: &str) -> Option<Cow<'_, str>> {
    match json::parse(text.as_bytes()) {
        Ok(root) => Some(document(text, &root, MOST_LAYERS)),
        Err(_) if speaks_of_private_key(text) => None,
        Err(_) => Some(Cow::Borrowed(text)),
    }
}

/// `text`, which reads as `root`, without private keys; `layers` of strings in it are read, too.
fn document<'t>(text: &'t str, root: &Node<'_>, layers: usize) -> Cow<'t, str> {
    let mut scissors = Scissors { text, layers, out: String::new(), done: 0 };
    scissors.visit(root);
    let Scissors { mut out, done, .. } = scissors;
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

struct Scissors<'t> {
    text: &'t str,
    layers: usize,
    /// What is left of `text[..done]`.
    out: String,
    done: usize,
}

impl Scissors<'_> {
    fn visit(&mut self, node: &Node<'_>) {
        match &node.value {
            Value::Text(text) => self.string(text, &node.span),
            Value::Array(items) => self.items(items),
            Value::Object(members) => {
                let labelled = is_labelled_private_key(node);
                for member in members {
                    self.string(&member.name, &member.name_span);
                    self.member(&member.name, labelled, &member.node);
                }
            }
            _ => {}
        }
    }

    /// The lines of a key go together, as one.
    fn items(&mut self, items: &[Node<'_>]) {
        let mut rest = items;
        while let Some(item) = rest.first() {
            let lines = key_lines(rest);
            match rest[..lines].last() {
                Some(last) => self.replace(&(item.span.start..last.span.end), CUT),
                None => self.visit(item),
            }
            rest = &rest[lines.max(1)..];
        }
    }

    /// By the names that a record's redaction goes by, and by one that has a layer of escapes left.
    fn member(&mut self, name: &str, labelled: bool, node: &Node<'_>) {
        if node.is_nothing() || node.as_text().is_some_and(is_placeholder) {
            return;
        }
        let is_key = names_private_key(name)
            || (name.contains('\\') && speaks_of_private_key(name))
            || (labelled && names_value(name))
            || (names_certificate(name) && self.spreads_key(node));
        if is_key { self.replace(&node.span, CUT) } else { self.visit(node) }
    }

    /// Whether a key may be spread over several texts, as its lines in an array are.
    fn spreads_key(&self, node: &Node<'_>) -> bool {
        let whole = &self.text[node.span.clone()];
        node.as_text().is_none() && hidden_in(whole) == Some(Reason::PrivateKey)
    }

    /// JSON in a string loses its keys only; of any other text that holds one, nothing can be told apart.
    fn string(&mut self, text: &str, span: &Range<usize>) {
        let looks_like_json = text.trim_start().starts_with(['{', '[', '"']);
        if looks_like_json
            && let Some(layers) = self.layers.checked_sub(1)
            && let Ok(root) = json::parse(text.as_bytes())
        {
            if let Cow::Owned(left) = document(text, &root, layers) {
                self.replace(span, &serde_json::Value::String(left).to_string());
            }
        } else if holds_key(text) {
            self.replace(span, CUT);
        }
    }

    fn replace(&mut self, span: &Range<usize>, with: &str) {
        self.out.push_str(&self.text[self.done..span.start]);
        self.out.push_str(with);
        self.done = span.end;
    }
}

/// Whether a text that is no JSON holds a private key. One that quotes something, or is part of something, is judged
/// by a word: the names of buckets and roles are not.
fn holds_key(text: &str) -> bool {
    let quotes = || text.contains(['"', '\\', '{']) || text.contains("-----");
    hidden_in(text) == Some(Reason::PrivateKey) || (quotes() && speaks_of_private_key(text))
}

#[cfg(test)]
mod tests;
