//! `check`: all errors in one run, and what `--connect` checks.

use std::fs;
use std::path::Path;

use super::{certrelay, run, stderr};
use crate::support::aws::{AwsSettings, AwsStandIns};

const ROUTED: &str = "[[route]]\nname = \"all\"\nsinks = [\"out\"]\n";

/// Runs a command with this configuration; returns its exit code and what it prints.
fn run_with(command: &str, folder: &Path, config: &str) -> (Option<i32>, String) {
    let path = folder.join("certrelay.toml");
    fs::write(&path, config).expect("the configuration");
    let output = run(&[command, "-c", path.to_str().expect("text")]);
    (output.status.code(), stderr(&output))
}

#[test]
fn values_client_options_and_the_accounts_file_are_checked_in_one_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("accounts.csv");
    fs::write(&table, "id,name\n12,shop\n").expect("the table");
    let config = format!(
        "{ROUTED}[[source]]\ndirectory = \"logs\"\n[delivery]\nmax_concurrent_messages = 0\n[accounts]\nfile = \"accounts.csv\"\n\
         [sink.out]\ntype = \"kafka\"\nbrokers = [\"broker.example.com:9094\"]\ntopic = \"all\"\n[sink.out.options]\n\
         \"linger.ms\" = \"soon\"\n\"compression.type\" = \"zip\"\n\"batch.size\" = 100000\n"
    );
    for command in ["check", "run"] {
        let (code, printed) = run_with(command, folder.path(), &config);
        assert_eq!(code, Some(64), "{printed}");
        for error in [
            "certrelay.toml:7:27: error: `max_concurrent_messages`",
            "certrelay.toml:15:15: error: option linger.ms",
            "certrelay.toml:16:22: error: option compression.type",
            "accounts.csv:2:1: error: `id`",
            "certrelay.toml: 4 errors",
        ] {
            assert!(printed.contains(error), "no {error:?} in {printed}");
        }
        // Only what may be a secret is masked.
        assert!(printed.contains(r#"15 | "linger.ms" = "soon""#), "{printed}");
        assert!(
            !printed.contains("no errors") && !printed.contains("queue.buffering"),
            "{printed}"
        );
    }
    fs::remove_file(table).expect("it is there");
    let (code, printed) = run_with("check", folder.path(), &config);
    assert!(
        code == Some(64) && printed.contains("accounts.csv: error: [accounts] cannot"),
        "{printed}"
    );
}

#[test]
fn conflicting_options_are_an_error_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "{ROUTED}[[source]]\ndirectory = \"logs\"\n[sink.out]\ntype = \"kafka\"\n\
         brokers = [\"broker.example.com:9094\"]\ntopic = \"all\"\noptions = {{ \"max.in.flight\" = 100 }}\n"
    );
    let checked = run_with("check", folder.path(), &config);
    assert!(checked.0 == Some(64) && checked.1.contains("max.in.flight"), "{checked:?}");
    assert_eq!(run_with("run", folder.path(), &config), checked);
}

#[test]
fn secret_files_missing_on_this_machine_are_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "{ROUTED}[[source]]\ndirectory = \"logs\"\n[sink.out]\ntype = \"splunk_hec\"\n\
         endpoints = [\"https://hec.example.com:8088\"]\ntoken = {{ file = \"token\" }}\n\
         tls = {{ ca_file = \"ca.pem\" }}\n"
    );
    let (code, printed) = run_with("check", folder.path(), &config);
    assert_eq!(code, Some(0), "{printed}");
    for (setting, file) in [("token", "token"), ("tls.ca_file", "ca.pem")] {
        let path = folder.path().join(file);
        let warning = format!("warning: sink.out.{setting}: {} cannot be read", path.display());
        assert!(printed.contains(&warning), "no {warning:?} in {printed}");
        fs::write(path, "x").expect("written");
    }
    let (_, printed) = run_with("check", folder.path(), &config);
    assert!(!printed.contains("warning: "), "{printed}");
}

#[test]
fn connect_checks_that_a_file_sink_and_a_dead_letter_folder_can_be_written() {
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
    let (code, printed) = check("new.ndjson", "letters/prod");
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("sink out: ok") && printed.contains("/letters/prod: ok"), "{printed}");
    assert!(!folder.path().join("new.ndjson").exists(), "check creates no file");
    for file in ["nowhere/out.ndjson", "logs"] {
        let (code, printed) = check(file, "letters");
        assert!(
            code == Some(1) && printed.contains("sink out: sink.out.path: cannot open"),
            "{printed}"
        );
    }
    let (code, printed) = check("new.ndjson", "file/letters");
    assert!(code == Some(1) && printed.contains("/file is not a directory"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_checks_the_source_buckets_and_the_dead_letter_location() {
    let world = AwsStandIns::start(AwsSettings::default()).await.expect("the stand-ins");
    world.s3.create_bucket("letters");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let check = async |buckets: &str, dead_letter: &str| {
        let config = format!(
            "{ROUTED}[[source]]\nqueue_url = {:?}\nregion = \"us-east-1\"\nbuckets = [{buckets}]\n\
             [sink.out]\ntype = \"stdout\"\n[dead_letter]\n{dead_letter}\n",
            world.queue_url()
        );
        fs::write(&path, config).expect("the configuration");
        let mut command = certrelay();
        command.args(["check", "--connect", "-c"]).arg(&path).envs(world.environment());
        let output = tokio::task::block_in_place(|| command.output().expect("certrelay runs"));
        (output.status.code(), stderr(&output))
    };
    let (code, printed) = check("\"audit-logs\"", "s3 = \"s3://letters/prod/\"").await;
    assert_eq!(code, Some(0), "{printed}");
    for line in ["bucket audit-logs: ok", "dead letters s3://letters/prod/: ok"] {
        assert!(printed.contains(line), "no {line:?} in {printed}");
    }
    let (code, printed) = check("\"audit-logs\", \"audit-log\"", "redrive = true").await;
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("bucket audit-log: cannot list s3://audit-log/"), "{printed}");
    let (code, printed) = check("\"audit-logs\"", "s3 = \"s3://leters/\"").await;
    assert!(
        code == Some(1) && printed.contains("dead letters s3://leters/: cannot list"),
        "{printed}"
    );

    let queue = world.sqs_http.queue_url("no-such-queue");
    let (code, printed) = check("\"audit-logs\"", &format!("sqs = \"{queue}\"")).await;
    assert!(code == Some(1) && printed.contains("[sqs_no_such_queue]"), "{printed}");
    let queue = world.sqs_http.queue_url(&world.dead_letter_queue());
    let (code, printed) = check("\"audit-logs\"", &format!("sqs = \"{queue}\"")).await;
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn check_names_what_splunk_would_not_accept_in_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let text = "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"soc\"]\n\
                [sink.soc]\ntype = \"splunk_hec\"\nendpoints = [\"https://gw.example.com/splunk\"]\n\
                token = { file = \"token\" }\n";
    fs::write(&path, text).expect("written");
    for (token, fault) in [("\"cAnArY\"\n", "quotation marks"), ("Splunk cAnArY", "\"Splunk \"")] {
        fs::write(folder.path().join("token"), token).expect("written");
        let output = run(&["check", "-c", path.to_str().expect("text")]);
        let printed = stderr(&output);
        assert!(output.status.success(), "{printed}");
        assert!(
            printed.contains("sink.soc.token: the token") && printed.contains(fault),
            "{printed}"
        );
        assert!(!printed.contains("cAnArY"), "{printed}");
    }
}
