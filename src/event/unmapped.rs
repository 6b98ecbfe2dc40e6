//! What has no place in a format: flat, dotted names and string values, as AWS writes them. Together
//! with what is mapped and what is redacted this is every leaf of the record.

use serde_json::{Map, Value as Json};

use super::format::View;
use super::json::{Node, Value};

/// Above this a name is not spelled out further and the rest stands as JSON text: a record must not
/// grow without bound because its names are long.
const MAX_NAME: usize = 128;

/// What is left, if anything.
pub(super) fn object(view: &View<'_>) -> Option<Json> {
    let members = members(view, "");
    (!members.is_empty()).then_some(Json::Object(members))
}

/// What is left, every name behind `prefix`.
pub(super) fn members(view: &View<'_>, prefix: &str) -> Map<String, Json> {
    let mut left = Left { view, members: Map::new() };
    left.collect(view.root, prefix);
    left.members
}

struct Left<'l> {
    view: &'l View<'l>,
    members: Map<String, Json>,
}

impl Left<'_> {
    fn collect(&mut self, node: &Node<'_>, name: &str) {
        if node.is_used() || node.is_nothing() {
            return;
        }
        match &node.value {
            Value::Object(members) if name.len() <= MAX_NAME => {
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

    /// Two leaves may have one name: duplicate members, or a name with a dot in it. The second is
    /// told apart by its place in the record.
    fn put(&mut self, name: &str, node: &Node<'_>, value: String) {
        let mut unique = name.to_owned();
        while self.members.contains_key(&unique) {
            unique = format!("{unique}#{}", node.span.start);
        }
        self.members.insert(unique, Json::String(value));
    }
}

/// Whether everything below has been used.
fn all_used(node: &Node<'_>) -> bool {
    node.is_used()
        || match &node.value {
            Value::Object(members) => members.iter().all(|member| all_used(&member.node)),
            Value::Array(items) => items.iter().all(all_used),
            Value::Null => true,
            _ => false,
        }
}
