//! JSON objects that omit unknown values: schemas and consumers reject `null`.

use serde_json::{Map, Value};

/// An object being built.
#[derive(Debug, Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Sets `name`, if there is a value.
    #[must_use]
    pub(super) fn with<V: Into<Value>>(mut self, name: &str, value: Option<V>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Sets `name`.
    #[must_use]
    pub(super) fn set(self, name: &str, value: impl Into<Value>) -> Self {
        self.with(name, Some(value))
    }

    /// Returns the object, unless it is empty.
    pub(super) fn some(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }

    /// Returns whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// A nested object, built by dotted paths.
#[derive(Debug, Default)]
pub(super) struct Tree(Map<String, Value>);

impl Tree {
    /// Sets the value at `path`, if there is one; everything above it becomes an object.
    pub(super) fn put<V: Into<Value>>(&mut self, path: &str, value: Option<V>) {
        let Some(value) = value else { return };
        let mut map = &mut self.0;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                map.insert(name.to_owned(), value.into());
                return;
            }
            let below = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            let Value::Object(next) = below else { return };
            map = next;
        }
    }
}

impl From<Tree> for Value {
    fn from(tree: Tree) -> Self {
        Self::Object(tree.0)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

/// Returns an array, unless it is empty.
pub(super) fn array(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}
