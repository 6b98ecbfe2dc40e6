//! `check`, `explain` and `schema` with enrichment data.

use std::fs;
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{SAMPLES, certrelay, run, stderr, stdout};
use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::hec::{HecStandIn, Options};
use crate::support::wait;

const ACCOUNTS: &str =
    "id,name,ou,environment\n111122223333,shop,Workloads/Production,production\n";

/// A folder with a configuration, `accounts.csv` and `reports`.
fn folder(accounts: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let config = r#"
[[source]]
directory = "logs"
[labels]
team = "security"
[accounts]
file = "accounts.csv"
[credential_reports]
location = "reports"
[[route]]
name = "production"
when = { ou = "Workloads/*", label = { environment = "prod*", team = "sec*" } }
sinks = ["screen"]
[[route]]
name = "default"
sinks = "discard"
[sink.screen]
type = "stdout"
"#;
    fs::write(&path, config).expect("the configuration");
    fs::write(folder.path().join("accounts.csv"), accounts).expect("the accounts file");
    fs::create_dir(folder.path().join("reports")).expect("a folder");
    let report =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/credential-reports/111122223333.csv");
    fs::copy(report, folder.path().join("reports/111122223333.csv")).expect("the report");
    (folder, path)
}

#[test]
fn check_reads_the_accounts_file_and_the_credential_reports() {
    let (folder, path) = folder(ACCOUNTS);
    let path = path.to_str().expect("text");
    let output = run(&["check", "-c", path]);
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("accounts: 1\n") && printed.contains("credential reports: 1 accounts"),
        "{printed}"
    );

    fs::write(folder.path().join("reports/other.csv"), "not,a\nreport,\n").expect("written");
    let output = run(&["check", "-c", path]);
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("warning: [credential_reports]") && printed.contains("other.csv"),
        "{printed}"
    );

    let accounts = format!("{ACCOUNTS}11112222333,shop,,\n444455556666,x\n");
    fs::write(folder.path().join("accounts.csv"), accounts).expect("written");
    let output = run(&["check", "-c", path]);
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{printed}");
    for line in [
        "accounts.csv:3:1: error: `id`",
        "accounts.csv:4:1: error: the header has 4 fields, this row 2",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    assert!(!printed.contains("no errors"), "{printed}");
    for command in ["run", "check"] {
        let output = run(&[command, "-c", path]);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(64), printed.clone()),
            "{command}"
        );
    }

    fs::remove_file(folder.path().join("accounts.csv")).expect("removed");
    let output = run(&["check", "-c", path]);
    assert_eq!(output.status.code(), Some(64));
    let printed = stderr(&output);
    assert!(printed.contains("accounts.csv: error: [accounts] cannot be read: "), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_file_and_the_reports_are_read_from_buckets_as_well() {
    let world = AwsStandIns::start(AwsSettings::default()).await.expect("the stand-ins");
    let (folder, path) = folder(ACCOUNTS);
    world.s3.create_bucket("enrichment");
    let report = fs::read(folder.path().join("reports/111122223333.csv")).expect("the report");
    world.s3.put_silently("enrichment", "tables/accounts.csv", ACCOUNTS.as_bytes().to_vec());
    world.s3.put_silently("enrichment", "reports/111122223333.csv", report);
    let config = fs::read_to_string(&path).expect("the configuration");
    let config =
        config.replace("file = \"accounts.csv\"", "s3 = \"s3://enrichment/tables/accounts.csv\"");
    let config = config.replace("\"reports\"", "\"s3://enrichment/reports/\"");
    fs::write(&path, config).expect("the configuration");
    let mut command = certrelay();
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    command.args(["check", "--connect", "-c"]).arg(&path).envs(world.environment());
    let check = tokio::task::spawn_blocking(move || command.output().expect("certrelay runs"));
    let output = check.await.expect("it does not panic");
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("accounts: 1\n") && printed.contains("credential reports: 1 accounts"),
        "{printed}"
    );
    let calls = world.s3.calls();
    assert_eq!((calls.get("GetObject"), calls.get("ListObjectsV2")), (Some(&2), Some(&1)));

    // A failure, not bad usage: the object may change between two runs.
    world.s3.put_silently("enrichment", "tables/accounts.csv", &b"id\n12\n"[..]);
    let mut command = certrelay();
    command.args(["check", "--connect", "-c"]).arg(&path).envs(world.environment());
    let output = tokio::task::block_in_place(|| command.output().expect("certrelay runs"));
    let printed = stderr(&output);
    assert!(output.status.code() == Some(1) && printed.contains("error: `id`"), "{printed}");
}

#[test]
fn explain_shows_the_account_and_routes_by_it() {
    let (_folder, path) = folder(ACCOUNTS);
    let output = run(&["explain", SAMPLES, "-c", path.to_str().expect("text")]);
    let page = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for line in [
        "account      111122223333, shop, Workloads/Production",
        "labels       environment: production\n             team: security",
        "route        production",
    ] {
        assert!(page.contains(line), "{line}:\n{page}");
    }
}

#[test]
fn schema_prints_json_schemas() {
    let all = [&["schema"][..], &["schema", "--format", "ocsf"], &["schema", "--format", "raw"]];
    let ids = [
        "urn:certrelay:configuration:1",
        "urn:certrelay:event:ocsf:1",
        "urn:certrelay:event:raw:1",
    ];
    for (arguments, id) in all.into_iter().zip(ids) {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let schema: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(schema["$id"], id);
    }
    assert_eq!(run(&["schema", "--format", "xml"]).status.code(), Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_routes_by_the_accounts_file_and_sends_its_fields() {
    let hec = HecStandIn::start(Options::default()).await.expect("the stand-in");
    let (folder, path) = folder(ACCOUNTS);
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES);
    let config = fs::read_to_string(&path).expect("the configuration");
    let config = config.replace("\"logs\"", &format!("{:?}", samples.display().to_string()));
    let sink = format!(
        "type = \"splunk_hec\"\nendpoints = [\"{}\"]\ntoken = \"stand-in-token\"\n",
        hec.url()
    );
    let service = Service::start(folder.path(), &config.replace("type = \"stdout\"\n", &sink));
    wait::until("every event in Splunk", async || (hec.count() >= 24).then_some(())).await;
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));
    for indexed in hec.indexed() {
        let event = indexed.value();
        assert_eq!(event["vendor_account_name"], "shop");
        assert_eq!(
            (&event["label_environment"], &event["label_team"]),
            (&"production".into(), &"security".into())
        );
    }
}
