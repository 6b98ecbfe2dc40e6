//! Secrets: values that never appear in a log, an error, a metric, `Debug`, or `check`'s output.
//!
//! A secret in AWS Secrets Manager may be rotated, which is not atomic: for a while the destination
//! may accept only the old value or only the new one. So a rejected value is read again, and if the
//! current version is the rejected one, the previous version is tried, as long as the current one
//! is recent.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::error::{Code, Error};

/// Default `refresh`. A rejected secret is read again at once, whatever its refresh.
pub(super) const REFRESH: Duration = Duration::from_secs(300);

/// Where a secret comes from. It is read when it is needed, when it is rejected, and when it has
/// been in use for its `refresh`.
#[derive(Clone)]
pub enum Secret {
    /// `{ env = "NAME" }`.
    Env {
        /// Name of the variable.
        name: String,
        /// How often it is read again.
        refresh: Duration,
    },
    /// `{ file = "path" }`; trailing line ends are removed.
    File {
        /// Path of the file.
        path: PathBuf,
        /// How often it is read again.
        refresh: Duration,
    },
    /// Written out in the configuration; `check` warns.
    Literal(Arc<SecretString>),
    /// `{ aws_secret = "…" }`: the value read last. [`Secret::renew`] reads it again.
    Aws(Arc<AwsSecret>),
}

impl Secret {
    /// Returns a file with the default refresh.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), refresh: REFRESH }
    }

    /// Returns how long a value may be in use before it is read again; `None`: it cannot change.
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
    /// The variable is unset, the file cannot be read, or the value is empty. The text names the
    /// variable or file, never the value.
    pub fn read(&self) -> Result<SecretString, Error> {
        let value = match self {
            Self::Env { name, .. } => std::env::var(name).map_err(|_| {
                let text = format!("environment variable {name} is not set");
                Error::new(Code::SecretUnreadable, text)
            })?,
            Self::File { path, .. } => std::fs::read_to_string(path).map_err(|cause| {
                let text = format!("secret file {}", path.display());
                Error::caused(Code::SecretUnreadable, text, cause)
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

    /// Reads it again from AWS, if it was rejected or its refresh has passed. Call it before
    /// [`read`](Self::read).
    ///
    /// # Errors
    /// AWS does not return it. The value read before can still be read, and may still be valid.
    pub async fn renew(&self) -> Result<(), Error> {
        match self {
            Self::Aws(secret) => secret.renew().await,
            Self::Env { .. } | Self::File { .. } | Self::Literal(_) => Ok(()),
        }
    }

    /// Returns why this cannot be a HEC token as it is written now; never a part of it. `None`:
    /// there is no fault, or it cannot be read.
    #[must_use]
    pub fn token_fault(&self) -> Option<&'static str> {
        let token = self.read().ok()?;
        let token = token.expose_secret();
        let quotes = ['"', '\'', '`', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];
        let scheme = token.trim_start().get(..7);
        let faults = [
            (token.starts_with('\u{feff}'), "begins with a byte order mark (BOM); remove it"),
            (token.contains(quotes), "has quotation marks; remove them"),
            (
                scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("splunk ")),
                "begins with \"Splunk \", which certrelay adds; remove it",
            ),
            (token.trim() != token, "begins or ends with white space; remove it"),
            (token.contains(char::is_whitespace), "has white space; remove it"),
            (token.contains(char::is_control), "has a control character; remove it"),
            (!token.is_ascii(), "has a character outside of ASCII; copy it again"),
        ];
        faults.into_iter().find_map(|(is_fault, text)| is_fault.then_some(text))
    }

    /// Marks the value in use as rejected by the destination: the next renewal reads it again, and
    /// may return the previous version.
    pub fn reject(&self) {
        if let Self::Aws(secret) = self {
            secret.reject();
        }
    }

    /// Marks the value as due: the next renewal reads it again. For failures that it may have
    /// caused.
    pub fn expire(&self) {
        if let Self::Aws(secret) = self {
            secret.expire();
        }
    }
}

/// TLS towards a destination. PEM is read as a secret is; `ca_file = "path"` is a secret in a file.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The authorities to trust instead of the system's.
    pub ca: Option<Secret>,
    /// The client certificate chain; with `key`.
    pub cert: Option<Secret>,
    /// Its private key.
    pub key: Option<Secret>,
    /// No certificate verification; warned about at every start.
    pub insecure: bool,
    /// SHA-256 of the server certificates to accept, whatever else is in them; empty: verified as
    /// usual.
    pub pins: Vec<[u8; 32]>,
}

impl Tls {
    /// Returns the secrets to read.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.named_secrets().map(|(_, secret)| secret)
    }

    /// As [`secrets`](Self::secrets), each with its setting.
    pub fn named_secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let named = [
            ("tls.ca", "tls.ca_file", &self.ca),
            ("tls.client_cert", "tls.cert_file", &self.cert),
            ("tls.client_key", "tls.key_file", &self.key),
        ];
        named.into_iter().filter_map(|(setting, file_setting, secret)| match secret.as_ref()? {
            secret @ Secret::File { .. } => Some((file_setting, secret)),
            secret => Some((setting, secret)),
        })
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

/// How long after a rotation the previous version may be tried.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// A version of a secret, by Secrets Manager's staging label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// `AWSCURRENT`.
    Current,
    /// `AWSPREVIOUS`: what was current before the last rotation.
    Previous,
}

/// The content of a version.
#[derive(Debug, Clone)]
pub struct Version {
    /// The whole text; a JSON object, if the secret has a `key`.
    pub text: SecretString,
    /// How long ago it was created, if known.
    pub age: Option<Duration>,
}

/// A store of versions: Secrets Manager, or a test's own.
pub trait Versions: Send + Sync + 'static {
    /// Returns a version; `None`: it does not exist.
    ///
    /// # Errors
    /// It cannot be read.
    fn get<'a>(
        &'a self,
        id: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>>;
}

/// `{ aws_secret = …, key = …, refresh = … }`.
pub struct AwsSecret {
    /// ARN or name.
    pub id: String,
    /// The member of the secret's JSON object; absent: its whole text.
    pub key: Option<String>,
    /// How often it is read again.
    pub refresh: Duration,
    store: OnceLock<Arc<dyn Versions>>,
    state: Mutex<State>,
}

/// What is known of a secret.
#[derive(Default)]
struct State {
    value: Option<SecretString>,
    /// Values that the destination rejected, newest last; at most one for each stage.
    rejected: Vec<SecretString>,
    read: Option<Instant>,
    /// The value in use was rejected: read again, whatever the refresh.
    is_due: bool,
}

impl AwsSecret {
    /// Creates a secret without a store.
    #[must_use]
    pub fn new(id: String, key: Option<String>, refresh: Duration) -> Self {
        Self { id, key, refresh, store: OnceLock::new(), state: Mutex::default() }
    }

    /// Returns the region of an ARN; a name has none.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let mut parts = self.id.split(':');
        (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten().filter(|r| !r.is_empty())
    }

    /// Sets the store of its versions. Only the first call counts.
    pub fn connect(&self, store: Arc<dyn Versions>) {
        let _ = self.store.set(store);
    }

    /// Returns the value read last.
    ///
    /// # Errors
    /// It has not been read yet.
    pub(super) fn value(&self) -> Result<SecretString, Error> {
        self.state.lock().value.clone().ok_or_else(|| self.unreadable("has not been read yet"))
    }

    /// Marks the value in use as rejected by the destination.
    pub(super) fn reject(&self) {
        let mut state = self.state.lock();
        state.is_due = true;
        if let Some(value) = state.value.clone()
            && !is_among(&state.rejected, &value)
        {
            state.rejected.push(value);
            if state.rejected.len() > 2 {
                state.rejected.remove(0);
            }
        }
    }

    /// Makes the next renewal read it again.
    pub(super) fn expire(&self) {
        self.state.lock().is_due = true;
    }

    /// Reads it if its refresh has passed, or if it was rejected.
    ///
    /// # Errors
    /// It cannot be read; the previous value stays in use.
    pub async fn renew(&self) -> Result<(), Error> {
        {
            let mut state = self.state.lock();
            let fresh = state.read.is_some_and(|read| read.elapsed() < self.refresh);
            if fresh && !state.is_due && state.value.is_some() {
                return Ok(());
            }
            state.read = Some(Instant::now());
        }
        let (current, age) = self.read(Stage::Current).await?;
        let rejected = self.state.lock().rejected.clone();
        let recent = age.is_none_or(|age| age <= OVERLAP);
        let value = if !is_among(&rejected, &current) {
            Some(current.clone())
        } else if recent {
            // Unreadable or rejected, too: the current one is as good.
            let previous = self.read(Stage::Previous).await.ok().map(|(value, _)| value);
            previous.filter(|previous| !is_among(&rejected, previous))
        } else {
            None
        };
        let mut state = self.state.lock();
        if value.is_none() {
            state.rejected.clear();
        }
        state.value = Some(value.unwrap_or(current));
        state.is_due = false;
        Ok(())
    }

    async fn read(&self, stage: Stage) -> Result<(SecretString, Option<Duration>), Error> {
        let store = self.store.get().ok_or_else(|| self.unreadable("is not connected"))?;
        let version = store.get(&self.id, stage).await?;
        let version = version.ok_or_else(|| self.unreadable("has no such version"))?;
        let value = self.part_of(version.text.expose_secret())?;
        Ok((SecretString::from(value), version.age))
    }

    /// Returns the value in the secret's text.
    fn part_of(&self, text: &str) -> Result<String, Error> {
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        match (&self.key, object) {
            (None, Err(_)) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            (None, Ok(_)) => Err(self.unreadable("is a JSON object: name its member with `key`")),
            (Some(_), Err(_)) => Err(self.unreadable("is not a JSON object: remove `key`")),
            (Some(key), Ok(object)) => match object.get(key) {
                Some(serde_json::Value::String(value)) => Ok(value.clone()),
                Some(_) => Err(self.unreadable("has no string at this key")),
                None => Err(self.unreadable("has no such key")),
            },
        }
        .and_then(|value| match value.is_empty() {
            true => Err(self.unreadable("is empty")),
            false => Ok(value),
        })
    }

    fn unreadable(&self, text: &str) -> Error {
        Error::new(Code::SecretUnreadable, format!("{self:?} {text}"))
    }
}

fn is_among(values: &[SecretString], value: &SecretString) -> bool {
    values.iter().any(|one| one.expose_secret() == value.expose_secret())
}

impl fmt::Debug for AwsSecret {
    /// Shows its id, never its value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aws_secret {}", self.id)?;
        match &self.key {
            Some(key) => write!(f, ", key {key}"),
            None => Ok(()),
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
    fn only_trailing_line_ends_of_a_file_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, " to ken \r\n\n").unwrap();
        assert_eq!(Secret::file(path).read().unwrap().expose_secret(), " to ken ");
    }

    #[test]
    fn an_unreadable_secret_is_named_by_its_location() {
        let absent = Secret::file("/nowhere/token").read().unwrap_err();
        assert!(absent.text.contains("/nowhere/token"), "{absent}");
        let unset = env("CERTRELAY_TEST_UNSET").read().unwrap_err();
        assert!(unset.text.contains("CERTRELAY_TEST_UNSET"), "{unset}");
        assert_eq!(literal("\n").read().unwrap_err().code, Code::SecretUnreadable);
    }

    #[test]
    fn debug_shows_the_location_and_never_the_value() {
        assert_eq!(format!("{:?}", literal("hunter2")), "[redacted]");
        assert_eq!(format!("{:?}", env("HEC_TOKEN")), "env HEC_TOKEN");
    }

    /// Versions that the test sets, and which were read.
    #[derive(Default)]
    struct FakeStore {
        versions: Mutex<Vec<(Stage, String, Option<Duration>)>>,
        reads: Mutex<Vec<Stage>>,
        is_down: Mutex<bool>,
    }

    impl FakeStore {
        fn set(&self, versions: &[(Stage, &str, u64)]) {
            let age = |hours| Some(Duration::from_secs(hours * 3600));
            *self.versions.lock() = versions
                .iter()
                .map(|(stage, text, hours)| (*stage, (*text).to_owned(), age(*hours)))
                .collect();
        }
    }

    impl Versions for FakeStore {
        fn get<'a>(
            &'a self,
            _: &'a str,
            stage: Stage,
        ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
            Box::pin(async move {
                self.reads.lock().push(stage);
                if *self.is_down.lock() {
                    return Err(Error::new(Code::SecretUnreadable, "unavailable"));
                }
                let versions = self.versions.lock();
                let found = versions.iter().find(|(own, ..)| *own == stage);
                Ok(found.map(|(_, text, age)| Version { text: text.clone().into(), age: *age }))
            })
        }
    }

    const REFRESH: Duration = Duration::from_secs(300);

    fn secret(key: Option<&str>) -> (AwsSecret, Arc<FakeStore>) {
        let store = Arc::new(FakeStore::default());
        let secret = AwsSecret::new("prod/hec".to_owned(), key.map(str::to_owned), REFRESH);
        secret.connect(store.clone());
        (secret, store)
    }

    /// The value after a renewal.
    async fn renewed(secret: &AwsSecret) -> String {
        secret.renew().await.unwrap();
        secret.value().unwrap().expose_secret().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_read_again_after_its_refresh() {
        let (secret, store) = secret(None);
        assert_eq!(secret.value().unwrap_err().code, Code::SecretUnreadable);
        store.set(&[(Stage::Current, "one\n", 0)]);
        assert_eq!(renewed(&secret).await, "one");
        store.set(&[(Stage::Current, "two", 0)]);
        tokio::time::advance(REFRESH - Duration::from_secs(1)).await;
        assert_eq!(renewed(&secret).await, "one");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(renewed(&secret).await, "two");
        assert_eq!(store.reads.lock().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_secret_is_read_again_at_once() {
        let (secret, store) = secret(None);
        store.set(&[(Stage::Current, "one", 0)]);
        assert_eq!(renewed(&secret).await, "one");
        store.set(&[(Stage::Current, "two", 0), (Stage::Previous, "one", 9)]);
        secret.reject();
        assert_eq!(renewed(&secret).await, "two");
        assert_eq!(*store.reads.lock(), [Stage::Current; 2], "the rejected version is not read");
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_version_is_tried_soon_after_a_rotation() {
        let (secret, store) = secret(None);
        store.set(&[(Stage::Current, "new", 1), (Stage::Previous, "old", 100)]);
        assert_eq!(renewed(&secret).await, "new");
        secret.reject();
        assert_eq!(renewed(&secret).await, "old");
        tokio::time::advance(REFRESH).await;
        assert_eq!(renewed(&secret).await, "old", "it works, and the new one was rejected");
        // The destination accepts only the new one now.
        secret.reject();
        assert_eq!(renewed(&secret).await, "new");
        secret.reject();
        assert_eq!(renewed(&secret).await, "old", "they alternate while both are rejected");
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_version_is_not_tried_long_after_a_rotation() {
        let (secret, store) = secret(None);
        store.set(&[(Stage::Current, "new", 25), (Stage::Previous, "old", 100)]);
        assert_eq!(renewed(&secret).await, "new");
        secret.reject();
        assert_eq!(renewed(&secret).await, "new");
        assert_eq!(*store.reads.lock(), [Stage::Current; 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_current_version_is_tried_again_if_there_is_no_previous_one() {
        let (secret, store) = secret(None);
        store.set(&[(Stage::Current, "only", 0)]);
        assert_eq!(renewed(&secret).await, "only");
        for _ in 0..3 {
            secret.reject();
            assert_eq!(renewed(&secret).await, "only");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_an_error_and_leaves_the_value_in_use() {
        let (secret, store) = secret(None);
        store.set(&[(Stage::Current, "one", 0)]);
        assert_eq!(renewed(&secret).await, "one");
        *store.is_down.lock() = true;
        tokio::time::advance(REFRESH).await;
        assert!(secret.renew().await.is_err());
        assert_eq!(secret.value().unwrap().expose_secret(), "one");
        secret.reject();
        assert!(secret.renew().await.is_err());
        *store.is_down.lock() = false;
        store.set(&[(Stage::Current, "two", 0)]);
        assert_eq!(renewed(&secret).await, "two", "a rejection outlives an outage");
    }

    #[tokio::test]
    async fn a_key_names_a_member_and_errors_never_quote_the_secret() {
        for (key, text, value) in [
            (Some("token"), r#"{"token":"t","x":1}"#, Some("t")),
            (Some("x"), r#"{"token":"canary","x":1}"#, None),
            (Some("tokn"), r#"{"token":"canary"}"#, None),
            (Some("token"), "canary", None),
            (None, r#"{"token":"canary"}"#, None),
            (None, "", None),
            (None, "plain", Some("plain")),
        ] {
            let (secret, store) = secret(key);
            store.set(&[(Stage::Current, text, 0)]);
            match value {
                Some(value) => assert_eq!(renewed(&secret).await, value),
                None => {
                    let error = secret.renew().await.unwrap_err();
                    assert!(
                        error.text.contains("prod/hec") && !error.text.contains("canary"),
                        "{error}"
                    );
                }
            }
            assert!(!format!("{secret:?}").contains("canary"));
        }
    }

    #[test]
    fn the_region_is_that_of_the_arn() {
        let region =
            |id: &str| AwsSecret::new(id.to_owned(), None, REFRESH).region().map(str::to_owned);
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/hec-AbCdEf";
        assert_eq!(region(arn).as_deref(), Some("eu-west-1"));
        assert_eq!(region("prod/hec"), None);
    }
}
