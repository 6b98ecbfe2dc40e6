//! Reads what decides about a record: its top-level `eventSource` and `eventName`, decoded.
//!
//! Of a key that is there twice the last one counts, as with most readers of JSON (Python, Go,
//! JavaScript, jq).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::syntax;

/// The deciding fields; `None` where a field is absent or no string.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) source: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    /// A key `Records` is there: this is no record, but a document of them.
    pub(super) has_records: bool,
}

/// Reads a record, and with it checks all of its syntax. The error is fit to show.
pub(super) fn read(record: &[u8]) -> Result<Head<'_>, String> {
    let text = std::str::from_utf8(record).map_err(|cause| cause.to_string())?;
    serde_json::from_str(text).map_err(|cause| cause.to_string())
}

/// Checks the syntax of any value. The error is fit to show.
pub(super) fn check(value: &[u8]) -> Result<(), String> {
    if syntax::is_sound(value) {
        return Ok(());
    }
    let text = std::str::from_utf8(value).map_err(|cause| cause.to_string())?;
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|cause| cause.to_string())
}

/// Decodes a JSON string, quotes included.
pub(super) fn string(quoted: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = std::str::from_utf8(quoted).map_err(|cause| cause.to_string())?;
    serde_json::from_str::<Text>(text)
        .map_err(|cause| cause.to_string())
        .map(|text| text.0.unwrap_or_default())
}

impl<'de> Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadVisitor)
    }
}

struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
        let mut head = Head::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key {
                Key::Source => head.source = map.next_value::<Text<'de>>()?.0,
                Key::Name => head.name = map.next_value::<Text<'de>>()?.0,
                Key::Records | Key::Other => {
                    head.has_records |= matches!(key, Key::Records);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

enum Key {
    Source,
    Name,
    Records,
    Other,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "eventSource" => Key::Source,
            "eventName" => Key::Name,
            "Records" => Key::Records,
            _ => Key::Other,
        })
    }
}

/// A string, borrowed where nothing in it is escaped; any other value is none.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}
