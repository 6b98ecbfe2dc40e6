//! Credentials that end, and the tokens that must not outlive them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError};
use data_encoding::BASE64URL_NOPAD;
use tokio::time::Instant;

use super::*;
use crate::error::Code;

const START: Duration = Duration::from_secs(1_789_999_999);

/// The wall clock as far as the runtime's own, paused one has come since the test's first look at it.
fn clock() -> SystemTime {
    thread_local!(static FIRST: Instant = Instant::now());
    UNIX_EPOCH + START + FIRST.with(Instant::elapsed)
}

/// Gives credentials that end after `life`, another key each time; none in the first `refusals` calls.
#[derive(Debug)]
struct Fake {
    life: Option<Duration>,
    refusals: u64,
    calls: Arc<AtomicU64>,
}

impl ProvideCredentials for Fake {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        provider::future::ProvideCredentials::ready(if call < self.refusals {
            Err(CredentialsError::not_loaded("no such profile"))
        } else {
            let expiry = self.life.map(|life| clock() + life);
            Ok(Credentials::new(format!("AKID{call}"), "canary-key", None, expiry, "test"))
        })
    }
}

fn iam(life: Option<Duration>, refusals: u64) -> (Iam, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let fake = Fake { life, refusals, calls: calls.clone() };
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
async fn a_token_ends_with_its_credentials_or_after_fifteen_minutes() {
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
async fn credentials_are_renewed_before_they_end_and_tokens_follow() {
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
        () = iam.keep_fresh() => unreachable!("it goes on for ever"),
        () = watch => {}
    }
    // 6000 s in steps of 900: the first at once.
    assert_eq!(calls.load(Ordering::Relaxed), 7);
    assert!(url_of(&iam.token().unwrap()).contains("X-Amz-Credential=AKID6%2F"));
}

#[tokio::test(start_paused = true)]
async fn without_credentials_there_is_no_token_and_the_reason_names_the_sink() {
    let (iam, _) = iam(None, 1);
    let error = iam.ready().await.unwrap_err();
    assert_eq!(error.code, Code::KafkaCredentials);
    assert!(error.text.contains("sink.lake") && error.text.contains("no such profile"), "{error}");
    assert_eq!(iam.token().err().map(|error| error.code), Some(Code::KafkaCredentials));
    // The next try finds some.
    iam.ready().await.unwrap();
    assert!(iam.token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn credentials_that_have_ended_are_not_used() {
    let (iam, calls) = iam(Some(Duration::from_secs(60)), 0);
    iam.ready().await.unwrap();
    iam.ready().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1, "asked for once");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(iam.token().is_err());
    iam.ready().await.unwrap();
    assert!(iam.token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_credentials_is_outlived() {
    let (iam, calls) = iam(Some(Duration::from_secs(3600)), 5);
    let found = async {
        while iam.token().is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = iam.keep_fresh() => unreachable!("it goes on for ever"),
        () = found => {}
    }
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}
