//! A configuration in S3, at moto, as the program fetches it.

use std::process::{Output, Stdio};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;

use super::{certrelay, stderr};
use crate::service::Service;
use crate::support::real::{self, Moto};

/// In a comment: no part of it may be printed.
const CANARY: &str = "cAnArY-cAnArY";

fn valid() -> String {
    format!(
        "# {CANARY}\n[[source]]\ndirectory = \"/srv/logs\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
         [sink.screen]\ntype = \"stdout\"\n[dead_letter]\ndirectory = \"/srv/letters\"\n"
    )
}

/// Runs `check -c LOCATION` with AWS at `url`.
fn check(url: &str, location: &str) -> Output {
    let mut command = certrelay();
    command.args(["check", "-c", location]).env("AWS_ENDPOINT_URL", url);
    command.env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.stdin(Stdio::null()).output().expect("certrelay runs")
}

fn assert_fails(output: &Output, parts: &[&str]) {
    let printed = stderr(output);
    assert_eq!(output.status.code(), Some(64), "{printed}");
    for part in parts {
        assert!(printed.contains(part), "no {part:?} in {printed}");
    }
    assert!(!printed.contains("cAnA"), "{printed}");
}

async fn put_object(moto: &Moto, key: &str, text: &str) {
    let config = Builder::from(&Service::aws()).endpoint_url(&moto.url).force_path_style(true);
    let client = Client::from_conf(config.build());
    // The first test creates it.
    let _ = client.create_bucket().bucket("configs").send().await;
    let body = text.as_bytes().to_vec().into();
    client.put_object().bucket("configs").key(key).body(body).send().await.expect("put");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_is_read_from_s3() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    put_object(moto, "prod/certrelay.toml", &valid()).await;
    let location = "s3://configs/prod/certrelay.toml";
    let output = tokio::task::block_in_place(|| check(&moto.url, location));
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains(&format!("{location}: no errors")), "{printed}");
    assert!(printed.contains("source directory /srv/logs"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_a_fetched_configuration_name_its_location_and_no_secret() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    put_object(moto, "relative.toml", &valid().replace("/srv/logs", "logs")).await;
    put_object(moto, "long.toml", &"#".repeat((1 << 20) + 1)).await;
    for (location, parts) in [
        (
            "s3://configs/relative.toml",
            &["s3://configs/relative.toml:3:", "write an absolute path"][..],
        ),
        ("s3://configs/long.toml", &["s3://configs/long.toml is longer than 1 MiB"]),
    ] {
        assert_fails(&tokio::task::block_in_place(|| check(&moto.url, location)), parts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_configuration_is_reported_with_aws_s_code_and_request_id() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    put_object(moto, "any.toml", "").await;
    let output = tokio::task::block_in_place(|| check(&moto.url, "s3://configs/absent.toml"));
    assert_fails(&output, &["s3://configs/absent.toml", "NoSuchKey", "request id"]);
}

#[test]
fn a_location_without_a_key_is_an_error() {
    assert_fails(
        &check("http://127.0.0.1:1", "s3://bucket"),
        &["s3://bucket: error: write a bucket and a key"],
    );
}
