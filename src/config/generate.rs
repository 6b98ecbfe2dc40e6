//! What is generated from the settings table: the JSON Schema of the configuration, the tables of
//! `docs/configuration.md` and the comments of `config/certrelay.toml`.

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
    // Arrays and scalars are the same in TOML and JSON.
    if let Some(default) = about.default.and_then(|toml| serde_json::from_str(&toml).ok()) {
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
            "if": { "properties": { "type": { "const": of_type } } },
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

/// The generated parts of files. `CERTRELAY_BLESS=1 cargo test --lib config::generate` writes them.
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::settings::SINK;
    use super::*;

    /// Columns of `config/certrelay.toml`.
    const WIDTH: usize = 100;

    /// A space at which no line is broken.
    const NO_BREAK: &str = "\u{a0}";

    /// Every table, by its title.
    fn tables() -> BTreeMap<&'static str, &'static dyn Table> {
        let mut found = BTreeMap::new();
        let mut open: Vec<&'static dyn Table> = vec![&TOP, &SINK];
        open.extend(SINK_TABLES.map(|(_, table)| table));
        while let Some(table) = open.pop() {
            if found.insert(table.title(), table).is_none() {
                open.extend(table.own().iter().filter_map(
                    |entry| match entry.kind.about().shape {
                        Shape::Table(table)
                        | Shape::Tables(table)
                        | Shape::TextOrTable(table)
                        | Shape::Mixed(table)
                        | Shape::Sinks(table) => Some(table),
                        _ => None,
                    },
                ));
            }
        }
        found
    }

    /// The documentation of a setting, with its range.
    fn doc(entry: &Entry) -> String {
        let range = match entry.kind.about().shape {
            Shape::Number(n) => {
                let range = format!("{} to {}.", n.show(n.low), n.show(n.high));
                format!(" From {}", range.replace(' ', NO_BREAK))
            }
            _ => String::new(),
        };
        format!("{}{range}", entry.doc.trim())
    }

    /// The page with the tables between `<!-- settings: TITLE -->` and `<!-- end -->` replaced.
    fn page(text: &str) -> String {
        let (tables, mut out, mut lines) = (tables(), String::new(), text.lines());
        while let Some(line) = lines.next() {
            out += &format!("{line}\n");
            let title = line.strip_prefix("<!-- settings: ").and_then(|l| l.strip_suffix(" -->"));
            let Some(title) = title else { continue };
            let table = tables.get(title).unwrap_or_else(|| panic!("no table {title}"));
            out += "\n| key | default | meaning |\n|---|---|---|\n";
            for entry in table.own() {
                let about = entry.kind.about();
                let absent = match about.absent {
                    "" => format!("`{}`", about.default.unwrap_or_default()),
                    words => words.to_owned(),
                };
                let meaning = doc(&entry).replace(NO_BREAK, " ");
                out += &format!("| `{}` | {absent} | {meaning} |\n", entry.key);
            }
            let end = lines.by_ref().find(|line| *line == "<!-- end -->");
            out += &format!("\n{}\n", end.unwrap_or_else(|| panic!("{title} has no end")));
        }
        out
    }

    /// The commented settings below a header; `active` are the lines without `#`, by key.
    fn block(table: &'static dyn Table, active: &BTreeMap<&str, &str>) -> String {
        let mut out = String::new();
        for entry in settings(table) {
            let key = entry.key;
            let active = active.get(key).copied();
            let about = entry.kind.about();
            let default = about.default.map(|value| format!("#{key} = {value}"));
            let mut written: Vec<String> =
                active.map(str::to_owned).or(default).into_iter().collect();
            let shown = usize::from(about.absent == REQUIRED);
            let examples =
                entry.examples.iter().skip(shown).map(|value| format!("{key} = {value}"));
            let others = examples.filter(|line| active != Some(line));
            written.extend(others.map(|line| format!("#{line}   # example")));
            if written.is_empty() {
                continue;
            }
            let mut line = "#".to_owned();
            for word in doc(&entry).split(' ') {
                if line.chars().count() + 1 + word.chars().count() > WIDTH {
                    out += &format!("{line}\n");
                    line = "#".to_owned();
                }
                line += &format!(" {word}");
            }
            out += &format!("{line}\n{}\n", written.join("\n"));
        }
        out.replace(NO_BREAK, " ")
    }

    /// The file with the block of each table replaced where the table first occurs. A block goes
    /// from its header to an empty line; its lines without `#` are kept.
    fn file(text: &str) -> String {
        let (mut tables, mut out) = (tables(), String::new());
        for paragraph in text.split("\n\n") {
            let start = paragraph.lines().position(|line| line.starts_with('['));
            let head: Vec<&str> = paragraph.lines().take(start.map_or(0, |at| at + 1)).collect();
            let lines = paragraph.lines().skip(head.len());
            let active: BTreeMap<&str, &str> = lines
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| Some((line.split_once('=')?.0.trim(), line)))
                .collect();
            let of_type = active.get("type").and_then(|line| line.split('"').nth(1));
            let title = match (head.last(), of_type) {
                (Some(_), Some(word)) => format!("[sink.NAME] of type {word}"),
                (header, _) => header.copied().unwrap_or_default().to_owned(),
            };
            out += &match tables.remove(title.as_str()) {
                Some(table) => format!("{}\n{}\n", head.join("\n"), block(table, &active)),
                None => format!("{paragraph}\n\n"),
            };
        }
        format!("{}\n", out.trim_end())
    }

    fn assert_generated(path: &str, generate: fn(&str) -> String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(&path).expect("the file");
        let generated = generate(&text);
        if std::env::var_os("CERTRELAY_BLESS").is_some() {
            std::fs::write(&path, generated).expect("written");
            return;
        }
        let differs = text.lines().zip(generated.lines()).find(|(one, other)| one != other);
        assert!(
            text == generated,
            "{} differs from the settings table; run this test with CERTRELAY_BLESS=1: {differs:#?}",
            path.display()
        );
    }

    #[test]
    fn the_page_has_the_settings_of_every_table() {
        assert_generated("docs/configuration.md", page);
        let text = include_str!("../../docs/configuration.md");
        for (title, table) in tables() {
            let is_there = text.contains(&format!("<!-- settings: {title} -->"));
            let is_listed = ["the configuration", "[format]"].contains(&title);
            assert!(is_there || is_listed || table.own().is_empty(), "{title} is not on the page");
        }
    }

    #[test]
    fn the_sample_file_has_the_documentation_and_default_of_every_setting() {
        assert_generated("config/certrelay.toml", file);
    }
}
