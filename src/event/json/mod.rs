//! A record's JSON with the place of every value in it. serde_json forgets both the places and how a
//! number was written; redaction needs the first, evidence the second.
//!
//! The whole document is read strictly (RFC 8259) and once. Values remember whether a format has
//! used them, so that what is left over can be shown as left over: no leaf is lost by forgetting it.

mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

pub(super) use parse::parse;

/// Nesting that a record may have. CloudTrail's own stay below 20; hostile ones must not exhaust the stack.
pub(super) const MAX_DEPTH: usize = 100;

/// One value and where it stands.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Its bytes in the record.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) value: Value<'a>,
    used: Cell<bool>,
}

/// A JSON value.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number, exactly as written.
    Number(&'a str),
    /// A string, decoded. A lone surrogate reads as U+FFFD.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object, members in order, duplicates kept.
    Object(Vec<Member<'a>>),
}

/// One member of an object.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// The name, decoded.
    pub(super) name: Cow<'a, str>,
    /// The name's own bytes, quotes included.
    pub(super) name_span: Range<usize>,
    /// The value.
    pub(super) node: Node<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn new(span: Range<usize>, value: Value<'a>) -> Self {
        Self { span, value, used: Cell::new(false) }
    }

    /// The members, if this is an object.
    pub(super) fn members(&self) -> &[Member<'a>] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items, if this is an array.
    pub(super) fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The member of this name; of duplicates the last, as most parsers have it.
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.members().iter().rev().find(|member| member.name == name).map(|member| &member.node)
    }

    /// The value at `a.b.c`.
    pub(super) fn at(&self, path: &str) -> Option<&Node<'a>> {
        path.split('.').try_fold(self, |node, name| node.get(name))
    }

    /// The string itself, if this is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A string at `path` that says something.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_text().filter(|text| !text.is_empty())
    }

    /// A boolean at `path`, also in CloudTrail's frequent form `"true"`, `"false"`.
    pub(super) fn flag(&self, path: &str) -> Option<bool> {
        match &self.at(path)?.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// [`Node::text`], and it counts as used.
    pub(super) fn take_text(&self, path: &str) -> Option<&str> {
        let node = self.at(path)?;
        let text = node.as_text().filter(|text| !text.is_empty())?;
        node.mark_used();
        Some(text)
    }

    /// [`Node::flag`], and it counts as used.
    pub(super) fn take_flag(&self, path: &str) -> Option<bool> {
        let flag = self.flag(path)?;
        self.at(path)?.mark_used();
        Some(flag)
    }

    /// Everything at and below this value is in the output.
    pub(super) fn mark_used(&self) {
        self.used.set(true);
    }

    /// Whether a format has used it.
    pub(super) fn is_used(&self) -> bool {
        self.used.get()
    }

    /// Whether it says nothing: `null`, `{}`, `[]`.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        }
    }
}
