//! Folders: which files are read, which are skipped, and which cannot be read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::service::Service;
use super::{one_file, run, stderr, stdout};
use crate::support::samples::gzip;
use crate::support::wait;

/// Writes a local copy of a bucket: one log file, and other files of CloudTrail and of AWS Config.
fn copied_bucket(root: &Path) {
    let log = fs::read(one_file()).expect("a sample");
    for (name, bytes) in [
        ("CloudTrail/us-east-1/2026/03/15/log.json.gz", log.as_slice()),
        ("CloudTrail-Digest/us-east-1/2026/03/15/digest.json.gz", b"{\"logFiles\":[]}"),
        ("CloudTrail-Insight/us-east-1/2026/03/15/insight.json.gz", b"{}"),
        ("Config/us-east-1/2026/3/15/history.json.gz", b"{}"),
    ] {
        let path = root.join("AWSLogs/111122223333").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}

#[test]
fn a_scan_names_unreadable_files_and_continues() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("b")).expect("a folder");
    fs::copy(one_file(), at("a.gz")).expect("a copy");
    fs::copy(one_file(), at("b/z.json.gz")).expect("a copy");
    fs::write(at("notes.log"), "").expect("a file");
    symlink("gone", at("b/1.json")).expect("a link");
    symlink("..", at("b/up")).expect("a cycle");
    let output = run(&["scan", folder.path().to_str().expect("text")]);
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("/b/1.json: No such file"), "{printed}");
    assert!(
        printed.contains("files skipped: other name: 1, first: ") && printed.contains("/notes.log")
    );
    assert!(printed.contains("files skipped: link to a folder: 1, first: "), "{printed}");
    assert!(
        printed.contains("objects=2 ") && printed.ends_with("failed=1 skipped=2\n"),
        "{printed}"
    );
}

#[test]
fn digests_of_a_copied_bucket_are_skipped_without_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    copied_bucket(folder.path());
    let within = folder.path().join("AWSLogs/111122223333/CloudTrail-Digest");
    for (path, objects, skipped) in [(folder.path(), 1, 3), (&within, 0, 1)] {
        let output = run(&["scan", path.to_str().expect("text")]);
        let printed = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{printed}");
        assert!(printed.contains(&format!("objects={objects} ")), "{printed}");
        assert!(printed.contains("files skipped: digest: 1, first: "), "{printed}");
        assert!(printed.ends_with(&format!("failed=0 skipped={skipped}\n")), "{printed}");
    }
}

#[test]
fn files_with_cloudtrails_names_are_read_in_every_folder_and_insights_are_not_invalid() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = fs::read(one_file()).expect("a sample");
    let insight = r#"{"Records":[{"eventVersion":"1.08","eventTime":"2026-03-15T09:00:00Z","awsRegion":"us-east-1","eventID":"i-1","eventType":"AwsCloudTrailInsight","insightDetails":{"state":"Start","eventSource":"iam.amazonaws.com","eventName":"UploadServerCertificate"},"eventCategory":"Insight"}]}"#;
    let name = "111122223333_CloudTrail_us-east-1_20260315T0920Z_a.json.gz";
    for (path, bytes) in [
        ("us-east-1/2026/03/15", &log),
        ("2026/03/15", &log),
        ("cloudtrail/us-east-1/2026/03/15", &log),
        ("CloudTrail-copy", &log),
        ("CloudTrail/us-east-1/2026/03/15", &gzip(insight.as_bytes())),
    ] {
        let path = folder.path().join("AWSLogs/111122223333").join(path);
        fs::create_dir_all(&path).expect("a folder");
        fs::write(path.join(name), bytes).expect("a file");
    }
    let root = folder.path().to_str().expect("text");
    let events = |path: &str| {
        let output = run(&["scan", path]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).lines().count()
    };
    assert_eq!(events(root), 4 * events(one_file().to_str().expect("text")));
    let output = run(&["scan", "--all-events", &format!("{root}/AWSLogs/111122223333/CloudTrail")]);
    let summary = "objects=1 records=1 events=0 invalid=0 failed=0 skipped=0\n";
    assert!(stderr(&output).ends_with(summary), "{}", stderr(&output));
}

#[test]
fn the_hash_of_a_file_is_that_of_its_uncompressed_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, zipped) = (folder.path().join("a.json"), folder.path().join("b.json.gz"));
    fs::write(&plain, "{\"Records\":[]}\n").expect("a file");
    fs::write(&zipped, gzip(b"{\"Records\":[]}\n")).expect("a file");
    let output = run(&["scan", "--hash", folder.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let hash: String =
        Sha256::digest("{\"Records\":[]}\n").iter().map(|b| format!("{b:02x}")).collect();
    let lines = [plain, zipped].map(|path| format!("{hash}  {}\n", path.display()));
    assert_eq!(stdout(&output), lines.concat());
    let output = run(&["scan", "--hash", one_file().to_str().expect("text")]);
    assert_eq!(stdout(&output).lines().count(), 1, "no events: {}", stdout(&output));
}

#[test]
fn a_scan_applies_the_limits_and_the_selection_of_a_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certrelay.toml");
    let scan = |more: &str| {
        let config = format!(
            "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
             [sink.screen]\ntype = \"stdout\"\n{more}\n"
        );
        fs::write(&path, config).expect("the configuration");
        let file = one_file();
        run(&["scan", file.to_str().expect("text"), "-c", path.to_str().expect("text")])
    };
    let output = scan("[decode]\nmax_records = 1\nhash = true");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("max_records"), "{}", stderr(&output));
    let output = scan("[events]\ninclude = [\"StopLogging\"]");
    let printed = stderr(&output);
    assert!(output.status.code() == Some(0) && printed.contains(" events=0 "), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_skips_the_same_files_of_a_copied_bucket() {
    let folder = tempfile::tempdir().expect("a folder");
    copied_bucket(&folder.path().join("bucket"));
    let config = "[[source]]\ndirectory = \"bucket\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
                  [sink.screen]\ntype = \"stdout\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
                  [log]\nformat = \"json\"\n";
    let service = Service::start(folder.path(), config);
    let url = format!("http://{}/metrics", service.address());
    let lines = [
        "certrelay_digest_files_total{account=\"111122223333\"} 1",
        "certrelay_objects_skipped_total{reason=\"digest\"} 1",
        "certrelay_objects_skipped_total{reason=\"insight\"} 1",
        "certrelay_objects_skipped_total{reason=\"other_service\"} 1",
        "certrelay_objects_read_total 1",
    ];
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    wait::until("the skipped files in the metrics", async || {
        let page = client.get(&url).send().await.ok()?.text().await.ok()?;
        lines.iter().all(|line| page.contains(line)).then_some(())
    })
    .await;
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));
    assert!(!folder.path().join("dead-letters").exists(), "a dead letter for a digest");
}
