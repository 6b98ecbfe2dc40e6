//! Parses the fields of a record that decide whether it is selected: `eventSource` and `eventName`.
//!
//! Duplicate keys: the last one wins, as in most JSON parsers (Python, Go, JavaScript, jq).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::syntax;

/// The top-level fields of a record, decoded; `None` where a field is absent or not a string.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderFields<'a> {
    pub(super) source: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    /// Whether it has a key `Records`: then it is not a record, but a document of records.
    pub(super) has_records: bool,
}

/// Parses a record and validates all of its syntax.
///
/// # Errors
/// The message for the operator if the syntax is invalid.
pub(super) fn read(record: &[u8]) -> Result<HeaderFields<'_>, String> {
    parse(record)
}

/// Validates the syntax of any JSON value.
///
/// # Errors
/// As [`read`].
pub(super) fn validate(value: &[u8]) -> Result<(), String> {
    if syntax::is_valid(value) { Ok(()) } else { parse::<IgnoredAny>(value).map(drop) }
}

/// Decodes a JSON string, given with its quotes.
///
/// # Errors
/// As [`read`].
pub(super) fn string(quoted: &[u8]) -> Result<Cow<'_, str>, String> {
    parse::<Text<'_>>(quoted).map(|text| text.0)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(json).map_err(|cause| cause.to_string())?;
    serde_json::from_str(text).map_err(|cause| cause.to_string())
}

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    EventSource,
    EventName,
    #[serde(rename = "Records")]
    Records,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for HeaderFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Not derived, because a derived parser rejects duplicate keys.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = HeaderFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = HeaderFields::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::EventSource => fields.source = text(map.next_value()?)?,
                Key::EventName => fields.name = text(map.next_value()?)?,
                Key::Records | Key::Other => {
                    fields.has_records |= matches!(key, Key::Records);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// Decodes the value of a field if it is a string.
fn text<E: serde::de::Error>(value: &RawValue) -> Result<Option<Cow<'_, str>>, E> {
    let is_string = value.get().starts_with('"');
    is_string.then(|| string(value.get().as_bytes()).map_err(E::custom)).transpose()
}
