//! A configuration that lies in S3 or in Parameter Store, at moto, as the program fetches it.

use std::process::{Output, Stdio};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;

use super::{certrelay, stderr};
use crate::service::Service;
use crate::support::real::{self, Moto};

/// In a comment: no part of it may be shown.
const CANARY: &str = "cAnArY-cAnArY";

fn sound() -> String {
    format!(
        "# {CANARY}\n[[source]]\ndirectory = \"/srv/logs\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
         [sink.screen]\ntype = \"stdout\"\n[dead_letter]\ndirectory = \"/srv/letters\"\n"
    )
}

/// `check -c PLACE` where AWS is moto, or whatever answers at `url`.
fn check(url: &str, place: &str) -> Output {
    let mut command = certrelay();
    command.args(["check", "-c", place]).env("AWS_ENDPOINT_URL", url);
    command.env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.stdin(Stdio::null()).output().expect("certrelay runs")
}

fn assert_refused(output: &Output, parts: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains("cAnA"), "{said}");
}

async fn put_object(moto: &Moto, key: &str, text: &str) {
    let config = Builder::from(&Service::aws()).endpoint_url(&moto.url).force_path_style(true);
    let client = Client::from_conf(config.build());
    // Made by whoever comes first.
    let _ = client.create_bucket().bucket("configs").send().await;
    let body = text.as_bytes().to_vec().into();
    client.put_object().bucket("configs").key(key).body(body).send().await.expect("put");
}

/// moto tells services apart by the scope of a signature, and does not check it.
async fn put_parameter(moto: &Moto, name: &str, text: &str) {
    let body = serde_json::json!({"Name": name, "Value": text, "Type": "SecureString"});
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ssm/aws4_request, \
                 SignedHeaders=host, Signature=0";
    let request = reqwest::Client::new()
        .post(&moto.url)
        .header("x-amz-target", "AmazonSSM.PutParameter")
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", scope)
        .body(body.to_string());
    let response = request.send().await.expect("moto answers");
    assert!(response.status().is_success(), "{response:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_in_s3_or_parameter_store_is_one_like_any_other() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    put_object(moto, "prod/certrelay.toml", &sound()).await;
    put_parameter(moto, "/certrelay/config", &sound()).await;
    let arn = "ssm:arn:aws:ssm:us-east-1:123456789012:parameter/certrelay/config";
    for place in ["s3://configs/prod/certrelay.toml", "ssm:/certrelay/config", arn] {
        let output = tokio::task::block_in_place(|| check(&moto.url, place));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{place}: {said}");
        assert!(said.contains(&format!("{place}: no mistakes")), "{said}");
        assert!(said.contains("source directory /srv/logs"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_of_a_fetched_configuration_are_shown_at_its_place_and_its_secrets_are_not() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let relative = sound().replace("/srv/logs", "logs");
    put_object(moto, "relative.toml", &relative).await;
    put_parameter(moto, "/relative", &relative).await;
    put_parameter(moto, "/password", CANARY).await;
    put_object(moto, "long.toml", &"#".repeat((1 << 20) + 1)).await;
    for (place, parts) in [
        (
            "s3://configs/relative.toml",
            &["s3://configs/relative.toml:3:", "write an absolute path"][..],
        ),
        ("ssm:/relative", &["ssm:/relative:3:", "write an absolute path"]),
        ("ssm:/password", &["ssm:/password:1:", "not TOML"]),
        ("s3://configs/long.toml", &["s3://configs/long.toml is longer than 1 MiB"]),
    ] {
        assert_refused(&tokio::task::block_in_place(|| check(&moto.url, place)), parts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_named_with_aws_s_code_and_request_id() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    put_object(moto, "any.toml", "").await;
    for (place, parts) in [
        ("s3://configs/absent.toml", &["s3://configs/absent.toml", "NoSuchKey", "request id"][..]),
        ("ssm:/absent", &["parameter /absent", "ParameterNotFound", "request id", "AWS_REGION"]),
    ] {
        assert_refused(&tokio::task::block_in_place(|| check(&moto.url, place)), parts);
    }
}

/// Variables of the environment, with their values.
type Variables<'v> = &'v [(&'v str, &'v str)];

/// The endpoint that `check` asks for a parameter under these variables and this configuration of AWS. Nobody answers.
fn asked(variables: Variables<'_>, configuration: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    std::fs::write(&file, configuration).expect("the folder is ours");
    let mut command = certrelay();
    command.args(["check", "-c", "ssm:/x"]).env("AWS_CONFIG_FILE", file);
    command.env("AWS_REGION", "us-east-1").env("HTTPS_PROXY", "http://127.0.0.1:1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output();
    let output = output.expect("certrelay runs");
    assert_refused(&output, &["cannot get parameter /x from http"]);
    let said = stderr(&output);
    said.split_once(" from ")
        .expect("an endpoint")
        .1
        .split_once(": ")
        .expect("a cause")
        .0
        .to_owned()
}

#[test]
fn parameters_are_asked_for_where_the_environment_says_or_else_the_profile_for_them_or_else_for_all()
 {
    let of_ssm = ("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1");
    let of_all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:2");
    let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let everywhere = "[default]\nendpoint_url = http://127.0.0.1:4\n";
    let both = format!(
        "{everywhere}services = here\n[services here]\nssm =\n  endpoint_url = http://127.0.0.1:3\n\
         s3 =\n  endpoint_url = http://127.0.0.1:5\n"
    );
    let aws = "https://ssm.us-east-1.amazonaws.com/";
    let cases: [(Variables, &str, &str); 8] = [
        (&[of_ssm, of_all], &both, "http://127.0.0.1:1/"),
        (&[of_all], &both, "http://127.0.0.1:2/"),
        (&[], &both, "http://127.0.0.1:3/"),
        (&[], everywhere, "http://127.0.0.1:4/"),
        (&[("AWS_ENDPOINT_URL_SSM", "")], everywhere, "http://127.0.0.1:4/"),
        (&[], "", aws),
        (&[of_ssm, of_all, ignore], &both, aws),
        (&[], &both.replacen('\n', "\nignore_configured_endpoint_urls = true\n", 1), aws),
    ];
    std::thread::scope(|scope| {
        let asked = cases.map(|(variables, configuration, expected)| {
            (scope.spawn(move || asked(variables, configuration)), variables, expected)
        });
        for (asked, variables, expected) in asked {
            assert_eq!(asked.join().expect("asked"), expected, "{variables:?}");
        }
    });
}

#[test]
fn places_that_name_nothing_and_servers_that_do_not_answer_are_said_so() {
    let nobody = "http://127.0.0.1:1";
    assert_refused(
        &check(nobody, "s3://bucket"),
        &["s3://bucket: error: write a bucket and a key"],
    );
    assert_refused(&check(nobody, "ssm:/a b"), &["write a parameter's name"]);
    assert_refused(
        &check(nobody, "ssm:/x"),
        &["cannot get parameter /x from http://127.0.0.1:1/", "no answer"],
    );
}
