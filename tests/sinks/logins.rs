//! Every kind of authentication and TLS, valid and invalid, with Apache Kafka; Amazon MSK's with a
//! broker that checks signed URLs as MSK does.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use certrelay::error::{Code, Error, Outcome};

use super::broker::{PASSWORD, ids, shared};
use super::running::{Running, all_ids, event, events, probe, run, run_with};
use crate::support::{tier, wait};

const CA: &str = r#"tls = { ca_file = "tests/support/tls/ca.pem" }"#;

fn lines(broker: &str, topic: &str, login: &str) -> String {
    format!(
        r#"brokers = ["{broker}"]
        topic = "{topic}"
        key = "event_id"
        format = "raw"
        {login}"#
    )
}

fn auth(mechanism: &str, username: &str, password: &str) -> String {
    format!(
        r#"auth = {{ mechanism = "{mechanism}", username = "{username}", password = "{password}" }}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_valid_login_writes() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("right", 1, &[]).await;
    let secured =
        |mechanism| (&broker.secured, format!("{}\n{CA}", auth(mechanism, "relay", PASSWORD)));
    let certificate = r#"tls = { ca_file = "tests/support/tls/ca.pem", cert_file = "tests/support/tls/client.pem", key_file = "tests/support/tls/client.key" }"#;
    let unverified = format!("{}\ntls = {{ insecure = true }}", auth("PLAIN", "relay", PASSWORD));
    let cases = [
        secured("PLAIN"),
        secured("SCRAM-SHA-256"),
        secured("SCRAM-SHA-512"),
        (&broker.mutual, certificate.to_owned()),
        (&broker.secured, unverified),
    ];
    let tries = cases.iter().enumerate().map(|(n, (address, login))| async move {
        assert_eq!(probe(&lines(address, "right", login), None).await, Ok(()), "{login}");
        let running = run(&lines(address, "right", login));
        let outcomes = running.sink.deliver(vec![event(&format!("event-{n:03}"), 10)]).await;
        running.finish().await;
        (login, outcomes)
    });
    for (login, outcomes) in futures_util::future::join_all(tries).await {
        assert_eq!(outcomes, [Outcome::Delivered], "{login}");
    }
    assert_eq!(ids(&broker.consume("right", cases.len())), all_ids(cases.len()));
}

/// Returns the failure of a sink with one of these codes, and stops it.
async fn failure_of(running: Running, codes: &[Code]) -> Error {
    let failure = wait::until("the reason", async || {
        let error = running.failure().await;
        codes.contains(&error.code).then_some(error)
    });
    // The call is dropped after the failure: nothing was written.
    let error = tokio::select! {
        error = failure => error,
        outcomes = running.sink.deliver(events(1)) => panic!("{outcomes:?}"),
    };
    running.finish().await;
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_login_or_certificate_is_named_and_nothing_is_written() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("wrong", 1, &[]).await;
    let (login, tls) = (&[Code::KafkaAuth][..], &[Code::KafkaTls][..]);
    let secured = |mechanism, username| {
        (&broker.secured, format!("{}\n{CA}", auth(mechanism, username, "canary-word")), login)
    };
    let wrong_ca = r#"tls = { ca_file = "tests/support/tls/client.pem" }"#;
    let cases = [
        secured("PLAIN", "relay"),
        secured("SCRAM-SHA-256", "relay"),
        secured("SCRAM-SHA-512", "nobody"),
        (&broker.secured, format!("{}\n{wrong_ca}", auth("PLAIN", "relay", PASSWORD)), tls),
        // A broker requires a client certificate only after the handshake.
        (&broker.mutual, CA.to_owned(), tls),
    ];
    let tries = cases.iter().map(|(address, login, codes)| async move {
        let error = failure_of(run(&lines(address, "wrong", login)), codes).await;
        assert!(!error.text.contains("canary-word"), "{error}");
    });
    futures_util::future::join_all(tries).await;
    assert!(broker.consume("wrong", 0).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_fixed_in_its_file_is_used_without_a_restart() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong").expect("written");
    broker.create_topic("fixed", 1, &[]).await;
    let path = password.display();
    let login = format!(
        r#"auth = {{ mechanism = "SCRAM-SHA-512", username = "relay", password = {{ file = "{path}" }} }}"#
    );
    let running = run(&lines(&broker.secured, "fixed", &format!("{login}\n{CA}")));
    let fix = async {
        let error = running.failure().await;
        std::fs::write(&password, PASSWORD).expect("written");
        error
    };
    let (outcomes, error) = running.deliver_while(events(3), fix).await;
    assert_eq!((outcomes, error.code), (vec![Outcome::Delivered; 3], Code::KafkaAuth), "{error}");
    assert!(!error.text.contains("wrong"), "{error}");
    assert_eq!(ids(&broker.consume("fixed", 3)), all_ids(3));
    running.finish().await;
}

/// Credentials as the broker's `SignedUrlLogin` knows them: each with another key, and valid for
/// `life`.
#[derive(Debug)]
struct Rotating {
    name: &'static str,
    life: Duration,
    is_valid: bool,
    issued: AtomicU64,
}

impl Rotating {
    fn provider(name: &'static str, life: Duration, is_valid: bool) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self { name, life, is_valid, issued: AtomicU64::new(0) })
    }
}

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let key = format!("AKID{}{}", self.name, self.issued.fetch_add(1, Ordering::Relaxed));
        let secret =
            if self.is_valid { format!("secret-of-{key}") } else { "canary-key".to_owned() };
        let ends = SystemTime::now() + self.life;
        let since = ends.duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let session = Some(format!("ends-{since}"));
        let credentials = Credentials::new(key, secret, session, Some(ends), "test");
        provider::future::ProvideCredentials::ready(Ok(credentials))
    }
}

const MSK: &str = r#"auth = { mechanism = "aws_msk_iam", region = "us-east-1" }"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_credentials_log_in_and_are_renewed_when_they_expire() {
    if tier::require("login").is_none() {
        return;
    }
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("msk", 1, &[]).await;
    let credentials = Rotating::provider("GOOD", Duration::from_secs(10), true);
    let settings = lines(&broker.secured, "msk", &format!("{MSK}\n{CA}"));
    let running = run_with(&settings, Some(credentials));
    // librdkafka has no token before it is polled: the probe at start-up must not time out.
    let another = Rotating::provider("PROBE", Duration::from_secs(600), true);
    assert_eq!(probe(&settings, Some(another)).await, Ok(()));
    // The broker ends a session with its credentials: further records need a new login.
    let mut sent = 0;
    wait::until("three pairs of keys at the broker", async || {
        let one = vec![event(&format!("event-{sent:03}"), 10)];
        sent += 1;
        assert_eq!(running.sink.deliver(one).await, [Outcome::Delivered]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let logins = broker.logins();
        let ours = logins.lines().filter(|line| line.starts_with("AKIDGOOD"));
        let keys: BTreeSet<&str> = ours.filter(|line| line.ends_with(" ok")).collect();
        (keys.len() >= 3).then_some(())
    })
    .await;
    assert_eq!(ids(&broker.consume("msk", sent)).len(), sent);
    assert!(!broker.logins().contains("AKIDGOOD0 wrong"), "{}", broker.logins());
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_idle_past_its_session_delivers_the_next_event_immediately() {
    if tier::require("login").is_none() {
        return;
    }
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("idle", 1, &[]).await;
    let credentials = Rotating::provider("IDLE", Duration::from_secs(10), true);
    let running =
        run_with(&lines(&broker.secured, "idle", &format!("{MSK}\n{CA}")), Some(credentials));
    assert_eq!(running.sink.deliver(vec![event("event-000", 10)]).await, [Outcome::Delivered]);
    let logins = || {
        let logins = broker.logins();
        let ours = logins.lines().filter(|line| line.starts_with("AKIDIDLE"));
        ours.map(str::to_owned).collect::<Vec<_>>()
    };
    // Nothing is sent. A session lasts no longer than its token, and a token no longer than its
    // credentials.
    wait::until("the logins of four pairs of keys", async || {
        let keys: BTreeSet<String> = logins().into_iter().collect();
        (keys.len() >= 4).then_some(())
    })
    .await;
    assert_eq!(running.sink.deliver(vec![event("event-001", 10)]).await, [Outcome::Delivered]);
    assert!(logins().iter().all(|line| line.ends_with(" ok")), "{:?}", logins());
    let metrics = running.metrics.encode();
    assert!(!metrics.contains("certrelay_sink_errors_total{"), "{metrics}");
    assert_eq!(running.producers(), 1, "the login was renewed, not the producer");
    assert_eq!(ids(&broker.consume("idle", 2)), all_ids(2));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_signature_needs_an_operator() {
    if tier::require("login").is_none() {
        return;
    }
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    broker.create_topic("forged", 1, &[]).await;
    let credentials = Rotating::provider("BAD", Duration::from_secs(600), false);
    let running =
        run_with(&lines(&broker.secured, "forged", &format!("{MSK}\n{CA}")), Some(credentials));
    let error = failure_of(running, &[Code::KafkaAuth]).await;
    assert!(!error.text.contains("canary-key"), "{error}");
    // The order of its keys does not matter.
    let logins = broker.logins();
    let mut ours = logins.lines().filter(|line| line.starts_with("AKIDBAD"));
    assert!(ours.any(|line| line.ends_with(" wrong signature")), "{logins}");
    assert!(broker.consume("forged", 0).is_empty());
}
