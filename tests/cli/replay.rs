//! `replay` of dead letters in folders, through the command line.

use std::fs;
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{run, stderr};
use crate::support::wait;

const CONFIG: &str = "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
                      [sink.screen]\ntype = \"stdout\"\n[log]\nformat = \"text\"\n";

/// The dead letters directly in this folder.
fn dead_letters(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_in_folders_by_day_are_found_and_the_reason_of_a_kept_one_is_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).expect("a folder");
    fs::write(at("logs/poison.json"), "{\"no\": \"log\"}").expect("a file");
    let service = Service::start(folder.path(), CONFIG);
    let dead_letter =
        wait::until("a dead letter", async || dead_letters(&at("dead-letters")).pop()).await;
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));

    // As in a copy of a bucket of dead letters.
    fs::create_dir_all(at("letters/2026/11/22")).expect("folders");
    fs::rename(dead_letter, at("letters/2026/11/22/object.json")).expect("moved");
    let (config, path) = (at("certrelay.toml"), at("letters"));
    let output =
        run(&["replay", "-c", config.to_str().expect("text"), path.to_str().expect("text")]);
    let printed = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("dead_letters=1 deleted=0 kept=1"), "{printed}");
    let printed = printed.lines().find(|line| line.contains("is rejected again: ")).expect("why");
    assert!(printed.contains("poison.json: ") && printed.contains("[not_cloudtrail]"), "{printed}");
    assert!(!printed.contains("\\\"") && !printed.contains("request id"), "{printed}");
}

#[test]
fn a_folder_without_dead_letters_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("certrelay.toml");
    fs::write(&config, CONFIG).expect("the configuration");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    for (path, code) in [("empty", "no_dead_letters"), ("absent", "dead_letters_not_listed")] {
        let path = folder.path().join(path);
        let output =
            run(&["replay", "-c", config.to_str().expect("text"), path.to_str().expect("text")]);
        let printed = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains(code), "{printed}");
    }
}
