//! Parses the fields of an object that decide whether it is a record, and whether it is selected.
//!
//! Duplicate keys: the last one wins, as in most JSON parsers (Python, Go, JavaScript, jq).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::syntax;

/// The top-level fields of which every CloudTrail record has one or more.
pub(super) const RECORD_KEYS: [&str; 4] = ["eventName", "eventSource", "eventVersion", "eventType"];

/// The `eventType` of Insights events, which have neither a source nor a name.
const INSIGHT: &str = "AwsCloudTrailInsight";

/// The top-level fields of a record, decoded; `None` where a field is absent or not a string.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderFields<'a> {
    pub(super) source: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) is_insight: bool,
}

/// Parses a record and validates all of its syntax.
///
/// # Errors
/// The message for the operator if the syntax is invalid.
pub(super) fn read(record: &[u8]) -> Result<HeaderFields<'_>, String> {
    parse(record)
}

/// Returns whether an object has one of the [`RECORD_KEYS`] and is no notification of another
/// service (`"eventSource":"aws:s3"`). Parses no more than it needs.
///
/// # Errors
/// As [`read`], if the syntax is invalid before that is known.
pub(super) fn is_record(object: &[u8]) -> Result<bool, String> {
    let is_record = Cell::new(None);
    let visitor = RecordVisitor { is_record: &is_record };
    let parsed = serde_json::Deserializer::from_slice(object).deserialize_map(visitor);
    match is_record.get() {
        Some(is_record) => Ok(is_record),
        None => {
            parsed.map_err(|cause| cause.to_string())?;
            validate(object).map(|()| false)
        }
    }
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
    EventVersion,
    EventType,
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
                Key::EventType => {
                    fields.is_insight = text(map.next_value()?)?.as_deref() == Some(INSIGHT);
                }
                Key::EventVersion | Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// Finds out whether an object is a record, and ends with an error as soon as that is known.
struct RecordVisitor<'a> {
    is_record: &'a Cell<Option<bool>>,
}

impl<'de> Visitor<'de> for RecordVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_key = false;
        while let Some(key) = map.next_key()? {
            let known = match key {
                Key::EventSource => {
                    text(map.next_value()?)?.map(|source| !source.starts_with("aws:"))
                }
                // S3's notifications have version 2.
                Key::EventVersion => text(map.next_value()?)?
                    .is_some_and(|version| version.starts_with("1."))
                    .then_some(true),
                Key::EventName | Key::EventType | Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    None
                }
            };
            has_key |= !matches!(key, Key::Other);
            if known.is_some() {
                self.is_record.set(known);
                return Err(A::Error::custom("the rest is not parsed"));
            }
        }
        self.is_record.set(has_key.then_some(true));
        Ok(())
    }
}

/// Decodes the value of a field if it is a string.
fn text<E: serde::de::Error>(value: &RawValue) -> Result<Option<Cow<'_, str>>, E> {
    let is_string = value.get().starts_with('"');
    is_string.then(|| string(value.get().as_bytes()).map_err(E::custom)).transpose()
}
