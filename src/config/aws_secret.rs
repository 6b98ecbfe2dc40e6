//! A secret that AWS Secrets Manager keeps: what is remembered of it, and which of its versions is used.
//!
//! Rotation is never one moment: for a while the destination may know only the old value or only the new one. So a
//! value that was refused is asked for again, and where the current version is the refused one, the previous version is
//! tried, as long as the current one is young.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::error::{Code, Error};

/// How long after a rotation the previous version may be tried.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Which version of a secret: Secrets Manager's own staging labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// `AWSCURRENT`.
    Current,
    /// `AWSPREVIOUS`: what was current before the last rotation.
    Previous,
}

/// A version as it is kept.
#[derive(Debug, Clone)]
pub struct Version {
    /// The whole text; a JSON object, where a key is asked of it.
    pub text: SecretString,
    /// How long ago it was made, where known.
    pub age: Option<Duration>,
}

/// Where versions are kept: Secrets Manager, or a test's own.
pub trait Versions: Send + Sync + 'static {
    /// `None`: there is no such version.
    ///
    /// # Errors
    /// It cannot be read now, or not by us.
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
    /// How often it is read although nobody has refused it.
    pub refresh: Duration,
    place: OnceLock<Arc<dyn Versions>>,
    state: Mutex<State>,
}

/// What is remembered.
#[derive(Default)]
struct State {
    value: Option<SecretString>,
    /// Values that the destination did not take, newest last; at most one for each stage.
    refused: Vec<SecretString>,
    asked: Option<Instant>,
    /// The value in use was refused: ask again whatever the time.
    is_due: bool,
}

impl AwsSecret {
    /// Not connected yet: nothing is known of it.
    #[must_use]
    pub fn new(id: String, key: Option<String>, refresh: Duration) -> Self {
        Self { id, key, refresh, place: OnceLock::new(), state: Mutex::default() }
    }

    /// The region that an ARN names; a name has none.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let mut parts = self.id.split(':');
        (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten().filter(|r| !r.is_empty())
    }

    /// Says where its versions are kept. Only the first call counts.
    pub fn connect(&self, place: Arc<dyn Versions>) {
        let _ = self.place.set(place);
    }

    /// The value as it was last read.
    ///
    /// # Errors
    /// It was not read yet.
    pub(super) fn value(&self) -> Result<SecretString, Error> {
        self.state().value.clone().ok_or_else(|| self.unreadable("has not been read yet"))
    }

    /// The destination refused the value in use.
    pub(super) fn refuse(&self) {
        let mut state = self.state();
        state.is_due = true;
        if let Some(value) = state.value.clone()
            && !is_among(&state.refused, &value)
        {
            state.refused.push(value);
            if state.refused.len() > 2 {
                state.refused.remove(0);
            }
        }
    }

    /// Its time has come: the next renewal asks again.
    pub(super) fn expire(&self) {
        self.state().is_due = true;
    }

    /// Reads it if its time has come, or if it was refused.
    ///
    /// # Errors
    /// It cannot be read; the value read before stays.
    pub async fn renew(&self) -> Result<(), Error> {
        {
            let mut state = self.state();
            let fresh = state.asked.is_some_and(|asked| asked.elapsed() < self.refresh);
            if fresh && !state.is_due && state.value.is_some() {
                return Ok(());
            }
            state.asked = Some(Instant::now());
        }
        let (current, age) = self.read(Stage::Current).await?;
        let refused = self.state().refused.clone();
        let young = age.is_none_or(|age| age <= OVERLAP);
        let value = if !is_among(&refused, &current) {
            Some(current.clone())
        } else if young {
            // Not to be had, or as useless: the current one is as good.
            let previous = self.read(Stage::Previous).await.ok().map(|(value, _)| value);
            previous.filter(|previous| !is_among(&refused, previous))
        } else {
            None
        };
        let mut state = self.state();
        if value.is_none() {
            state.refused.clear();
        }
        state.value = Some(value.unwrap_or(current));
        state.is_due = false;
        Ok(())
    }

    async fn read(&self, stage: Stage) -> Result<(SecretString, Option<Duration>), Error> {
        let place = self.place.get().ok_or_else(|| self.unreadable("is not connected"))?;
        let version = place.get(&self.id, stage).await?;
        let version = version.ok_or_else(|| self.unreadable("has no such version"))?;
        let value = self.part_of(version.text.expose_secret())?;
        Ok((SecretString::from(value), version.age))
    }

    /// The value in the secret's text.
    fn part_of(&self, text: &str) -> Result<String, Error> {
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        match (&self.key, object) {
            (None, Err(_)) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            (None, Ok(_)) => {
                Err(self.unreadable("is a JSON object: say which `key` of it is meant"))
            }
            (Some(_), Err(_)) => Err(self.unreadable("is no JSON object: remove `key`")),
            (Some(key), Ok(object)) => match object.get(key) {
                Some(serde_json::Value::String(value)) => Ok(value.clone()),
                Some(_) => Err(self.unreadable("has no text at this key")),
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_among(values: &[SecretString], value: &SecretString) -> bool {
    values.iter().any(|one| one.expose_secret() == value.expose_secret())
}

impl fmt::Debug for AwsSecret {
    /// Its place, never its value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aws_secret {}", self.id)?;
        match &self.key {
            Some(key) => write!(f, ", key {key}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
