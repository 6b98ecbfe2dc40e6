//! From text to a checked [`Config`], or to every mistake at once.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::cursor::{Keys, Reader};
use super::expand::{Lookup, is_variable_name};
use super::problem::{Problem, Severity, Source};
use super::{Accounts, Config, ConfigError, Place, read, secrets_in_text};

/// Bytes of a configuration, at most. None is this long; a log file named by mistake may be.
pub const MAX_BYTES: u64 = 1 << 20;

/// Bytes of a table of accounts: the largest organisation's is a hundredth of it.
const MAX_TABLE: u64 = 16 << 20;

/// What Kafka's client says against one of its options, by name and value; this room knows no client.
pub type KafkaOption = fn(&str, &str) -> Result<(), String>;

/// Reads the configuration that `place` names: a file, or `env:NAME`. One that lies
/// [`Elsewhere`](super::Elsewhere) has to be fetched first. A table of accounts that is a file belongs to it.
///
/// # Errors
/// It cannot be read, or it has mistakes: all of them.
pub fn load(place: &str, option: KafkaOption) -> Result<Config, ConfigError> {
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
        return whole(place, &text, Path::new("."), option);
    }
    let text = read_file(Path::new(place), MAX_BYTES).map_err(unreadable)?;
    let folder = Path::new(place).parent().filter(|folder| !folder.as_os_str().is_empty());
    whole(place, &text, folder.unwrap_or(Path::new(".")), option)
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

/// The text and the table of accounts that it names, if that is a file.
fn whole(place: &str, text: &str, base: &Path, option: KafkaOption) -> Result<Config, ConfigError> {
    let mut walked = Walked::new(place, text, base, &|name| std::env::var(name).ok(), option);
    if let Some(Place::Local(path)) = &walked.accounts {
        let table = path.display().to_string();
        let read = read_file(path, MAX_TABLE);
        let unreadable = |cause| ConfigError::unreadable(&table, format!("[accounts] {cause}"));
        let read = read.map_err(unreadable);
        if let Err(mistakes) = read.and_then(|text| Accounts::parse(&table, &text)) {
            walked.problems.extend(mistakes.problems);
        }
    }
    walked.ended(place).0
}

/// Checks the text of a configuration that was fetched from [`Elsewhere`](super::Elsewhere): it lies in no
/// folder that a relative path could start at.
///
/// # Errors
/// Every mistake, relative paths included.
pub fn parse_fetched(place: &str, text: &str, option: KafkaOption) -> Result<Config, ConfigError> {
    whole(place, text, Path::new(""), option)
}

/// Checks a configuration's text alone, with the process's environment; relative paths resolve against `base`.
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
    Walked::new(place, text, base, env, |_, _| Ok(())).ended(place)
}

/// What a text says.
struct Walked {
    config: Option<Config>,
    problems: Vec<Problem>,
    keys: Keys,
    /// Where its table of accounts lies, even if other things are wrong.
    accounts: Option<Place>,
}

impl Walked {
    fn new(place: &str, text: &str, base: &Path, env: Lookup<'_>, option: KafkaOption) -> Self {
        let mut source = Source::new(place, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            secrets_in_text::in_broken_text(text).into_iter().for_each(|span| source.mask(span));
            // A variable or a parameter named by mistake may hold nothing but a secret.
            let hidden = place.starts_with("env:") || place.starts_with("ssm:");
            if hidden {
                source.mask(0..text.len());
            }
            let keys = if hidden { Vec::new() } else { keys(root.get_ref()) };
            let problems = syntax_mistakes(&source, text, &errors, &keys);
            return Self { config: None, problems, keys: Keys::default(), accounts: None };
        }
        secrets_in_text::in_tree(root.get_ref()).into_iter().for_each(|span| source.mask(span));
        let reader = Reader::new(env, base, option);
        let (config, accounts) = read::document(&reader, root.get_ref());
        let (problems, keys) = reader.finish(source);
        Self { config, problems, keys, accounts: accounts.map(|table| table.place) }
    }

    fn ended(self, place: &str) -> (Result<Config, ConfigError>, Keys) {
        let Self { config, problems, keys, .. } = self;
        let mistaken = problems.iter().any(|problem| problem.severity == Severity::Mistake);
        let result = match config {
            Some(config) if !mistaken => Ok(Config { warnings: problems, ..config }),
            _ => Err(ConfigError { place: place.to_owned(), problems }),
        };
        (result, keys)
    }
}

/// Every key of a table, those of the tables in it included.
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

/// What the TOML parser says; nothing else is checked until it can read the file. A key that is there twice
/// is named, and with its first place where no other table has a key of that name.
fn syntax_mistakes(
    source: &Source<'_>,
    text: &str,
    errors: &[toml::de::Error],
    keys: &[(&str, Range<usize>)],
) -> Vec<Problem> {
    let duplicate = |span: &Range<usize>| {
        let word = text.get(span.clone())?.trim_matches(['"', '\'']);
        let mut earlier = keys.iter().filter(|(key, at)| *key == word && at.start < span.start);
        let ((key, first), other) = (earlier.next()?, earlier.next());
        let line = text[..first.start].matches('\n').count() + 1;
        let line = other.is_none().then(|| format!("; the first is in line {line}"));
        Some(format!(" `{}`{}", key.escape_debug(), line.unwrap_or_default()))
    };
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(text.len()..text.len()), error.message()))
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    errors
        .into_iter()
        .map(|(span, message)| {
            let span = if span == (0..0) { 0..1 } else { span };
            let more = if message == "duplicate key" { duplicate(&span) } else { None };
            let more = more.unwrap_or_default();
            source.problem(Severity::Mistake, span, format!("not TOML: {message}{more}"))
        })
        .collect()
}
