//! From text to a checked [`Config`], or to every mistake at once.

use std::io::Read;
use std::path::Path;

use toml::de::DeTable;

use super::cursor::{Keys, Reader};
use super::expand::{Lookup, is_variable_name};
use super::problem::{Problem, Severity, Source};
use super::{Config, ConfigError, read, secrets_in_text};

/// Bytes of a configuration, at most. None is this long; a log file named by mistake may be.
pub const MAX_BYTES: u64 = 1 << 20;

/// Reads the configuration that `place` names: a file, or `env:NAME`. One that lies
/// [`Elsewhere`](super::Elsewhere) has to be fetched first.
///
/// # Errors
/// It cannot be read, or it has mistakes: all of them.
pub fn load(place: &str) -> Result<Config, ConfigError> {
    let unreadable = |text: String| ConfigError::unreadable(place, text);
    if let Some(name) = place.strip_prefix("env:") {
        if !is_variable_name(name) {
            let text = "what follows `env:` is not a variable's name; write `-c env:NAME`";
            return Err(ConfigError::unreadable("env:", text.to_owned()));
        }
        let text = std::env::var(name).map_err(|cause| match cause {
            std::env::VarError::NotPresent => {
                unreadable(format!("environment variable {name} is not set"))
            }
            std::env::VarError::NotUnicode(_) => {
                unreadable(format!("environment variable {name} is not UTF-8"))
            }
        })?;
        return parse(place, &text, Path::new("."));
    }
    let text = read_file(Path::new(place)).map_err(unreadable)?;
    let folder = Path::new(place).parent().filter(|folder| !folder.as_os_str().is_empty());
    parse(place, &text, folder.unwrap_or(Path::new(".")))
}

fn read_file(path: &Path) -> Result<String, String> {
    let cannot = |cause: std::io::Error| format!("cannot be read: {cause}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is longer than 1 MiB; is it a configuration?".to_owned());
    }
    String::from_utf8(bytes).map_err(|cause| {
        format!("is not UTF-8 (byte {}); is it a configuration?", cause.utf8_error().valid_up_to())
    })
}

/// Checks the text of a configuration that was fetched from [`Elsewhere`](super::Elsewhere): it lies in no
/// folder that a relative path could start at.
///
/// # Errors
/// Every mistake, relative paths included.
pub fn parse_fetched(place: &str, text: &str) -> Result<Config, ConfigError> {
    parse(place, text, Path::new(""))
}

/// Checks a configuration's text, with the process's environment; relative paths resolve against `base`.
///
/// # Errors
/// Every mistake, each with its place.
pub fn parse(place: &str, text: &str, base: &Path) -> Result<Config, ConfigError> {
    parse_with(place, text, base, &|name| std::env::var(name).ok())
}

/// As [`parse`], with another environment.
///
/// # Errors
/// Every mistake, each with its place.
pub fn parse_with(
    place: &str,
    text: &str,
    base: &Path,
    env: Lookup<'_>,
) -> Result<Config, ConfigError> {
    walk(place, text, base, env).0
}

/// As [`parse_with`], and which keys the reader knows and found: what keeps
/// `config/certrelay.toml` complete.
pub fn walk(
    place: &str,
    text: &str,
    base: &Path,
    env: Lookup<'_>,
) -> (Result<Config, ConfigError>, Keys) {
    let mut source = Source::new(place, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        secrets_in_text::in_broken_text(text).into_iter().for_each(|span| source.mask(span));
        if place.starts_with("env:") || place.starts_with("ssm:") {
            // A variable or a parameter named by mistake may hold nothing but a secret.
            source.mask(0..text.len());
        }
        let problems = syntax_mistakes(&source, text, &errors);
        return (Err(ConfigError { place: place.to_owned(), problems }), Keys::default());
    }
    secrets_in_text::in_tree(root.get_ref()).into_iter().for_each(|span| source.mask(span));
    let reader = Reader::new(env, base);
    let config = read::document(&reader, root.get_ref());
    let (problems, keys) = reader.finish(source);
    let mistaken = problems.iter().any(|problem| problem.severity == Severity::Mistake);
    let result = match config {
        Some(config) if !mistaken => Ok(Config { warnings: problems, ..config }),
        _ => Err(ConfigError { place: place.to_owned(), problems }),
    };
    (result, keys)
}

/// What the TOML parser says; nothing else is checked until it can read the file.
fn syntax_mistakes(source: &Source<'_>, text: &str, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(text.len()..text.len()), error.message()))
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    errors
        .into_iter()
        .map(|(span, message)| {
            let span = if span == (0..0) { 0..1 } else { span };
            source.problem(Severity::Mistake, span, format!("not TOML: {message}"))
        })
        .collect()
}
