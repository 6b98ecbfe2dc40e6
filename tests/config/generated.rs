//! The generated parts of files: the tables of `docs/configuration.md` and the comments of
//! `config/certrelay.toml`. `CERTRELAY_BLESS=1 cargo test --lib config::schema` writes them.

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
            open.extend(table.own().iter().filter_map(|entry| match entry.kind.about().shape {
                Shape::Table(table)
                | Shape::Tables(table)
                | Shape::TextOrTable(table)
                | Shape::Mixed(table)
                | Shape::Sinks(table) => Some(table),
                _ => None,
            }));
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
        let mut written: Vec<String> = active.map(str::to_owned).or(default).into_iter().collect();
        let shown = usize::from(about.absent == REQUIRED);
        let examples = entry.examples.iter().skip(shown).map(|value| format!("{key} = {value}"));
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
