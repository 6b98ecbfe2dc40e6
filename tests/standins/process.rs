//! Child processes: none outlives the test, and their environment reaches loopback only.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::process::{ChildServer, clean_environment};
use crate::support::tier;

#[test]
fn a_server_ends_with_its_value_and_its_folder_is_removed() {
    std::fs::create_dir_all(tier::real_folder()).expect("target can be written");
    let work = tempfile::tempdir().expect("a temporary folder").keep();
    let mut command = Command::new("sh");
    command.args(["-c", "echo process $$ >&2; exec sleep 600"]);
    let (mut server, lines) = ChildServer::start("process", &work, &command);
    let process = server.await_line(&lines, Duration::from_secs(30), |line| {
        line.strip_prefix("process ").map(|id| Path::new("/proc").join(id))
    });
    server.must_be_alive();
    assert!(process.exists() && work.exists());
    drop(server);
    assert!(!process.exists() && !work.exists());
}

#[tokio::test]
async fn a_clean_environment_has_the_stand_ins_and_nothing_of_this_machine() {
    let aws = AwsStandIns::start(AwsSettings::default()).await.expect("loopback is there");
    let mut child = Command::new("env");
    child.env("AWS_PROFILE", "production").env("HTTPS_PROXY", "http://proxy.example.com:3128");
    clean_environment(&mut child, Path::new("/nonexistent"));
    child.envs(aws.environment());
    let output = child.output().expect("env runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!text.contains("production") && !text.contains("proxy.example.com"), "{text}");
    assert!(text.contains(&format!("AWS_ENDPOINT_URL_SQS={}", aws.sqs_http.url())));
    let urls = text.lines().filter(|line| line.contains("_URL_"));
    assert!(urls.clone().count() == 2 && urls.into_iter().all(|url| url.contains("//127.0.0.1:")));
}
