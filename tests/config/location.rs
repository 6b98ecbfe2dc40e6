//! Where a configuration comes from: a file, a variable, or a location that is not on this machine.

use std::path::Path;

use certrelay::config::{load, parse_fetched, parse_with};

fn error(location: &str) -> String {
    load(location, |_, _| Ok(())).expect_err("an error is expected").to_string()
}

#[test]
fn a_fetched_configuration_has_absolute_paths_only() {
    let fetched = |text: &str| parse_fetched("s3://configs/certrelay.toml", text, |_, _| Ok(()));
    let report = fetched(super::SOUND).expect_err("a relative path").to_string();
    assert!(report.contains("s3://configs/certrelay.toml:3:"), "{report}");
    assert!(report.contains("is in none: write an absolute path"), "{report}");
    let absolute = super::SOUND.replace("\"logs\"", "\"/logs\"");
    assert!(absolute != super::SOUND && fetched(&absolute).is_ok());
}

#[test]
fn a_variable_must_be_a_name_and_set() {
    assert!(error("env:CERTRELAY_TEST_UNSET").contains("CERTRELAY_TEST_UNSET is not set"));
    let report = error("env:a-token-by-accident");
    assert!(report.contains("not a variable's name") && !report.contains("a-token"), "{report}");
}

#[test]
fn the_text_of_a_variable_that_is_not_a_configuration_is_not_shown() {
    let invalid = |text| parse_with("env:TOKEN", text, Path::new("."), &|_| None).unwrap_err();
    for text in ["hunter", "hunter = hunter hunter", "[hunter", "hunter=="] {
        let report = invalid(text).to_string();
        assert!(report.contains("env:TOKEN:1:") && !report.contains("hunter"), "{report}");
    }
}

#[test]
fn a_file_that_cannot_be_a_configuration_is_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(error(&path("absent.toml")).contains("cannot be read: No such file"));
    assert!(error(folder.path().to_str().unwrap()).contains("cannot be read"));
    std::fs::write(path("long.toml"), "#".repeat(1_048_577)).unwrap();
    assert!(error(&path("long.toml")).contains("longer than 1 MiB"));
    std::fs::write(path("log.gz"), b"a = \xff").unwrap();
    assert!(error(&path("log.gz")).contains("not UTF-8 (byte 4)"));
}

#[test]
fn paths_are_resolved_against_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certrelay.toml");
    std::fs::write(&path, super::SOUND).unwrap();
    let shown = load(path.to_str().unwrap(), |_, _| Ok(())).unwrap().summary();
    let logs = folder.path().join("logs");
    assert!(shown.contains(&format!("source directory {}", logs.display())), "{shown}");
}
