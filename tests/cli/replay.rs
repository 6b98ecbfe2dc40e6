//! `replay` of letters in folders, as an operator meets it.

use std::fs;
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{run, stderr};
use crate::support::wait;

const CONFIG: &str = "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\nsinks = [\"screen\"]\n\
                      [sink.screen]\ntype = \"stdout\"\n[log]\nformat = \"text\"\n";

/// The letters in this folder itself.
fn letters(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_below_their_days_are_found_and_what_is_still_dead_says_why_in_plain_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).expect("a folder");
    fs::write(at("logs/poison.json"), "{\"no\": \"log\"}").expect("a file");
    let service = Service::start(folder.path(), CONFIG);
    let letter =
        wait::until("the letter", async || letters(&at("dead-letters")).into_iter().next()).await;
    service.terminate();
    assert_eq!(service.ended().code(), Some(0));

    // As in a copy of a bucket's letters.
    fs::create_dir_all(at("letters/2026/11/22")).expect("folders");
    fs::rename(letter, at("letters/2026/11/22/object.json")).expect("moved");
    let (config, place) = (at("certrelay.toml"), at("letters"));
    let output =
        run(&["replay", "-c", config.to_str().expect("text"), place.to_str().expect("text")]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("letters=1 final=0 kept=1"), "{said}");
    let said = said.lines().find(|line| line.contains("is still dead: ")).expect("why");
    assert!(said.contains("poison.json: ") && said.contains("[not_cloudtrail]"), "{said}");
    assert!(!said.contains("\\\"") && !said.contains("request id"), "{said}");
}

#[test]
fn a_place_without_letters_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("certrelay.toml");
    fs::write(&config, CONFIG).expect("the configuration");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    for (place, code) in [("empty", "no_dead_letters"), ("absent", "dead_letters_not_listed")] {
        let place = folder.path().join(place);
        let output =
            run(&["replay", "-c", config.to_str().expect("text"), place.to_str().expect("text")]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(code), "{said}");
    }
}
