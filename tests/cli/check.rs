//! `check`: every mistake in one run, and what `--connect` asks.

use std::fs;
use std::path::Path;

use super::{certrelay, run, stderr};
use crate::support::world::{Plan, World};

const ROUTED: &str = "[[route]]\nname = \"all\"\nsinks = [\"out\"]\n";

/// What a command says of this configuration, with its exit code.
fn said(command: &str, folder: &Path, config: &str) -> (Option<i32>, String) {
    let path = folder.join("certrelay.toml");
    fs::write(&path, config).expect("the configuration");
    let output = run(&[command, "-c", path.to_str().expect("text")]);
    (output.status.code(), stderr(&output))
}

#[test]
fn values_options_of_the_client_and_the_table_of_accounts_are_checked_in_one_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("accounts.csv");
    fs::write(&table, "id,name\n12,shop\n").expect("the table");
    let config = format!(
        "{ROUTED}[[source]]\ndirectory = \"logs\"\n[delivery]\nmax_concurrent_messages = 0\n[accounts]\nfile = \"accounts.csv\"\n\
         [sink.out]\ntype = \"kafka\"\nbrokers = [\"broker.example.com:9094\"]\ntopic = \"all\"\n[sink.out.options]\n\
         \"linger.ms\" = \"soon\"\n\"compression.type\" = \"zip\"\n\"batch.size\" = 100000\n"
    );
    for command in ["check", "run"] {
        let (code, said) = said(command, folder.path(), &config);
        assert_eq!(code, Some(64), "{said}");
        for error in [
            "certrelay.toml:7:27: error: `max_concurrent_messages`",
            "certrelay.toml:15:15: error: option linger.ms",
            "certrelay.toml:16:22: error: option compression.type",
            "accounts.csv:2:1: error: `id`",
            "certrelay.toml: 4 errors",
        ] {
            assert!(said.contains(error), "no {error:?} in {said}");
        }
        assert!(!said.contains("no mistakes") && !said.contains("soon"), "{said}");
    }
    fs::remove_file(table).expect("it is there");
    let (code, said) = said("check", folder.path(), &config);
    assert!(code == Some(64) && said.contains("accounts.csv: error: [accounts] cannot"), "{said}");
}

#[test]
fn options_that_contradict_each_other_are_a_mistake_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "{ROUTED}[[source]]\ndirectory = \"logs\"\n[sink.out]\ntype = \"kafka\"\n\
         brokers = [\"broker.example.com:9094\"]\ntopic = \"all\"\noptions = {{ \"max.in.flight\" = 100 }}\n"
    );
    let checked = said("check", folder.path(), &config);
    assert!(checked.0 == Some(64) && checked.1.contains("max.in.flight"), "{checked:?}");
    assert_eq!(said("run", folder.path(), &config), checked);
}

#[test]
fn files_of_secrets_that_are_not_here_are_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "{ROUTED}[[source]]\ndirectory = \"logs\"\n[sink.out]\ntype = \"splunk_hec\"\n\
         endpoints = [\"https://hec.example.com:8088\"]\ntoken = {{ file = \"token\" }}\n\
         tls = {{ ca_file = \"ca.pem\" }}\n"
    );
    let (code, warned) = said("check", folder.path(), &config);
    assert_eq!(code, Some(0), "{warned}");
    for (setting, file) in [("token", "token"), ("tls.ca_file", "ca.pem")] {
        let place = folder.path().join(file);
        let warning = format!("warning: sink.out.{setting}: {} cannot be read", place.display());
        assert!(warned.contains(&warning), "no {warning:?} in {warned}");
        fs::write(place, "x").expect("written");
    }
    let (_, silent) = said("check", folder.path(), &config);
    assert!(!silent.contains("warning: "), "{silent}");
}

#[test]
fn connect_finds_out_what_would_keep_a_file_and_a_folder_of_letters_from_being_written() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    fs::write(folder.path().join("file"), "").expect("a file");
    let path = folder.path().join("certrelay.toml");
    let check = |file: &str, letters: &str| {
        let config = format!(
            "{ROUTED}[[source]]\ndirectory = \"logs\"\n[sink.out]\ntype = \"file\"\npath = \"{file}\"\n\
             [dead_letter]\ndirectory = \"{letters}\"\n"
        );
        fs::write(&path, config).expect("the configuration");
        let output = run(&["check", "--connect", "-c", path.to_str().expect("text")]);
        (output.status.code(), stderr(&output))
    };
    let (code, said) = check("new.ndjson", "letters/prod");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("sink out: answers") && said.contains("/letters/prod: answers"),
        "{said}"
    );
    assert!(!folder.path().join("new.ndjson").exists(), "it changes nothing");
    for file in ["nowhere/out.ndjson", "logs"] {
        let (code, said) = check(file, "letters");
        assert!(code == Some(1) && said.contains("sink out: sink.out.path: cannot open"), "{said}");
    }
    let (code, said) = check("new.ndjson", "file/letters");
    assert!(code == Some(1) && said.contains("/file is no folder"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_asks_for_the_buckets_that_are_read_and_the_one_of_letters() {
    let world = World::start(Plan::default()).await.expect("the stand-ins");
    world.s3.create_bucket("letters");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let check = async |buckets: &str, letters: &str| {
        let config = format!(
            "{ROUTED}[[source]]\nqueue_url = {:?}\nregion = \"us-east-1\"\nbuckets = [{buckets}]\n\
             [sink.out]\ntype = \"stdout\"\n[dead_letter]\n{letters}\n",
            world.queue_url()
        );
        fs::write(&path, config).expect("the configuration");
        let mut command = certrelay();
        command.args(["check", "--connect", "-c"]).arg(&path).envs(world.environment());
        let output = tokio::task::block_in_place(|| command.output().expect("certrelay runs"));
        (output.status.code(), stderr(&output))
    };
    let (code, said) = check("\"audit-logs\"", "s3 = \"s3://letters/prod/\"").await;
    assert_eq!(code, Some(0), "{said}");
    for place in ["bucket audit-logs: answers", "dead letters s3://letters/prod/: answers"] {
        assert!(said.contains(place), "no {place:?} in {said}");
    }
    let (code, said) = check("\"audit-logs\", \"audit-log\"", "redrive = true").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("bucket audit-log: cannot list s3://audit-log/"), "{said}");
    let (code, said) = check("\"audit-logs\"", "s3 = \"s3://leters/\"").await;
    assert!(code == Some(1) && said.contains("dead letters s3://leters/: cannot list"), "{said}");

    let queue = world.sqs_http.queue_url("no-such-queue");
    let (code, said) = check("\"audit-logs\"", &format!("sqs = \"{queue}\"")).await;
    assert!(code == Some(1) && said.contains("(sqs_no_such_queue)"), "{said}");
    let queue = world.sqs_http.queue_url(&world.dead_letter_queue());
    let (code, said) = check("\"audit-logs\"", &format!("sqs = \"{queue}\"")).await;
    assert_eq!(code, Some(0), "{said}");
}
