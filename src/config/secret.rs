//! Secrets: values that never reach a log, an error, a metric, `Debug`, or `check`'s output.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::outcome::Why;

/// Where a secret comes from. It is read when it is needed, and again when it is refused.
#[derive(Clone)]
pub enum Secret {
    /// `{ env = "NAME" }`.
    Env(String),
    /// `{ file = "path" }`; trailing line ends are cut.
    File(PathBuf),
    /// Written out in the configuration; `check` warns.
    Literal(Arc<SecretString>),
}

impl Secret {
    /// Reads the value now.
    ///
    /// # Errors
    /// The variable is unset, the file cannot be read, or the value is empty. The text names the place, never the value.
    pub fn read(&self) -> Result<SecretString, Why> {
        let value = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| {
                Why::new("secret_unreadable", format!("environment variable {name} is not set"))
            })?,
            Self::File(path) => std::fs::read_to_string(path).map_err(|cause| {
                Why::new("secret_unreadable", format!("secret file {}: {cause}", path.display()))
            })?,
            Self::Literal(value) => value.expose_secret().to_owned(),
        };
        let value = value.trim_end_matches(['\r', '\n']);
        if value.is_empty() {
            return Err(Why::new("secret_unreadable", format!("{self:?} is empty")));
        }
        Ok(SecretString::from(value.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Literal(_) => f.write_str("[redacted]"),
        }
    }
}
