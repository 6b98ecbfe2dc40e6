//! What `docs/splunk.md` says of `curl`, tried.

use std::process::Command;

use super::*;
use crate::support::process;

/// The commands of a page that run `curl`, one a line.
fn curls(page: &str) -> Vec<String> {
    let text = page.replace("\\\n", " ");
    text.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_commands_are_answered_as_the_guide_says() {
    let setup = Setup { ack: true, token: None, ..Setup::default() };
    let Some(collector) = block_in_place(|| Collector::start("collector-guide", setup)) else {
        return;
    };
    let page = tier::project().join("docs/splunk.md");
    let commands = curls(&std::fs::read_to_string(page).expect("the page"));
    let home = tempfile::tempdir().expect("a temporary folder");
    let answers: Vec<Value> = commands
        .iter()
        .map(|command| {
            let here = command.replace("https://hec.example.com:8088", &collector.url());
            assert_ne!(&here, command, "another collector");
            let mut shell = Command::new("sh");
            process::clean_environment(&mut shell, home.path());
            shell.args(["-c", &here]).env("HEC_TOKEN", TOKEN);
            let output = block_in_place(|| shell.output()).expect("sh runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command}: {errors}");
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{command}: {e}"))
        })
        .collect();
    let codes: Vec<Option<i64>> = answers.iter().map(|answer| answer["code"].as_i64()).collect();
    assert_eq!(codes, [Some(17), Some(5), Some(0), None], "{answers:?}");
    assert!(answers[2]["ackId"].is_u64(), "{answers:?}");
    assert!(answers[3]["acks"].is_object(), "{answers:?}");
    assert_eq!(collector.exported().len(), 1, "the marked event");
}
