//! Logins to Amazon MSK with AWS credentials, which expire and are renewed.
//!
//! librdkafka requests a token on a thread of its own and waits for it, so nothing may block there:
//! a task beside the sink's driver keeps the credentials fresh, and a token is signed from the
//! current ones. Its lifetime ends no later than the credentials', or librdkafka would go on
//! logging in with one that MSK denies.
//!
//! A token is the URL of a call of `kafka-cluster:Connect`, signed with SigV4 and encoded as
//! base64url. Source: AWS's own signers (`aws-msk-iam-auth`, `aws-msk-iam-sasl-signer-python`),
//! which use `kafka.REGION.amazonaws.com` in every partition.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use data_encoding::BASE64URL_NOPAD;
use parking_lot::Mutex;
use rdkafka::client::OAuthToken;
use url::Url;

use crate::error::{Code, Error, causes};
use crate::sink::backoff::Backoff;

/// Timeout of loading credentials. The provider chain tries its sources one after the other.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Credentials are renewed this long before they expire: ECS and STS have new ones by then.
const EARLY: Duration = Duration::from_secs(300);
/// Maximum time between two loads, even if the credentials do not expire: a profile may have
/// changed.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Minimum time between two loads.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Lifetime of a token. AWS's own signers use no other.
const LIFETIME: Duration = Duration::from_secs(900);
/// The client name in a token; not signed.
const USER_AGENT: &str = concat!("certrelay/", env!("CARGO_PKG_VERSION"));

/// The credentials of a sink, and the tokens signed with them.
pub(super) struct Iam {
    sink: String,
    region: String,
    provider: SharedCredentialsProvider,
    current: Mutex<Option<Credentials>>,
    /// Held during a load, so that one runs at a time.
    loading: tokio::sync::Mutex<()>,
    clock: fn() -> SystemTime,
}

impl Iam {
    /// Loads nothing yet.
    pub(super) fn new(sink: &str, region: &str, provider: SharedCredentialsProvider) -> Self {
        Self {
            sink: sink.to_owned(),
            region: region.to_owned(),
            provider,
            current: Mutex::new(None),
            loading: tokio::sync::Mutex::new(()),
            clock: SystemTime::now,
        }
    }

    /// Waits until a token can be signed: without one, librdkafka would retry its first login only
    /// after ten seconds.
    ///
    /// # Errors
    /// AWS returns no credentials.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        let _loading = self.loading.lock().await;
        match self.valid() {
            Some(_) => Ok(()),
            None => self.load().await,
        }
    }

    /// Renews the credentials for as long as it is polled.
    pub(super) async fn keep_fresh(&self) {
        let mut failures = Backoff::default();
        loop {
            let loading = self.loading.lock().await;
            let delay = match self.load().await {
                Ok(()) => {
                    failures.reset();
                    self.until_next_load()
                }
                Err(Error { code, text: error, .. }) => {
                    let code = code.as_str();
                    tracing::error!(
                        sink = self.sink,
                        code,
                        error,
                        "AWS credentials not loaded, retrying"
                    );
                    failures.after_failure(fastrand::f64()).max(MIN_INTERVAL)
                }
            };
            drop(loading);
            tokio::time::sleep(delay).await;
        }
    }

    /// Signs a token with the current credentials. Does not block.
    ///
    /// # Errors
    /// There are none, or they have expired.
    pub(super) fn token(&self) -> Result<OAuthToken, Error> {
        let Some(credentials) = self.valid() else {
            return Err(self.error("there are no AWS credentials to log in to Amazon MSK"));
        };
        let now = (self.clock)();
        let end = now + LIFETIME;
        let end = credentials.expiry().map_or(end, |expiry| expiry.min(end));
        let token = sign_token(&credentials, &self.region, now)
            .map_err(|error| self.error(&format!("no token can be signed: {error}")))?;
        let lifetime = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(OAuthToken {
            token,
            principal_name: "certrelay".to_owned(),
            lifetime_ms: i64::try_from(lifetime).unwrap_or(i64::MAX),
        })
    }

    /// Returns the credentials unless they have expired.
    fn valid(&self) -> Option<Credentials> {
        let current = self.current.lock().clone();
        let now = (self.clock)();
        current.filter(|credentials| credentials.expiry().is_none_or(|expiry| expiry > now))
    }

    async fn load(&self) -> Result<(), Error> {
        let loaded = tokio::time::timeout(LOAD_TIMEOUT, self.provider.provide_credentials()).await;
        let credentials = match loaded {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(error)) => {
                return Err(self.error(&format!("AWS returns no credentials: {}", causes(&error))));
            }
            Err(_) => {
                let seconds = LOAD_TIMEOUT.as_secs();
                return Err(self.error(&format!("AWS returned no credentials within {seconds} s")));
            }
        };
        if credentials.expiry().is_some_and(|expiry| expiry <= (self.clock)()) {
            return Err(self.error("AWS returns expired credentials"));
        }
        *self.current.lock() = Some(credentials);
        Ok(())
    }

    /// Returns the time until the next load: [`EARLY`], but at the earliest after half of the
    /// remaining time.
    fn until_next_load(&self) -> Duration {
        let expiry = self.valid().and_then(|credentials| credentials.expiry());
        let Some(expiry) = expiry else { return MAX_INTERVAL };
        let left = expiry.duration_since((self.clock)()).unwrap_or_default();
        left.saturating_sub(EARLY).max(left / 2).clamp(MIN_INTERVAL, MAX_INTERVAL)
    }

    fn error(&self, text: &str) -> Error {
        let advice = "see the task's role, `auth.role` and the AWS_ variables";
        Error::new(Code::KafkaCredentials, format!("sink.{}: {text}; {advice}", self.sink))
    }
}

/// Signs a token for a cluster in `region`, as of `now`.
///
/// # Errors
/// `region` cannot be part of a host name, or the credentials cannot sign.
fn sign_token(
    credentials: &Credentials,
    region: &str,
    now: SystemTime,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut url = Url::parse(&format!(
        "https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect"
    ))?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.clone().into();
    let params: SigningParams<'_> = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let request =
        SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (signature, _) = sign(request, &params)?.into_parts();
    for (name, value) in signature.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    url.query_pairs_mut().append_pair("User-Agent", USER_AGENT);
    Ok(BASE64URL_NOPAD.encode(url.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError};
    use tokio::time::Instant;

    use super::*;

    const START: Duration = Duration::from_secs(1_789_999_999);

    /// A wall clock that follows the runtime's paused one from the test's first call.
    fn clock() -> SystemTime {
        thread_local!(static FIRST: Instant = Instant::now());
        UNIX_EPOCH + START + FIRST.with(Instant::elapsed)
    }

    /// Returns credentials that expire after `life`, another key each time; none in the first
    /// `failures` calls.
    #[derive(Debug)]
    struct Fake {
        life: Option<Duration>,
        failures: u64,
        calls: Arc<AtomicU64>,
    }

    impl ProvideCredentials for Fake {
        fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            provider::future::ProvideCredentials::ready(if call < self.failures {
                Err(CredentialsError::not_loaded("no such profile"))
            } else {
                let expiry = self.life.map(|life| clock() + life);
                Ok(Credentials::new(format!("AKID{call}"), "canary-key", None, expiry, "test"))
            })
        }
    }

    fn iam(life: Option<Duration>, failures: u64) -> (Iam, Arc<AtomicU64>) {
        let calls = Arc::new(AtomicU64::new(0));
        let fake = Fake { life, failures, calls: calls.clone() };
        let iam = Iam::new("lake", "us-east-1", SharedCredentialsProvider::new(fake));
        (Iam { clock, ..iam }, calls)
    }

    fn milliseconds(time: SystemTime) -> i64 {
        i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
    }

    fn url_of(token: &OAuthToken) -> String {
        String::from_utf8(BASE64URL_NOPAD.decode(token.token.as_bytes()).unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_expires_with_its_credentials_or_after_fifteen_minutes() {
        for (life, lifetime) in [(None, 900), (Some(3600), 900), (Some(60), 60)] {
            let (iam, _) = iam(life.map(Duration::from_secs), 0);
            iam.ready().await.unwrap();
            let token = iam.token().unwrap();
            let ends = clock() + Duration::from_secs(lifetime);
            assert_eq!(token.lifetime_ms, milliseconds(ends), "{life:?}");
            assert!(url_of(&token).contains("X-Amz-Credential=AKID0%2F"), "{}", url_of(&token));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_renewed_before_they_expire_and_tokens_follow() {
        let (iam, calls) = iam(Some(Duration::from_secs(1200)), 0);
        let watch = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(300)).await;
                let token = iam.token().expect("never without credentials");
                let left = token.lifetime_ms - milliseconds(clock());
                assert!(left >= 300_000, "{left}");
            }
        };
        tokio::select! {
            () = iam.keep_fresh() => unreachable!("it never ends"),
            () = watch => {}
        }
        // 6000 s in steps of 900, the first immediately.
        assert_eq!(calls.load(Ordering::Relaxed), 7);
        assert!(url_of(&iam.token().unwrap()).contains("X-Amz-Credential=AKID6%2F"));
    }

    #[tokio::test(start_paused = true)]
    async fn without_credentials_there_is_no_token_and_the_error_names_the_sink() {
        let (iam, _) = iam(None, 1);
        let error = iam.ready().await.unwrap_err();
        assert_eq!(error.code, Code::KafkaCredentials);
        assert!(
            error.text.contains("sink.lake") && error.text.contains("no such profile"),
            "{error}"
        );
        assert_eq!(iam.token().err().map(|error| error.code), Some(Code::KafkaCredentials));
        // The next load succeeds.
        iam.ready().await.unwrap();
        assert!(iam.token().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn expired_credentials_are_not_used() {
        let (iam, calls) = iam(Some(Duration::from_secs(60)), 0);
        iam.ready().await.unwrap();
        iam.ready().await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1, "loaded once");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(iam.token().is_err());
        iam.ready().await.unwrap();
        assert!(iam.token().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn loading_credentials_is_retried() {
        let (iam, calls) = iam(Some(Duration::from_secs(3600)), 5);
        let found = async {
            while iam.token().is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = iam.keep_fresh() => unreachable!("it never ends"),
            () = found => {}
        }
        assert_eq!(calls.load(Ordering::Relaxed), 6);
    }

    /// 2026-09-21T14:13:20Z.
    const NOW: Duration = Duration::from_secs(1_790_000_000);

    fn parameters(session: Option<&str>, region: &str) -> (Url, BTreeMap<String, String>) {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            None,
            "test",
        );
        let token = sign_token(&credentials, region, SystemTime::UNIX_EPOCH + NOW).unwrap();
        let text = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).unwrap()).unwrap();
        let url = Url::parse(&text).unwrap();
        let pairs = url.query_pairs().into_owned().collect();
        (url, pairs)
    }

    /// The signatures were made by botocore's `SigV4QueryAuth`, as AWS's own signer in Python uses
    /// it.
    #[test]
    fn a_token_is_signed_as_botocore_signs_it() {
        for (session, region, signature) in [
            (None, "us-east-1", "44cc1f37dc56be32c2725e80bf17241c446a5c9ae3170ed47f4e51581554fe7b"),
            (
                Some("session+token/with=="),
                "eu-west-1",
                "a0a8d5534dc3622c57b7fd09563ca7d2c57f4fd618d404195076d75ac7a9c8d1",
            ),
        ] {
            let (url, pairs) = parameters(session, region);
            assert_eq!(url.host_str(), Some(format!("kafka.{region}.amazonaws.com").as_str()));
            assert_eq!(url.path(), "/");
            let scope =
                format!("AKIAIOSFODNN7EXAMPLE/20260921/{region}/kafka-cluster/aws4_request");
            let expected = [
                ("Action", Some("kafka-cluster:Connect")),
                ("X-Amz-Algorithm", Some("AWS4-HMAC-SHA256")),
                ("X-Amz-Credential", Some(scope.as_str())),
                ("X-Amz-Date", Some("20260921T141320Z")),
                ("X-Amz-Expires", Some("900")),
                ("X-Amz-SignedHeaders", Some("host")),
                ("X-Amz-Security-Token", session),
                ("X-Amz-Signature", Some(signature)),
                ("User-Agent", Some(USER_AGENT)),
            ];
            for (name, value) in expected {
                assert_eq!(pairs.get(name).map(String::as_str), value, "{name}");
            }
            assert_eq!(pairs.len(), expected.iter().filter(|(_, value)| value.is_some()).count());
        }
    }
}
