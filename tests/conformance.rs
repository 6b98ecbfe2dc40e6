//! The stand-ins are held to the services' behaviour: one boto3 script, run against moto and ours.
//!
//! They must agree but for `conformance/moto_differences.json`, where each difference is written with
//! both answers and the reason ours is nearer to AWS. A difference that is gone fails the test too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;

use crate::support::world::{Plan, World};
use crate::support::{leash, real, tier};

type Results = BTreeMap<String, Value>;

#[derive(Debug, Deserialize)]
struct Difference {
    check: String,
    member: Option<String>,
    ours: Value,
    moto: Value,
    error: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_ins_and_moto_agree_but_for_the_written_differences() {
    let (Some(venv), Some(moto)) = (tier::require("moto"), real::moto()) else { return };
    let world = World::start(Plan::default()).await.expect("loopback is there");
    let (ours, theirs) = tokio::join!(
        ask(&venv, world.sqs_http.url().to_owned(), world.s3.url()),
        ask(&venv, moto.url.clone(), moto.url.clone()),
    );
    assert!(ours.len() >= 20, "the script did carry out its checks");
    let failed = |value: &&Value| value.as_str().is_some_and(|text| text.starts_with("FAILED"));
    assert_eq!(ours.values().filter(failed).collect::<Vec<_>>(), Vec::<&Value>::new());
    let written: Vec<Difference> =
        serde_json::from_str(include_str!("conformance/moto_differences.json")).expect("JSON");
    assert_eq!(apply(&ours, &written, |difference| &difference.ours), ours, "written as ours");
    let expected = apply(&ours, &written, |difference| &difference.moto);
    for (check, answer) in &expected {
        assert_eq!(theirs.get(check), Some(answer), "{check}: moto (left) against ours (right)");
    }
    assert_eq!(theirs.len(), expected.len());
    assert!(written.iter().all(|difference| !difference.error.is_empty()));
}

/// `results` with the answers that the written differences name put in their places.
fn apply(
    results: &Results,
    differences: &[Difference],
    side: impl Fn(&Difference) -> &Value,
) -> Results {
    let mut changed = results.clone();
    for difference in differences {
        let answer = changed.get_mut(&difference.check).expect("a check of that name");
        let place = match &difference.member {
            Some(member) => answer.get_mut(member).expect("a member of that name"),
            None => answer,
        };
        *place = side(difference).clone();
    }
    changed
}

/// Runs the script against one pair of endpoints.
async fn ask(venv: &Path, sqs: String, s3: String) -> Results {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = std::process::Command::new(venv.join("bin/python"));
    leash::clean(&mut command, home.path());
    command.arg("-B").arg(tier::project().join("tests/conformance/sqs_s3.py"));
    command.args(["--sqs", &sqs, "--s3", &s3]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("not cancelled").expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sqs_s3.py failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
