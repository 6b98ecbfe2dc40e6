//! Finds what may be a secret in the text of a configuration, before any line of it is quoted.
//! Masks too much rather than too little: a masked line still has its number, its caret and its
//! text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::NAMES;
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

/// Returns the spans that must not be quoted of a text that is not TOML: values of keys that are
/// secret, or are no settings (one may be a misspelt `token`); comments; long strings; lines that
/// are no TOML at all.
pub(super) fn in_invalid_text(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let (mut start, mut multi_line, mut shows_value) = (0, false, false);
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let fences = line.matches("\"\"\"").count() + line.matches("'''").count();
        let from = if multi_line { 0 } else { shown_of_invalid(line, &mut shows_value) };
        multi_line ^= fences % 2 == 1;
        if start + from < end {
            spans.push(start + from..end);
        }
        start += line.len();
    }
    spans
}

/// Returns how many bytes of a line may be shown; `shows_value` is whether the value that the line
/// continues may be. Quotes mean nothing here: one of them may be what is missing.
fn shown_of_invalid(line: &str, shows_value: &mut bool) -> usize {
    let line = &line[..line.find(" #").unwrap_or(line.len())];
    let start = line.len() - line.trim_start().len();
    if line.starts_with('[') && !line.contains('=') {
        *shows_value = false;
        return line.find(['"', '\'']).unwrap_or(line.len());
    }
    let first = line[start..].split([' ', '=', ':']).next().unwrap_or_default();
    let is_continued = line[start..].starts_with(['"', '\'', '{', '}', ',', ']']);
    let mut shown = if is_setting(first) || is_continued && *shows_value { line.len() } else { 0 };
    *shows_value = shown > 0;
    for (at, _) in line.match_indices('=') {
        let before = line[..at].char_indices().rfind(|(_, letter)| !is_of_key(*letter));
        let key_start = before.map_or(0, |(before, letter)| before + letter.len_utf8());
        let key = &line[key_start..at];
        let value = line.len() - line[at + 1..].trim_start().len();
        if !is_setting(key) {
            let ours = |c: char| c.is_ascii_lowercase() || "_. \t".contains(c);
            shown = if key.chars().all(ours) { value } else { key_start };
            *shows_value = false;
            break;
        }
        (shown, *shows_value) = (line.len(), true);
    }
    let lower = line.to_ascii_lowercase();
    for word in SECRET_WORDS {
        let Some(end) = lower.find(word).map(|at| at + word.len()) else { continue };
        let equals = line[end..].find('=').filter(|at| line[end..end + at].chars().all(is_of_key));
        let value = equals.map_or(end, |at| end + at + 1);
        shown = shown.min(line.len() - line[value..].trim_start().len());
        *shows_value = false;
    }
    if line.contains('@') || line.contains("-----") || line.contains('?') && line.contains("//") {
        shown = shown.min(line.find('=').map_or(0, |at| at + 1));
    }
    shown
}

/// Returns whether a key, as written, may have this letter.
pub(super) fn is_of_key(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-.\"' \t".contains(letter)
}

/// Returns whether a key, as written, is a setting's that is no secret.
fn is_setting(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    NAMES.contains(&name.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_settings_that_are_no_secrets_are_shown_of_invalid_text() {
        for (line, shown) in [
            ("timeout = 100 s", "timeout = 100 s"),
            ("  tls.ca_file=\"ca.pem", "  tls.ca_file=\"ca.pem"),
            ("[sink.lake", "[sink.lake"),
            ("type \"kafka\"", "type \"kafka\""),
            ("type: kafka", "type: kafka"),
            (
                "endpoints = [\"https://hec.example.com:8088\"",
                "endpoints = [\"https://hec.example.com:8088\"",
            ),
            ("timeout = \"1 s # comment", "timeout = \"1 s"),
            ("token = \"abc", "token = "),
            ("\"token\" = abc", "\"token\" = "),
            ("token \"abc\"", "token "),
            ("tokn = \"abc\"", "tokn = "),
            (
                "auth = { username = \"u, password = \"abc\" }",
                "auth = { username = \"u, password = ",
            ),
            ("auth = { password \"abc\", username = \"u\" }", "auth = { password "),
            ("options = { sasl.password=\"abc", "options = { sasl.password="),
            ("endpoints = [\"https://u:abc@hec.example.com\"", "endpoints ="),
            ("key = \"-----BEGIN", "key ="),
            ("[\"secret\", 1", "["),
            ("   # comment", ""),
            ("é = \"ü", "é = "),
            ("AWS_SECRET_ACCESS_KEY=abc", ""),
            ("c2VjcmV0==", ""),
            ("\"abc\"", ""),
            ("abc", ""),
        ] {
            let found = shown_of_invalid(line, &mut false);
            assert_eq!(&line[..found], shown, "{line}");
        }
    }

    #[test]
    fn lines_inside_a_long_string_or_a_secret_list_are_masked() {
        let text = "location = \"\"\"\nsecret = b\n\"\"\"\nsinks = [\n  \"c\",\n]\ntoken = [\n  \"d\"\n]\n";
        let masked: Vec<&str> = in_invalid_text(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(masked, ["secret = b", "\"\"\"", "[", "  \"d\"", "]"]);
    }
}
