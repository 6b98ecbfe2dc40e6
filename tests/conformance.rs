//! Compares the stand-ins with moto: one boto3 script, run against both.
//!
//! They must agree but for `conformance/moto_differences.json`, which has each difference with both
//! results and the reason why ours is nearer to AWS. A difference that no longer exists fails the
//! test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;

use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::{process, real, tier};

type Results = BTreeMap<String, Value>;

#[derive(Debug, Deserialize)]
struct Difference {
    check: String,
    member: Option<String>,
    ours: Value,
    moto: Value,
    reason: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_ins_and_moto_agree_but_for_the_listed_differences() {
    let (Some(venv), Some(moto)) = (tier::require("moto"), real::moto()) else { return };
    let aws = AwsStandIns::start(AwsSettings::default()).await.expect("loopback is there");
    let (ours, theirs) = tokio::join!(
        run(&venv, aws.sqs_http.url().to_owned(), aws.s3.url()),
        run(&venv, moto.url.clone(), moto.url.clone()),
    );
    assert!(ours.len() >= 20, "the script ran its checks");
    let failed = |value: &&Value| value.as_str().is_some_and(|text| text.starts_with("FAILED"));
    assert_eq!(ours.values().filter(failed).collect::<Vec<_>>(), Vec::<&Value>::new());
    let listed: Vec<Difference> =
        serde_json::from_str(include_str!("conformance/moto_differences.json")).expect("JSON");
    assert_eq!(apply(&ours, &listed, |difference| &difference.ours), ours, "listed as ours");
    let expected = apply(&ours, &listed, |difference| &difference.moto);
    for (check, result) in &expected {
        assert_eq!(theirs.get(check), Some(result), "{check}: moto (left) against ours (right)");
    }
    assert_eq!(theirs.len(), expected.len());
    assert!(listed.iter().all(|difference| !difference.reason.is_empty()));
}

/// Returns `results` with those of one side of the listed differences.
fn apply(
    results: &Results,
    differences: &[Difference],
    side: impl Fn(&Difference) -> &Value,
) -> Results {
    let mut changed = results.clone();
    for difference in differences {
        let result = changed.get_mut(&difference.check).expect("a check of that name");
        let value = match &difference.member {
            Some(member) => result.get_mut(member).expect("a member of that name"),
            None => result,
        };
        *value = side(difference).clone();
    }
    changed
}

/// Runs the script against one pair of endpoints.
async fn run(venv: &Path, sqs: String, s3: String) -> Results {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = std::process::Command::new(venv.join("bin/python"));
    process::clean_environment(&mut command, home.path());
    command.arg("-B").arg(tier::project().join("tests/conformance/sqs_s3.py"));
    command.args(["--sqs", &sqs, "--s3", &s3]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("not cancelled").expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sqs_s3.py failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
