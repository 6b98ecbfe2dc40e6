//! The commands of `docs/deployment.md` and `docs/operations.md` for AWS are followed, one after
//! another, by awscli at moto.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::{TEMPLATE, read, root};
use crate::support::real;

/// What `tests/real/guide.py` prints.
#[derive(Debug, Deserialize)]
struct Followed {
    printed: String,
    not_sent: Vec<String>,
    notified: Vec<(String, Value)>,
    overrides: Vec<Value>,
}

/// What is in a block that is not followed: it needs Docker, or ends what the rest is about.
const LEFT_OUT: [&str; 2] = ["docker build", "delete-stack"];

/// The blocks of a page that are for awscli.
fn commands(page: &str) -> Vec<String> {
    let page = read(page);
    let blocks = page.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks
        .filter(|block| block.contains("aws ") || block.contains("once '"))
        .filter(|block| !LEFT_OUT.iter().any(|word| block.contains(word)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_guides_lead_from_nothing_to_a_replay() {
    let Some(moto) = real::moto() else { return };
    let (install, operate) = (commands("docs/deployment.md"), commands("docs/operations.md"));
    assert!(install.len() >= 4 && operate.len() >= 4, "{install:#?} {operate:#?}");
    let script = [install, operate].concat().concat();
    let template = root().join(TEMPLATE);
    let flags = ["--template", template.to_str().expect("a path")];
    let printed = moto.python("guide.py", &flags, &script);
    let followed: Followed = serde_json::from_slice(&printed).expect("JSON");

    let [(queue, filter)] = followed.notified.as_slice() else { panic!("{followed:#?}") };
    assert!(queue.contains(":certrelay-Queue-"), "{queue}");
    assert!(filter.to_string().contains("AWSLogs/"), "{filter}");
    assert!(followed.printed.contains(queue), "{}", followed.printed);
    let (role, command) = told(&followed, "check");
    assert_eq!(role, None, "the service's own rights");
    assert_eq!(command.last().map(String::as_str), Some("--connect"));
    for name in ["replay", "backfill"] {
        let role = told(&followed, name).0.expect("a role");
        assert!(role.contains("OneOffTaskRole"), "{name} as {role}");
    }
    // Below what the role may list.
    assert!(told(&followed, "backfill").1.contains(&"s3://audit-logs/AWSLogs/".to_owned()));
    assert!(followed.not_sent.contains(&"StartMessageMoveTask".to_owned()), "{followed:#?}");
}

/// The role and the command of the single task that runs a subcommand; the command line is one that
/// certrelay understands.
fn told(followed: &Followed, name: &str) -> (Option<String>, Vec<String>) {
    let command = |task: &Value| -> Vec<String> {
        let words = task["containerOverrides"][0]["command"].as_array().expect("a command");
        words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let task = followed.overrides.iter().find(|task| command(task)[0] == name);
    let task = task.unwrap_or_else(|| panic!("no {name} in {followed:#?}"));
    assert_eq!(task["containerOverrides"][0]["name"], "certrelay");
    let command = command(task);
    assert_eq!(command[1..3], ["-c", "env:CERTRELAY_CONFIG"]);
    let mut program = Command::new(env!("CARGO_BIN_EXE_certrelay"));
    let output = program.args(&command).env_remove("CERTRELAY_CONFIG").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("CERTRELAY_CONFIG") && !said.contains("Usage"), "{command:?}: {said}");
    (task["taskRoleArn"].as_str().map(str::to_owned), command)
}
