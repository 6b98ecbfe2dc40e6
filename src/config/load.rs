//! From text to a checked [`Config`], or to every mistake at once.

use std::fmt;
use std::path::Path;

use super::Config;

/// One mistake, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 1-based line; 0 where the mistake is an absence.
    pub line: usize,
    /// 1-based column.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub text: String,
}

/// Every mistake of a configuration, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, or `env:NAME`.
    pub place: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} mistakes", self.place, self.problems.len())
    }
}

/// Reads the configuration that `place` names: a file, or `env:NAME`.
///
/// # Errors
/// It cannot be read, or it has mistakes: all of them.
pub fn load(place: &str) -> Result<Config, ConfigError> {
    parse(place, "", Path::new("."))
}

/// Checks a configuration's text; relative paths resolve against `base`.
///
/// # Errors
/// Every mistake, each with its place.
pub fn parse(_source: &str, _text: &str, _base: &Path) -> Result<Config, ConfigError> {
    todo!("config helper")
}

impl std::fmt::Display for Problem {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
