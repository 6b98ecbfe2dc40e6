//! Finds what may be a secret in the text of a configuration, before any line of it is quoted.
//! Masks too much rather than too little: a masked line still has its number, its caret and its
//! text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values::is_variable_name;

/// Parts of the names of keys whose values are secrets.
const SECRET_WORDS: [&str; 10] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "private",
    "pem",
    "jaas",
    "external_id",
];

/// Returns the spans of all values that may be secrets.
pub(super) fn in_tree(table: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    walk(table, false, &mut spans);
    spans
}

fn walk(table: &DeTable<'_>, secret: bool, spans: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        let key: &str = name.get_ref();
        let is_name = key == "env" && names_variable(value.get_ref());
        value_of(value, (secret || is_secret(key)) && !is_name, spans);
    }
}

/// Returns whether it can only be a variable's name: lower-case letters may be a secret.
fn names_variable(value: &DeValue<'_>) -> bool {
    let small = |letter: char| letter.is_ascii_lowercase();
    value.as_str().is_some_and(|text| is_variable_name(text) && !text.contains(small))
}

fn value_of(value: &Spanned<DeValue<'_>>, secret: bool, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => walk(table, secret, spans),
        DeValue::Array(items) => items.iter().for_each(|item| value_of(item, secret, spans)),
        // A URL may contain a password, or a token in its query.
        DeValue::String(text)
            if text.contains('@') || text.contains("?") && text.contains("//") =>
        {
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

/// Returns the spans that must not be quoted of a text that is not TOML: everything but headers and
/// what can only be a key.
pub(super) fn in_invalid_text(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut multi_line = false;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let fences = line.matches("\"\"\"").count() + line.matches("'''").count();
        let from = if multi_line { 0 } else { shown_of_invalid(line) };
        multi_line ^= fences % 2 == 1;
        if start + from < end {
            spans.push(start + from..end);
        }
        start += line.len();
    }
    spans
}

/// Returns how many bytes of a line may be shown: a header, or a key in lower-case letters.
fn shown_of_invalid(line: &str) -> usize {
    if line.starts_with('[') && !line.contains('=') {
        return line.find(['"', '\'']).unwrap_or(line.len());
    }
    let Some((key, value)) = line.split_once('=') else { return 0 };
    let ours = |letter: char| letter.is_ascii_lowercase() || "_. \t".contains(letter);
    if key.chars().all(ours) { line.len() - value.trim_start().len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_and_keys_of_invalid_text_are_shown() {
        for (line, shown) in [
            ("timeout = 100 s", "timeout = "),
            ("  tls.ca_file=\"ca.pem", "  tls.ca_file="),
            ("[sink.lake", "[sink.lake"),
            ("[\"secret\", 1", "["),
            ("AWS_SECRET_ACCESS_KEY=abc", ""),
            ("c2VjcmV0==", ""),
            ("secret", ""),
        ] {
            assert_eq!(&line[..shown_of_invalid(line)], shown, "{line}");
        }
    }

    #[test]
    fn lines_inside_a_long_string_are_masked() {
        let text = "a = \"\"\"\nsecret = b\n\"\"\"\nb = c\n";
        let masked: Vec<&str> = in_invalid_text(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(masked, ["\"\"\"", "secret = b", "\"\"\"", "c"]);
    }
}
