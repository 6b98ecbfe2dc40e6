//! JSON objects that leave out what is not known: schemas refuse `null`, readers trip over it.

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

    /// The object, if it says anything.
    pub(super) fn some(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

/// An array, if there is anything in it.
pub(super) fn array(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}
