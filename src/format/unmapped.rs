//! The leaves of a record that a format has no field for: flat, dotted names and string values, as
//! AWS writes them. With the mapped and the redacted leaves, this is every leaf of the record.

use serde_json::{Map, Value as Json};

use crate::event::json::{Node, Value};
use crate::event::view::View;

/// Longest name in bytes: values below a longer one are one JSON text, because an event must not
/// grow without bound with long names.
const MAX_NAME: usize = 128;

/// Members of an object, and leaves in all, from which an object is one JSON text: each leaf
/// repeats the names above it.
const MAX_LEAVES: usize = 1000;

/// Returns the unused leaves, if there are any.
pub(super) fn object(view: &View<'_>) -> Option<Json> {
    let members = members(view, "");
    (!members.is_empty()).then_some(Json::Object(members))
}

/// Returns the unused leaves, with `prefix` before every name.
pub(super) fn members(view: &View<'_>, prefix: &str) -> Map<String, Json> {
    let mut unmapped = Unmapped { view, members: Map::new() };
    unmapped.collect(view.root, prefix);
    unmapped.members
}

struct Unmapped<'u> {
    view: &'u View<'u>,
    members: Map<String, Json>,
}

impl Unmapped<'_> {
    fn collect(&mut self, node: &Node<'_>, name: &str) {
        if node.is_used() || node.is_empty() {
            return;
        }
        match &node.value {
            Value::Object(members)
                if name.len() <= MAX_NAME && self.members.len() + members.len() <= MAX_LEAVES =>
            {
                for member in members {
                    let dot = if name.is_empty() { "" } else { "." };
                    self.collect(&member.node, &format!("{name}{dot}{}", member.name));
                }
            }
            Value::Text(text) => self.put(name, node, text.to_string()),
            Value::Number(text) => self.put(name, node, (*text).to_owned()),
            Value::Array(items) if items.iter().all(all_used) => {}
            _ => self.put(name, node, self.view.source_of(node)),
        }
    }

    /// Two leaves may have the same name: duplicate members, or a name with a dot in it. The second
    /// is distinguished by its byte offset in the record.
    fn put(&mut self, name: &str, node: &Node<'_>, value: String) {
        let mut unique = name.to_owned();
        while self.members.contains_key(&unique) {
            unique = format!("{unique}#{}", node.span.start);
        }
        self.members.insert(unique, Json::String(value));
    }
}

/// Returns whether everything below has been used.
fn all_used(node: &Node<'_>) -> bool {
    node.is_used()
        || match &node.value {
            Value::Object(members) => members.iter().all(|member| all_used(&member.node)),
            Value::Array(items) => items.iter().all(all_used),
            Value::Null => true,
            _ => false,
        }
}
