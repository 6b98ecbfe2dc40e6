//! The body of a request: which of its objects are indexed, and which one is bad.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The keys of an envelope; any other silently ends the request.
const KEYS: [&str; 7] = ["time", "host", "source", "sourcetype", "index", "event", "fields"];

/// An event as it was indexed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Indexed {
    /// `event`, exactly as sent.
    pub(crate) event: String,
    /// The rest of the envelope.
    pub(crate) envelope: BTreeMap<String, Value>,
    /// The channel of its request; empty: none.
    pub(crate) channel: String,
}

impl Indexed {
    /// `event`, parsed.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.event).unwrap_or_default()
    }

    /// A member of `fields`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.envelope.get("fields")?.get(name)?.as_str()
    }
}

/// The first bad object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// HEC's code.
    pub(super) code: i64,
    /// `invalid-event-number`, as HEC counts.
    pub(super) number: Option<usize>,
}

/// Returns HEC's text for a code.
pub(super) fn text_of(code: i64) -> &'static str {
    match code {
        5 => "No data",
        7 => "Incorrect index",
        12 => "Event field is required",
        13 => "Event field cannot be blank",
        15 => "Error in handling indexed fields",
        _ => "Invalid data format",
    }
}

/// The result of one object.
enum ObjectResult {
    Indexed(Indexed),
    Skipped,
    Ignored,
    Bad(i64),
}

/// Reads a body of concatenated objects; `indexes` are those that may be written to (empty: all),
/// `reject` are texts that make an event bad.
pub(super) fn read(
    body: &[u8],
    indexes: &[String],
    reject: &[(String, i64)],
    channel: &str,
) -> (Vec<Indexed>, Option<Fault>) {
    let mut indexed = Vec::new();
    let objects = serde_json::Deserializer::from_slice(body);
    let objects = objects.into_iter::<BTreeMap<String, Box<RawValue>>>();
    for (at, object) in objects.enumerate() {
        let result = match &object {
            Ok(object) => match rejected(object, reject) {
                Some(code) => ObjectResult::Bad(code),
                None => index(object, indexes, channel),
            },
            Err(_) => ObjectResult::Bad(6),
        };
        match result {
            ObjectResult::Indexed(event) => indexed.push(event),
            ObjectResult::Skipped => {}
            ObjectResult::Ignored => break,
            ObjectResult::Bad(code) => {
                let number = Some(if code == 7 { at + 1 } else { at });
                return (indexed, Some(Fault { code, number }));
            }
        }
    }
    let no_data = indexed.is_empty() && !has_fields_only(body);
    let fault = no_data.then_some(Fault { code: 5, number: None });
    (indexed, fault)
}

fn rejected(object: &BTreeMap<String, Box<RawValue>>, reject: &[(String, i64)]) -> Option<i64> {
    let event = object.get("event")?.get();
    reject.iter().find(|(text, _)| event.contains(text.as_str())).map(|(_, code)| *code)
}

/// An object with `fields` and no `event` is skipped, and that is a success.
fn has_fields_only(body: &[u8]) -> bool {
    let first =
        serde_json::Deserializer::from_slice(body).into_iter::<BTreeMap<String, Value>>().next();
    matches!(first, Some(Ok(object)) if object.contains_key("fields") && !object.contains_key("event"))
}

fn index(
    object: &BTreeMap<String, Box<RawValue>>,
    indexes: &[String],
    channel: &str,
) -> ObjectResult {
    if object.keys().any(|key| !KEYS.contains(&key.as_str())) {
        return ObjectResult::Ignored;
    }
    let Some(event) = object.get("event").map(|event| event.get()) else {
        return if object.contains_key("fields") {
            ObjectResult::Skipped
        } else {
            ObjectResult::Bad(12)
        };
    };
    match event {
        "null" => return ObjectResult::Bad(12),
        r#""""# => return ObjectResult::Bad(13),
        _ => {}
    }
    let value = |key: &str| object.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok());
    let time = object.get("time").map_or("", |time| time.get());
    if time.contains(['e', 'E']) || !value("fields").is_none_or(|fields: Value| is_flat(&fields)) {
        return ObjectResult::Bad(15);
    }
    if let Some(index) = value("index")
        && !indexes.is_empty()
        && !indexes.iter().any(|allowed| index == allowed.as_str())
    {
        return ObjectResult::Bad(7);
    }
    let envelope = object.keys().filter(|key| *key != "event");
    let envelope = envelope.filter_map(|key| Some((key.clone(), value(key)?))).collect();
    ObjectResult::Indexed(Indexed {
        event: event.to_owned(),
        envelope,
        channel: channel.to_owned(),
    })
}

/// Returns whether all values are strings or lists of strings.
fn is_flat(fields: &Value) -> bool {
    let flat = |value: &Value| match value {
        Value::String(_) => true,
        Value::Array(values) => values.iter().all(Value::is_string),
        _ => false,
    };
    fields.as_object().is_some_and(|fields| fields.values().all(flat))
}
