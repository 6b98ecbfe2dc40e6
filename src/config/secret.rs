//! Secrets: values that never reach a log, an error, a metric, `Debug`, or `check`'s output.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{AwsSecret, Config, SinkConfig, SinkKind, defaults};
use crate::error::{Code, Error};

/// Where a secret comes from. It is read when it is needed, again when it is refused, and again when it has been in
/// use for its `refresh`.
#[derive(Clone)]
pub enum Secret {
    /// `{ env = "NAME" }`.
    Env {
        /// Of the variable.
        name: String,
        /// How often it is read although nobody has refused it.
        refresh: Duration,
    },
    /// `{ file = "path" }`; trailing line ends are cut.
    File {
        /// Of the file.
        path: PathBuf,
        /// How often it is read although nobody has refused it.
        refresh: Duration,
    },
    /// Written out in the configuration; `check` warns.
    Literal(Arc<SecretString>),
    /// `{ aws_secret = "…" }`: what was last read of it. [`Secret::renew`] reads it.
    Aws(Arc<AwsSecret>),
}

impl Secret {
    /// A file that is read again as often as one of which nothing is said.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), refresh: defaults::SECRET_REFRESH }
    }

    /// How long a value may be in use before it is read again; `None`: it cannot change.
    #[must_use]
    pub fn refresh(&self) -> Option<Duration> {
        match self {
            Self::Env { refresh, .. } | Self::File { refresh, .. } => Some(*refresh),
            Self::Aws(secret) => Some(secret.refresh),
            Self::Literal(_) => None,
        }
    }

    /// Reads the value now.
    ///
    /// # Errors
    /// The variable is unset, the file cannot be read, or the value is empty. The text names the place, never the value.
    pub fn read(&self) -> Result<SecretString, Error> {
        let value = match self {
            Self::Env { name, .. } => std::env::var(name).map_err(|_| {
                Error::new(
                    Code::SecretUnreadable,
                    format!("environment variable {name} is not set"),
                )
            })?,
            Self::File { path, .. } => std::fs::read_to_string(path).map_err(|cause| {
                Error::new(
                    Code::SecretUnreadable,
                    format!("secret file {}: {cause}", path.display()),
                )
            })?,
            Self::Literal(value) => value.expose_secret().to_owned(),
            Self::Aws(secret) => return secret.value(),
        };
        let value = value.trim_end_matches(['\r', '\n']);
        if value.is_empty() {
            return Err(Error::new(Code::SecretUnreadable, format!("{self:?} is empty")));
        }
        Ok(SecretString::from(value.to_owned()))
    }

    /// Asks AWS, where it keeps the secret and it was refused or its time has come. Call it before [`read`](Self::read).
    ///
    /// # Errors
    /// AWS does not say it. What it said before can still be read, and may still be good.
    pub async fn renew(&self) -> Result<(), Error> {
        match self {
            Self::Aws(secret) => secret.renew().await,
            Self::Env { .. } | Self::File { .. } | Self::Literal(_) => Ok(()),
        }
    }

    /// The value that was read was refused by whom it is for: the next renewal asks again, and may answer with the
    /// previous version.
    pub fn refuse(&self) {
        if let Self::Aws(secret) = self {
            secret.refuse();
        }
    }

    /// Something is wrong and it may be this value, or what it is used with: the next renewal asks again.
    pub fn expire(&self) {
        if let Self::Aws(secret) = self {
            secret.expire();
        }
    }
}

impl SinkConfig {
    /// The secrets of this sink, each with the setting that names it.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match &self.kind {
            SinkKind::SplunkHec(hec) => {
                std::iter::once(("token", &hec.token)).chain(hec.tls.named_secrets()).collect()
            }
            SinkKind::Kafka(kafka) => kafka.secrets(),
            SinkKind::Stdout(_) | SinkKind::File(_) => Vec::new(),
        }
    }

    /// Reads every secret, so that one that cannot be had is told with its sink and setting.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn read_secrets(&self) -> Result<(), Error> {
        self.secrets().into_iter().try_for_each(|(setting, secret)| {
            let name = |error: Error| {
                let text = format!("sink.{}.{setting}: {}", self.name, error.text);
                Error::new(error.code, text)
            };
            match secret {
                // librdkafka takes a folder of authorities, too.
                Secret::File { path, .. } if setting == "tls.ca" && path.is_dir() => Ok(()),
                _ => secret.read().map(drop).map_err(name),
            }
        })
    }
}

impl Config {
    /// The secrets that AWS keeps, each once.
    #[must_use]
    pub fn aws_secrets(&self) -> Vec<&Arc<AwsSecret>> {
        let mut found: Vec<&Arc<AwsSecret>> = Vec::new();
        for (_, secret) in self.sinks.iter().flat_map(SinkConfig::secrets) {
            if let Secret::Aws(secret) = secret
                && !found.iter().any(|seen| Arc::ptr_eq(seen, secret))
            {
                found.push(secret);
            }
        }
        found
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env { name, .. } => write!(f, "env {name}"),
            Self::File { path, .. } => write!(f, "file {}", path.display()),
            Self::Literal(_) => f.write_str("[redacted]"),
            Self::Aws(secret) => write!(f, "{secret:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Secret {
        Secret::Env { name: name.to_owned(), refresh: Duration::from_secs(1) }
    }

    fn literal(text: &str) -> Secret {
        Secret::Literal(Arc::new(SecretString::from(text.to_owned())))
    }

    #[test]
    fn a_file_s_line_ends_are_cut_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, " to ken \r\n\n").unwrap();
        assert_eq!(Secret::file(path).read().unwrap().expose_secret(), " to ken ");
    }

    #[test]
    fn a_secret_that_cannot_be_read_names_its_place() {
        let absent = Secret::file("/nowhere/token").read().unwrap_err();
        assert!(absent.text.contains("/nowhere/token"), "{absent}");
        let unset = env("CERTRELAY_TEST_UNSET").read().unwrap_err();
        assert!(unset.text.contains("CERTRELAY_TEST_UNSET"), "{unset}");
        assert_eq!(literal("\n").read().unwrap_err().code, Code::SecretUnreadable);
    }

    #[test]
    fn debug_shows_the_place_and_never_the_value() {
        assert_eq!(format!("{:?}", literal("hunter2")), "[redacted]");
        assert_eq!(format!("{:?}", env("HEC_TOKEN")), "env HEC_TOKEN");
    }
}
