//! Finds what may be a secret in the text of a configuration, before any line of it is quoted.
//! It would rather mask too much: a masked line still has its number, its caret and its sentence.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::expand::is_variable_name;
use super::suggest::nearest;

/// Parts of the names of keys whose values are secrets.
const SECRET_WORDS: [&str; 9] =
    ["token", "password", "passwd", "secret", "credential", "private", "pem", "jaas", "passphrase"];

/// Keys below a secret that say where it is, not what it is.
const PLACES: [&str; 4] = ["env", "file", "aws_secret", "key"];

/// The spans of all values that may be secrets.
pub(super) fn in_tree(table: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    walk(table, false, &mut spans);
    spans
}

fn walk(table: &DeTable<'_>, secret: bool, spans: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        let key: &str = name.get_ref();
        let place = secret && PLACES.contains(&key) && !misplaced(key, value.get_ref());
        value_of(value, (secret || is_secret(key)) && !place, spans);
    }
}

/// A literal written where a variable's name belongs.
fn misplaced(key: &str, value: &DeValue<'_>) -> bool {
    key == "env" && !value.as_str().is_some_and(is_variable_name)
}

fn value_of(value: &Spanned<DeValue<'_>>, secret: bool, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => walk(table, secret, spans),
        DeValue::Array(items) => items.iter().for_each(|item| value_of(item, secret, spans)),
        DeValue::String(text) if text.contains("://") && text.contains('@') => {
            spans.push(value.span());
        }
        _ if secret => spans.push(value.span()),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// What must not be quoted of a text that is no TOML: there is no tree to ask. All that stands in
/// quotes, what follows a secret's name or something like it, and lines that are no `key = value`.
pub(super) fn in_broken_text(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut multi_line = false;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let fences = line.matches("\"\"\"").count() + line.matches("'''").count();
        let from = if multi_line { 0 } else { shown_of_broken(line) };
        multi_line ^= fences % 2 == 1;
        if start + from < end {
            spans.push(start + from..end);
        }
        start += line.len();
    }
    spans
}

/// How many bytes of a line may be shown.
fn shown_of_broken(line: &str) -> usize {
    let trimmed = line.trim_start();
    if trimmed.starts_with('[') && !trimmed.contains('=') {
        return line.find(['"', '\'']).unwrap_or(line.len());
    }
    let Some((key, value)) = line.split_once('=') else { return 0 };
    let key = key.trim().rsplit('.').next().unwrap_or("");
    if is_secret(key) || nearest(key, SECRET_WORDS).is_some() || inner_secret(value) {
        return line.len() - value.len();
    }
    line.find(['"', '\'']).unwrap_or(line.len())
}

/// Whether an inline table on the right names a secret.
fn inner_secret(value: &str) -> bool {
    value.split(['=', '{', ',', ' ']).any(is_secret)
}
