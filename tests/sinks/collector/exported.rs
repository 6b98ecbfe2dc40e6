//! The collector's output: OTLP JSON, mapped back to HEC's objects.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

/// An event as the collector understood it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exported {
    /// Milliseconds since the epoch; the collector calculates with doubles, and is off by
    /// nanoseconds.
    pub(crate) time: Option<u64>,
    /// `host`, `source`, `sourcetype`, `index`.
    pub(crate) envelope: BTreeMap<String, String>,
    /// `event`, its numbers as doubles.
    pub(crate) event: Value,
    /// `fields`.
    pub(crate) fields: BTreeMap<String, Value>,
}

impl Exported {
    /// The indexed `event_id`.
    pub(crate) fn id(&self) -> String {
        self.fields.get("event_id").and_then(Value::as_str).unwrap_or("?").to_owned()
    }
}

/// Every number as a double, as the collector has them.
pub(crate) fn in_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.into_iter().map(in_doubles).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, in_doubles(value))).collect()
        }
        other => other,
    }
}

/// Returns the events of a file; a partial last line after a kill is ignored.
pub(crate) fn read(path: &Path) -> Vec<Exported> {
    let text = std::fs::read(path).unwrap_or_default();
    let documents = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
    documents.map_while(Result::ok).flat_map(|document| events(&document)).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn events(document: &Value) -> Vec<Exported> {
    let mut events = Vec::new();
    for resource in list(document, "resourceLogs") {
        let envelope: BTreeMap<String, String> = members(&resource["resource"]["attributes"])
            .into_iter()
            .map(|(name, value)| (hec_name(&name), value.as_str().unwrap_or("?").to_owned()))
            .collect();
        for record in list(resource, "scopeLogs").iter().flat_map(|s| list(s, "logRecords")) {
            let nanos: Option<u64> = record["timeUnixNano"].as_str().and_then(|t| t.parse().ok());
            events.push(Exported {
                time: nanos.filter(|nanos| *nanos > 0).map(|nanos| (nanos + 500_000) / 1_000_000),
                envelope: envelope.clone(),
                event: plain(&record["body"]),
                fields: members(&record["attributes"]).into_iter().collect(),
            });
        }
    }
    events
}

/// Maps the receiver's names of HEC's metadata to HEC's.
fn hec_name(attribute: &str) -> String {
    match attribute {
        "host.name" => "host".to_owned(),
        other => other.trim_start_matches("com.splunk.").to_owned(),
    }
}

fn members(pairs: &Value) -> Map<String, Value> {
    let pairs = pairs.as_array().map_or(&[][..], Vec::as_slice);
    // OTLP leaves an empty name out.
    let member =
        |pair: &Value| (pair["key"].as_str().unwrap_or_default().to_owned(), plain(&pair["value"]));
    pairs.iter().map(member).collect()
}

/// OTLP's `AnyValue`.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|only| only.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "kvlistValue" => Value::Object(members(&inner["values"])),
        "arrayValue" => list(inner, "values").iter().map(plain).collect(),
        "doubleValue" => json!(inner.as_f64()),
        _ => inner.clone(),
    }
}
