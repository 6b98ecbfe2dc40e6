//! From text to a checked [`Config`], or to every error at once.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accounts::{Accounts, TableLocation};
use super::diagnostic::{ConfigError, Diagnostic, Severity, Source};
use super::reader::{KafkaOption, Keys, Reader};
use super::types::Config;
use super::values::{Lookup, is_variable_name};
use super::{read, secrets_in_text};

/// Bytes of a configuration, at most; a log file named by accident may be longer.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// Bytes of a table of accounts, at most: a hundred times the largest organisation's.
const MAX_TABLE: u64 = 16 << 20;

/// Reads a file, or `env:NAME`. A [`ConfigLocation`](super::ConfigLocation) has to be fetched
/// first. A table of accounts in a file is part of the configuration.
///
/// # Errors
/// It cannot be read, or it has errors: all of them.
pub fn load(location: &str, kafka_option: KafkaOption) -> Result<Config, ConfigError> {
    let unreadable = |text: String| ConfigError::unreadable(location, text);
    if let Some(name) = location.strip_prefix("env:") {
        if !is_variable_name(name) {
            let text = "what follows `env:` is not a variable's name; write `-c env:NAME`";
            return Err(ConfigError::unreadable("env:", text.to_owned()));
        }
        let text = std::env::var(name).map_err(|cause| {
            let fault = match cause {
                std::env::VarError::NotPresent => "is not set",
                std::env::VarError::NotUnicode(_) => "is not UTF-8",
            };
            unreadable(format!("environment variable {name} {fault}"))
        })?;
        return whole(location, &text, Path::new("."), kafka_option);
    }
    let text = read_file(Path::new(location), MAX_BYTES).map_err(unreadable)?;
    let folder = Path::new(location).parent().filter(|folder| !folder.as_os_str().is_empty());
    whole(location, &text, folder.unwrap_or(Path::new(".")), kafka_option)
}

fn read_file(path: &Path, most: u64) -> Result<String, String> {
    let cannot = |cause: std::io::Error| format!("cannot be read: {cause}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > most {
        return Err(format!("is longer than {} MiB; is it the right file?", most >> 20));
    }
    String::from_utf8(bytes).map_err(|cause| {
        format!("is not UTF-8 (byte {}); is it the right file?", cause.utf8_error().valid_up_to())
    })
}

/// Checks a text and the table of accounts that it names, if that is a file.
fn whole(
    location: &str,
    text: &str,
    base: &Path,
    kafka_option: KafkaOption,
) -> Result<Config, ConfigError> {
    let env = |name: &str| std::env::var(name).ok();
    let mut parsed = Parsed::new(location, text, base, &env, kafka_option);
    if let Some(TableLocation::Local(path)) = &parsed.accounts {
        let table = path.display().to_string();
        let unreadable = |cause| ConfigError::unreadable(&table, format!("[accounts] {cause}"));
        let read = read_file(path, MAX_TABLE).map_err(unreadable);
        if let Err(errors) = read.and_then(|text| Accounts::parse(&table, &text)) {
            parsed.diagnostics.extend(errors.diagnostics);
        }
    }
    parsed.finish(location).0
}

/// Checks a text that was fetched from a [`ConfigLocation`](super::ConfigLocation): it is in no
/// folder that a relative path could be resolved against.
///
/// # Errors
/// Every error, relative paths included.
pub fn parse_fetched(
    location: &str,
    text: &str,
    kafka_option: KafkaOption,
) -> Result<Config, ConfigError> {
    whole(location, text, Path::new(""), kafka_option)
}

/// Checks a text alone, with the process's environment; relative paths are resolved against `base`.
///
/// # Errors
/// Every error, with its line.
pub fn parse(location: &str, text: &str, base: &Path) -> Result<Config, ConfigError> {
    parse_with(location, text, base, &|name| std::env::var(name).ok())
}

/// As [`parse`], with another environment.
///
/// # Errors
/// Every error, with its line.
pub fn parse_with(
    location: &str,
    text: &str,
    base: &Path,
    env: Lookup<'_>,
) -> Result<Config, ConfigError> {
    walk(location, text, base, env).0
}

/// As [`parse_with`], and which keys the reader knows and found, for tests.
pub fn walk(
    location: &str,
    text: &str,
    base: &Path,
    env: Lookup<'_>,
) -> (Result<Config, ConfigError>, Keys) {
    Parsed::new(location, text, base, env, |_, _| Ok(())).finish(location)
}

/// What was read of a text.
struct Parsed {
    config: Option<Config>,
    diagnostics: Vec<Diagnostic>,
    keys: Keys,
    /// The location of its table of accounts, even if there are errors elsewhere.
    accounts: Option<TableLocation>,
}

impl Parsed {
    fn new(
        location: &str,
        text: &str,
        base: &Path,
        env: Lookup<'_>,
        kafka_option: KafkaOption,
    ) -> Self {
        let mut source = Source::new(location, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            secrets_in_text::in_invalid_text(text).into_iter().for_each(|span| source.mask(span));
            // A variable named by accident may contain nothing but a secret.
            let is_hidden = location.starts_with("env:");
            if is_hidden {
                source.mask(0..text.len());
            }
            let keys = if is_hidden { Vec::new() } else { keys(root.get_ref()) };
            let diagnostics = Vec::from_iter(syntax_error(&source, text, &errors, &keys));
            return Self { config: None, diagnostics, keys: Keys::default(), accounts: None };
        }
        secrets_in_text::in_tree(root.get_ref()).into_iter().for_each(|span| source.mask(span));
        let reader = Reader::new(env, base, kafka_option);
        let (mut config, accounts) = read::document(&reader, root.get_ref());
        if let Some(config) = &mut config {
            config.location = location.to_owned();
            config.sha256 = HEXLOWER.encode(&Sha256::digest(text));
        }
        let (diagnostics, keys) = reader.finish(source);
        Self { config, diagnostics, keys, accounts: accounts.map(|table| table.location) }
    }

    fn finish(self, location: &str) -> (Result<Config, ConfigError>, Keys) {
        let Self { config, diagnostics, keys, .. } = self;
        let has_errors = diagnostics.iter().any(|one| one.severity == Severity::Error);
        let result = match config {
            Some(config) if !has_errors => Ok(Config { warnings: diagnostics, ..config }),
            _ => Err(ConfigError { location: location.to_owned(), diagnostics }),
        };
        (result, keys)
    }
}

/// Returns every key of a table, those of nested tables included.
fn keys<'t>(table: &'t DeTable<'_>) -> Vec<(&'t str, Range<usize>)> {
    let mut found = Vec::new();
    let mut values = Vec::new();
    let mut tables = vec![table];
    while let Some(table) = tables.pop() {
        for (key, value) in table.iter() {
            found.push((key.get_ref().as_ref(), key.span()));
            values.push(value.get_ref());
        }
        while let Some(value) = values.pop() {
            match value {
                DeValue::Table(table) => tables.push(table),
                DeValue::Array(array) => values.extend(array.iter().map(Spanned::get_ref)),
                _ => {}
            }
        }
    }
    found
}

/// Returns where a long string starts that ends nowhere, or a list or inline table that is still
/// open where a later line begins: the parser reports that line.
fn unclosed(text: &str, span: &Range<usize>, message: &str) -> Option<Range<usize>> {
    let before = text.get(..span.start)?;
    if message.contains("multi-line") {
        let start = before.rfind("\"\"\"").max(before.rfind("'''"))?;
        return Some(start..start + 3);
    }
    let is_first = before.rsplit('\n').next().is_some_and(|indent| indent.trim().is_empty());
    let is_element = text[span.start..].starts_with(['"', '\'', '{', '}', ']', ',']);
    let is_nested =
        ["array", "inline table", "key-value pairs"].iter().any(|at| message.contains(at));
    if !is_first || is_element || !is_nested {
        return None;
    }
    let is_key = |(at, _): &(usize, &str)| {
        let key = before[..*at].rsplit('\n').next().unwrap_or_default();
        key.chars().all(secrets_in_text::is_of_key)
    };
    let (equals, _) = before.rmatch_indices('=').find(is_key)?;
    let value = text[equals + 1..].lines().next().unwrap_or_default();
    let start = equals + 1 + value.len() - value.trim_start().len();
    Some(start..equals + 1 + value.len())
}

/// Returns the first error of the TOML parser: those that follow it are mostly its consequences,
/// and nothing else is checked until the file can be read. A duplicate key is named, with the line
/// of the first if no other table has a key of that name.
fn syntax_error(
    source: &Source<'_>,
    text: &str,
    errors: &[toml::de::Error],
    keys: &[(&str, Range<usize>)],
) -> Option<Diagnostic> {
    let duplicate = |span: &Range<usize>| {
        let word = text.get(span.clone())?.trim_matches(['"', '\'']);
        let mut earlier = keys.iter().filter(|(key, at)| *key == word && at.start < span.start);
        let ((key, first), other) = (earlier.next()?, earlier.next());
        let line = text[..first.start].matches('\n').count() + 1;
        let line = other.is_none().then(|| format!("; the first is in line {line}"));
        Some(format!(" `{}`{}", key.escape_debug(), line.unwrap_or_default()))
    };
    let span_of = |error: &toml::de::Error| error.span().unwrap_or(text.len()..text.len());
    let first = errors.iter().min_by_key(|error| span_of(error).start)?;
    let (span, message) = (span_of(first), first.message());
    if let Some(opened) = unclosed(text, &span, message) {
        return Some(source.diagnostic(Severity::Error, opened, "not TOML: not closed".to_owned()));
    }
    let span = if span == (0..0) { 0..1 } else { span };
    let more = if message == "duplicate key" { duplicate(&span) } else { None };
    let more = more.unwrap_or_default();
    Some(source.diagnostic(Severity::Error, span, format!("not TOML: {message}{more}")))
}
