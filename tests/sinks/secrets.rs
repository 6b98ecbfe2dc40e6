//! Secrets in AWS Secrets Manager, against moto: read, rotated, and the previous version used.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use certrelay::app;
use certrelay::config::Config;
use certrelay::error::{Code, Error, Outcome};
use secrecy::ExposeSecret as _;

use super::broker::{ids, shared};
use super::running::{event, parsed, start};
use crate::service::Service;
use crate::support::hec::{HecStandIn, Options, Token};
use crate::support::{real, tier};

/// A Splunk sink with its token in moto.
fn config(moto: &str, hec: &str, secret: &str) -> Config {
    let text = format!(
        r#"
        [[source]]
        directory = "examples"
        [[route]]
        name = "all"
        sinks = ["soc"]
        [sink.soc]
        type = "splunk_hec"
        endpoints = ["{hec}"]
        token = {{ aws_secret = "{secret}", key = "token" }}
        [aws]
        secretsmanager_endpoint = "{moto}"
        "#
    );
    parsed(&text)
}

fn token(config: &Config) -> String {
    let secrets = config.sinks[0].secrets();
    secrets[0].1.read().expect("it was read").expose_secret().to_owned()
}

async fn connect(config: &Config) -> Result<(), Error> {
    let mut results = app::secrets(config, Some(Service::aws())).await.expect("a client");
    assert_eq!(results.len(), 1);
    results.remove(0).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_in_secrets_manager_is_followed() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let client = Builder::from(&Service::aws()).endpoint_url(&moto.url).build();
    let client = Client::from_conf(client);
    let text = |token: &str| format!(r#"{{"token":"{token}"}}"#);
    let made = client.create_secret().name("rotated").secret_string(text("one")).send().await;
    let made = made.expect("a secret");
    let arn = made.arn().expect("its ARN");
    let options = Options { tokens: vec![Token::new("one")], ..Options::default() };
    let hec = HecStandIn::start(options).await.expect("the stand-in");

    // By its ARN, and by its name.
    let config_by_arn = config(&moto.url, &hec.url(), arn);
    for config in [&config_by_arn, &config(&moto.url, &hec.url(), "rotated")] {
        assert_eq!(connect(config).await, Ok(()));
        assert_eq!(token(config), "one");
    }
    // Rotated: the value is used until it is rejected.
    let put = client.put_secret_value().secret_id(arn).secret_string(text("two"));
    put.send().await.expect("rotated");
    let secrets = config_by_arn.sinks[0].secrets();
    secrets[0].1.renew().await.expect("nothing to do");
    assert_eq!(token(&config_by_arn), "one");
    secrets[0].1.reject();
    secrets[0].1.renew().await.expect("read again");
    assert_eq!(token(&config_by_arn), "two");

    // A task that starts now reads the new token, and Splunk accepts only the old one.
    let config = config(&moto.url, &hec.url(), arn);
    assert_eq!(connect(&config).await, Ok(()));
    assert_eq!(token(&config), "two");
    let running = start(&config, None);
    assert_eq!(running.sink.deliver(vec![event("a", 0)]).await, [Outcome::Delivered]);
    assert_eq!(token(&config), "one", "the previous version");
    // Splunk accepts the new one.
    hec.change(|options| options.tokens = vec![Token::new("two")]);
    assert_eq!(running.sink.deliver(vec![event("b", 0)]).await, [Outcome::Delivered]);
    assert_eq!(token(&config), "two");
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_is_named_with_the_error_of_aws() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let error = connect(&config(&moto.url, "http://127.0.0.1:1", "no-such-secret")).await;
    let error = error.expect_err("rejected");
    assert_eq!(error.code, Code::SecretUnreadable);
    for part in ["no-such-secret", "ResourceNotFoundException", "request id"] {
        assert!(error.text.contains(part), "{part} in {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_and_its_key_come_from_secrets_manager() {
    let (Some(moto), Some(broker)) = tokio::task::block_in_place(|| (real::moto(), shared()))
    else {
        return;
    };
    broker.create_topic("certificate-in-aws", 1, &[]).await;
    let pem = |name: &str| {
        std::fs::read_to_string(tier::project().join("tests/support/tls").join(name)).expect("PEM")
    };
    let text = serde_json::json!({
        "ca": pem("ca.pem"), "cert": pem("client.pem"), "key": pem("client.key"),
    });
    let client = Builder::from(&Service::aws()).endpoint_url(&moto.url).build();
    let made =
        Client::from_conf(client).create_secret().name("tls").secret_string(text.to_string());
    let made = made.send().await.expect("a secret");
    let arn = made.arn().expect("its ARN");
    let part = |key: &str| format!("{{ aws_secret = \"{arn}\", key = \"{key}\" }}");
    let text = format!(
        r#"
        [[source]]
        directory = "examples"
        [[route]]
        name = "all"
        sinks = ["lake"]
        [sink.lake]
        type = "kafka"
        brokers = ["{}"]
        topic = "certificate-in-aws"
        key = "event_id"
        tls = {{ ca = {}, client_cert = {}, client_key = {} }}
        [aws]
        secretsmanager_endpoint = "{}"
        "#,
        broker.mutual,
        part("ca"),
        part("cert"),
        part("key"),
        moto.url
    );
    let config = parsed(&text);
    let results = app::secrets(&config, Some(Service::aws())).await.expect("a client");
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(|(_, result)| result.is_ok()), "{results:?}");
    let running = start(&config, None);
    assert_eq!(running.sink.deliver(vec![event("a", 0)]).await, [Outcome::Delivered]);
    running.finish().await;
    assert_eq!(ids(&broker.consume("certificate-in-aws", 1)), ["a"]);
}
