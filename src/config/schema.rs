//! The JSON Schema of the configuration, from the settings table.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::setting::{Entry, REQUIRED, Rule, Shape, Table, Unit};
use super::settings::{SINK_TABLES, TOP};

/// Returns the JSON Schema (draft 2020-12) of the configuration, for editors and pipelines. The
/// reader checks more than a schema can describe: `check` reports the rest.
#[must_use]
pub fn schema() -> &'static str {
    static SCHEMA: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", whole_schema()));
    &SCHEMA
}

fn whole_schema() -> Value {
    let mut schema = table_schema(&TOP);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = "urn:certrelay:configuration:1".into();
    schema["description"] =
        "The configuration of certrelay, as TOML. The reader checks more than a \
                             schema can describe: `certrelay check` reports every error."
            .into();
    let with_unit = |units: &str| format!("^\\s*[0-9]+ *({units})\\s*$|\\$\\{{");
    schema["$defs"] = json!({
        "variable": {
            "type": "string",
            "pattern": "\\$\\{",
            "description": "`${NAME}` or `${NAME:-default}`, expanded from the environment",
        },
        "duration": { "type": "string", "pattern": with_unit("ms|s|min|h|d") },
        "size": { "type": "string", "pattern": with_unit("B|KiB|MiB|GiB|TiB|kB|MB|GB|TB") },
        "flag": { "anyOf": [{ "type": "boolean" }, reference("variable")] },
        "text": { "type": "string", "minLength": 1 },
        "texts": { "type": "array", "items": reference("text"), "minItems": 1 },
        "one_or_many": { "anyOf": [reference("text"), reference("texts")] },
    });
    schema
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn table_schema(table: &'static dyn Table) -> Value {
    let settings = settings(table);
    let is_required = |entry: &&Entry| entry.kind.about().absent == REQUIRED;
    let required: Vec<_> = settings.iter().filter(is_required).map(|entry| entry.key).collect();
    let properties: Map<_, _> =
        settings.iter().map(|entry| (entry.key.to_owned(), setting_schema(entry))).collect();
    let mut schema = json!({
        "title": table.title(),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": required,
    });
    let each = |keys: &[&str]| keys.iter().map(|key| json!({ "required": [key] })).collect();
    match table.rule() {
        Rule::Any => {}
        Rule::ExactlyOne(keys) => schema["oneOf"] = each(keys),
        Rule::AtLeastOne(keys) => schema["anyOf"] = each(keys),
    }
    schema
}

fn setting_schema(entry: &Entry) -> Value {
    let about = entry.kind.about();
    let mut schema = shape_schema(about.shape);
    schema["description"] = entry.doc.trim().into();
    // Arrays and scalars are the same in TOML and JSON. What is put in words depends on other
    // settings: only in the sample file it is this value.
    let default = about.default.filter(|_| about.absent.is_empty());
    if let Some(default) = default.and_then(|toml| serde_json::from_str(&toml).ok()) {
        schema["default"] = default;
    }
    schema
}

fn shape_schema(shape: Shape) -> Value {
    let mixed = |table| {
        let items = json!({ "anyOf": [reference("text"), table_schema(table)] });
        json!({ "type": "array", "minItems": 1, "items": items })
    };
    let named =
        |values: &str| json!({ "type": "object", "additionalProperties": reference(values) });
    match shape {
        Shape::Text => reference("text"),
        Shape::Texts => reference("texts"),
        Shape::TextList => json!({ "type": "array", "items": reference("text") }),
        Shape::OneOrMany => reference("one_or_many"),
        Shape::Flag => reference("flag"),
        Shape::Number(number) => match number.unit {
            Unit::Bytes => reference("size"),
            Unit::Milliseconds => reference("duration"),
            Unit::One => {
                let (low, high) = (number.low, number.high);
                let integer = json!({ "type": "integer", "minimum": low, "maximum": high });
                json!({ "anyOf": [integer, reference("variable")] })
            }
        },
        Shape::Choice(words) => {
            json!({ "anyOf": [{ "enum": words }, reference("variable")] })
        }
        Shape::Table(table) => table_schema(table),
        Shape::Tables(table) => {
            json!({ "type": "array", "minItems": 1, "items": table_schema(table) })
        }
        Shape::TextOrTable(table) => json!({ "anyOf": [reference("text"), table_schema(table)] }),
        Shape::Mixed(table) => mixed(table),
        Shape::Sinks(table) => json!({ "anyOf": [{ "const": "discard" }, mixed(table)] }),
        Shape::Labels => {
            let mut labels = named("text");
            labels["maxProperties"] = 32.into();
            labels["propertyNames"] =
                json!({ "pattern": "^[A-Za-z][A-Za-z0-9_]{0,63}$", "not": { "const": "ou" } });
            labels
        }
        Shape::NamedConditions => named("one_or_many"),
        Shape::NamedTexts => named("text"),
        Shape::NamedSinks => sinks_schema(),
        Shape::Anything => json!({ "type": "object" }),
    }
}

/// `if`/`then` by `type`, so that an editor names the key that a sink of this type lacks.
fn sinks_schema() -> Value {
    let types = SINK_TABLES.map(|(of_type, _)| of_type);
    let by_type = SINK_TABLES.map(|(of_type, table)| {
        json!({
            "if": { "required": ["type"], "properties": { "type": { "const": of_type } } },
            "then": table_schema(table),
        })
    });
    let sink = json!({
        "type": "object",
        "required": ["type"],
        "properties": { "type": { "enum": types } },
        "allOf": by_type,
    });
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,64}$", "not": { "const": "discard" } },
        "additionalProperties": sink,
    })
}

/// Returns all settings of a table, those of its base first.
fn settings(table: &'static dyn Table) -> Vec<Entry> {
    let mut own = table.own();
    let mut all = table.base().map(|base| base.own()).unwrap_or_default();
    for entry in &mut all {
        if let Some(at) = own.iter().position(|own| own.key == entry.key) {
            *entry = own.remove(at);
        }
    }
    all.extend(own);
    all
}

#[cfg(test)]
#[path = "../../tests/config/generated.rs"]
mod tests;
