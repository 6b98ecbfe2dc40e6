//! Logins to Amazon MSK with AWS credentials, which end and are renewed.
//!
//! librdkafka asks for a token on a thread of its own and waits for the answer, so nothing may block there: a task
//! beside the sink's driver keeps the credentials fresh, and a token is signed from what is at hand. It is said to
//! end no later than the credentials do, or librdkafka would go on logging in with one that MSK refuses.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use rdkafka::client::OAuthToken;

use super::super::backoff::Backoff;
use super::token;
use crate::error::{Code, Error, causes};

/// How long AWS has to give credentials. The chain asks one place after the other.
const LOAD: Duration = Duration::from_secs(30);
/// Credentials are renewed this long before they end: ECS and STS have new ones by then.
const EARLY: Duration = Duration::from_secs(300);
/// Credentials are read again after this long, ending or not: a profile may have been changed.
const LONGEST: Duration = Duration::from_secs(3600);
/// Shortest time between two readings.
const SHORTEST: Duration = Duration::from_secs(1);

/// The credentials of a sink, and the tokens made of them.
pub(super) struct Iam {
    sink: String,
    region: String,
    provider: SharedCredentialsProvider,
    current: Mutex<Option<Credentials>>,
    /// Held by whoever asks AWS, so that one question is asked at a time.
    asking: tokio::sync::Mutex<()>,
    clock: fn() -> SystemTime,
}

impl Iam {
    /// Asks for nothing yet.
    pub(super) fn new(sink: &str, region: &str, provider: SharedCredentialsProvider) -> Self {
        Self {
            sink: sink.to_owned(),
            region: region.to_owned(),
            provider,
            current: Mutex::new(None),
            asking: tokio::sync::Mutex::new(()),
            clock: SystemTime::now,
        }
    }

    /// Waits until a token can be made: before the first login, librdkafka would wait ten seconds for the next.
    ///
    /// # Errors
    /// AWS gives no credentials.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        let _turn = self.asking.lock().await;
        match self.usable() {
            Some(_) => Ok(()),
            None => self.load().await,
        }
    }

    /// Renews the credentials for as long as it is polled.
    pub(super) async fn keep_fresh(&self) {
        let mut failures = Backoff::default();
        loop {
            let turn = self.asking.lock().await;
            let wait = match self.load().await {
                Ok(()) => {
                    failures.reset();
                    self.until_next()
                }
                Err(error) => {
                    tracing::error!(sink = self.sink, code = error.code.as_str(), "{}", error.text);
                    failures.after_failure(fastrand::f64()).max(SHORTEST)
                }
            };
            drop(turn);
            tokio::time::sleep(wait).await;
        }
    }

    /// A token of the credentials at hand. Does not wait.
    ///
    /// # Errors
    /// There are none, or they have ended.
    pub(super) fn token(&self) -> Result<OAuthToken, Error> {
        let Some(credentials) = self.usable() else {
            return Err(self.error("there are no AWS credentials to log in to Amazon MSK with"));
        };
        let now = (self.clock)();
        let ends = now + token::LIFETIME;
        let ends = credentials.expiry().map_or(ends, |expiry| expiry.min(ends));
        let token = token::signed(&credentials, &self.region, now)
            .map_err(|fault| self.error(&format!("no token can be signed: {fault}")))?;
        let lifetime = ends.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(OAuthToken {
            token,
            principal_name: "certrelay".to_owned(),
            lifetime_ms: i64::try_from(lifetime).unwrap_or(i64::MAX),
        })
    }

    fn usable(&self) -> Option<Credentials> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = (self.clock)();
        current.filter(|credentials| credentials.expiry().is_none_or(|expiry| expiry > now))
    }

    async fn load(&self) -> Result<(), Error> {
        let asked = tokio::time::timeout(LOAD, self.provider.provide_credentials()).await;
        let credentials = match asked {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(fault)) => {
                return Err(self.error(&format!("AWS gives no credentials: {}", causes(&fault))));
            }
            Err(_) => {
                let text = format!("AWS gave no credentials in {} s", LOAD.as_secs());
                return Err(self.error(&text));
            }
        };
        if credentials.expiry().is_some_and(|expiry| expiry <= (self.clock)()) {
            return Err(self.error("AWS gives credentials that have ended"));
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
        Ok(())
    }

    /// When to renew: early, but of credentials that end soon only half of their time is left unused.
    fn until_next(&self) -> Duration {
        let ends = self.usable().and_then(|credentials| credentials.expiry());
        let Some(ends) = ends else { return LONGEST };
        let left = ends.duration_since((self.clock)()).unwrap_or_default();
        left.saturating_sub(EARLY).max(left / 2).clamp(SHORTEST, LONGEST)
    }

    fn error(&self, text: &str) -> Error {
        let advice = "see the task's role, `auth.role` and the AWS_ variables";
        Error::new(Code::KafkaCredentials, format!("sink.{}: {text}; {advice}", self.sink))
    }
}

#[cfg(test)]
mod tests;
