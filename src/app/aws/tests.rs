//! Roles are assumed once per role and region, at STS of that region, with the external id.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::error::Code;

const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:certrelay</AssumedRoleId>\
    <Arn>arn:aws:sts::444455556666:assumed-role/reader/certrelay</Arn></AssumedRoleUser>\
    <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>example</SecretAccessKey>\
    <SessionToken>example</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>";

/// STS on loopback: answers every request alike and remembers them.
async fn sts() -> (String, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) {
                match socket.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n{ANSWER}",
                ANSWER.len()
            );
            socket.write_all(answer.as_bytes()).await.expect("write");
        }
    });
    (endpoint, requests, task)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()) == Some(body.len())
}

async fn base(endpoint: &str) -> SdkConfig {
    let own = Credentials::new("AKIAEXAMPLE", "example", None, None, "test");
    let loader = aws_config::from_env().region(Region::new("us-east-1")).credentials_provider(own);
    loader.endpoint_url(endpoint).load().await
}

#[tokio::test]
async fn a_role_is_assumed_in_its_region_and_shared() {
    let (endpoint, requests, _task) = sts().await;
    let mut all = Configurations::new(Some(base(&endpoint).await));
    let role = Role {
        arn: "arn:aws:iam::444455556666:role/reader".to_owned(),
        external_id: Some("from-the-other-side".to_owned()),
    };
    let settings = Aws::default();
    let config = all.of(Some(&role), "eu-west-1", &settings).await.expect("made");
    assert!(requests.lock().unwrap().is_empty(), "nothing is asked before the first use");
    let keys = config.credentials_provider().expect("a provider").provide_credentials().await;
    assert_eq!(keys.expect("assumed").access_key_id(), "ASIAEXAMPLE");
    let request = requests.lock().unwrap()[0].clone();
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Freader",
        "RoleSessionName=certrelay",
        "ExternalId=from-the-other-side",
        "/eu-west-1/sts/",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
    assert_eq!(config.region().map(Region::as_ref), Some("eu-west-1"));

    all.of(Some(&role), "eu-west-1", &settings).await.expect("made");
    all.of(Some(&role), "us-east-1", &settings).await.expect("made");
    all.of(None, "us-east-1", &settings).await.expect("made");
    assert_eq!(all.made.len(), 3, "one configuration a role and region");
}

#[test]
fn an_endpoint_of_our_own_contradicts_fips_and_dual_stack() {
    let settings = Aws { s3_endpoint: "https://s3.example.com".parse().ok(), ..Aws::default() };
    let plain = SdkConfig::builder().build();
    assert_eq!(refuse_contradictions(&plain, &settings), Ok(()));
    for config in [SdkConfig::builder().use_fips(true), SdkConfig::builder().use_dual_stack(true)] {
        let config = config.build();
        assert_eq!(refuse_contradictions(&config, &Aws::default()), Ok(()));
        let error = refuse_contradictions(&config, &settings).expect_err("refused");
        assert!(error.text.contains("s3_endpoint") && error.text.contains("AWS_USE_"), "{error}");
    }
}

#[test]
fn a_bundle_without_a_certificate_is_refused() {
    let error = trusting(aws_config::from_env(), b"not PEM".to_vec()).expect_err("refused");
    assert_eq!(error.code, Code::CaBundle);
}
