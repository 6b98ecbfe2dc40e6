//! `check`, `explain` and `schema` with what is known beside the records.

use std::fs;
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{SAMPLES, certrelay, run, stderr, stdout};
use crate::support::hec::{HecStandIn, Options};
use crate::support::wait;
use crate::support::world::{Plan, World};

const ACCOUNTS: &str =
    "id,name,ou,environment\n111122223333,shop,Workloads/Production,production\n";

/// A folder with a configuration that names `accounts.csv` and `reports` beside it.
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
    fs::write(folder.path().join("accounts.csv"), accounts).expect("the table");
    fs::create_dir(folder.path().join("reports")).expect("a folder");
    let report =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/credential-reports/111122223333.csv");
    fs::copy(report, folder.path().join("reports/111122223333.csv")).expect("the report");
    (folder, path)
}

#[test]
fn check_reads_the_table_of_accounts_and_the_reports() {
    let (folder, path) = folder(ACCOUNTS);
    let path = path.to_str().expect("text");
    let output = run(&["check", "-c", path]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("accounts: 1\n") && said.contains("reports: of 1 accounts"), "{said}");

    fs::write(folder.path().join("reports/other.csv"), "not,a\nreport,\n").expect("written");
    let output = run(&["check", "-c", path]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: [credential_reports]") && said.contains("other.csv"), "{said}");

    let table = format!("{ACCOUNTS}11112222333,shop,,\n444455556666,x\n");
    fs::write(folder.path().join("accounts.csv"), table).expect("written");
    let output = run(&["check", "-c", path]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for line in [
        "accounts.csv:3:1: error: `id`",
        "accounts.csv:4:1: error: the header has 4 fields, this row 2",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("no mistakes"), "{said}");
    for command in ["run", "check"] {
        let output = run(&[command, "-c", path]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(64), said.clone()), "{command}");
    }

    fs::remove_file(folder.path().join("accounts.csv")).expect("removed");
    let output = run(&["check", "-c", path]);
    assert_eq!(output.status.code(), Some(64));
    let said = stderr(&output);
    assert!(said.contains("accounts.csv: error: [accounts] cannot be read: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_and_the_reports_are_read_from_buckets_as_well() {
    let world = World::start(Plan::default()).await.expect("the stand-ins");
    let (folder, path) = folder(ACCOUNTS);
    world.s3.create_bucket("what-we-know");
    let report = fs::read(folder.path().join("reports/111122223333.csv")).expect("the report");
    world.s3.put_silently("what-we-know", "tables/accounts.csv", ACCOUNTS.as_bytes().to_vec());
    world.s3.put_silently("what-we-know", "reports/111122223333.csv", report);
    let config = fs::read_to_string(&path).expect("the configuration");
    let config =
        config.replace("file = \"accounts.csv\"", "s3 = \"s3://what-we-know/tables/accounts.csv\"");
    let config = config.replace("\"reports\"", "\"s3://what-we-know/reports/\"");
    fs::write(&path, config).expect("the configuration");
    let mut command = certrelay();
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    command.args(["check", "--connect", "-c"]).arg(&path).envs(world.environment());
    let check = tokio::task::spawn_blocking(move || command.output().expect("certrelay runs"));
    let output = check.await.expect("it does not panic");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("accounts: 1\n") && said.contains("reports: of 1 accounts"), "{said}");
    let calls = world.s3.calls();
    assert_eq!((calls.get("GetObject"), calls.get("ListObjectsV2")), (Some(&2), Some(&1)));

    // `run` would end so, too: what lies elsewhere may be another thing the next time.
    world.s3.put_silently("what-we-know", "tables/accounts.csv", &b"id\n12\n"[..]);
    let mut command = certrelay();
    command.args(["check", "--connect", "-c"]).arg(&path).envs(world.environment());
    let output = tokio::task::block_in_place(|| command.output().expect("certrelay runs"));
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("error: `id`"), "{said}");
}

#[test]
fn explain_knows_the_account_and_routes_by_it() {
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
async fn a_service_routes_by_the_table_of_accounts_and_sends_what_it_knows() {
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
