//! Folders: what of them is read, what is passed over, and what cannot be read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::service::Service;
use super::{one_file, run, stderr, stdout};
use crate::support::samples::gzip;
use crate::support::wait;

/// A local copy of a bucket: one log, and what else CloudTrail and its neighbours write.
fn copied_bucket(root: &Path) {
    let log = fs::read(one_file()).expect("a sample");
    for (place, bytes) in [
        ("CloudTrail/us-east-1/2026/03/15/log.json.gz", log.as_slice()),
        ("CloudTrail-Digest/us-east-1/2026/03/15/digest.json.gz", b"{\"logFiles\":[]}"),
        ("CloudTrail-Insight/us-east-1/2026/03/15/insight.json.gz", b"{}"),
        ("Config/us-east-1/2026/3/15/history.json.gz", b"{}"),
    ] {
        let path = root.join("AWSLogs/111122223333").join(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}

#[test]
fn a_scan_goes_past_what_it_cannot_read_and_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("b")).expect("a folder");
    fs::copy(one_file(), at("a.gz")).expect("a copy");
    fs::copy(one_file(), at("b/z.json.gz")).expect("a copy");
    fs::write(at("notes.log"), "").expect("a file");
    symlink("gone", at("b/1.json")).expect("a link");
    symlink("..", at("b/up")).expect("a ring");
    let output = run(&["scan", folder.path().to_str().expect("text")]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/b/1.json: No such file"), "{said}");
    assert!(said.contains("passed over: other name: 1, the first ") && said.contains("/notes.log"));
    assert!(said.contains("passed over: link to a folder: 1, the first "), "{said}");
    assert!(said.contains("objects=2 ") && said.ends_with("damaged=1 skipped=2\n"), "{said}");
}

#[test]
fn the_digests_of_a_copied_bucket_are_no_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    copied_bucket(folder.path());
    let within = folder.path().join("AWSLogs/111122223333/CloudTrail-Digest");
    for (place, objects, skipped) in [(folder.path(), 1, 3), (&within, 0, 1)] {
        let output = run(&["scan", place.to_str().expect("text")]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("objects={objects} ")), "{said}");
        assert!(said.contains("passed over: digest: 1, the first "), "{said}");
        assert!(said.ends_with(&format!("damaged=0 skipped={skipped}\n")), "{said}");
    }
}

#[test]
fn the_hash_of_a_file_is_that_of_its_content_as_in_a_digest() {
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
fn a_scan_keeps_to_the_limits_and_the_selection_of_a_configuration() {
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
    let said = stderr(&output);
    assert!(output.status.code() == Some(0) && said.contains(" events=0 "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_reads_a_copied_bucket_as_it_would_the_bucket() {
    let folder = tempfile::tempdir().expect("a folder");
    copied_bucket(&folder.path().join("bucket"));
    let config = "[[source]]\ndirectory = \"bucket\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
                  [sink.screen]\ntype = \"stdout\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
                  [log]\nformat = \"json\"\n";
    let service = Service::start(folder.path(), config);
    let url = format!("http://{}/metrics", service.address());
    let seen = [
        "certrelay_digest_files_total{account=\"111122223333\"} 1",
        "certrelay_objects_skipped_total{reason=\"digest\"} 1",
        "certrelay_objects_skipped_total{reason=\"insight\"} 1",
        "certrelay_objects_skipped_total{reason=\"other_service\"} 1",
        "certrelay_objects_read_total 1",
    ];
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    wait::until("what was passed over, in the metrics", async || {
        let page = client.get(&url).send().await.ok()?.text().await.ok()?;
        seen.iter().all(|line| page.contains(line)).then_some(())
    })
    .await;
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));
    assert!(!folder.path().join("dead-letters").exists(), "a letter about a digest");
}
