//! Where a configuration comes from: a file, a variable, or a place that is not on this machine.

use std::path::Path;

use certrelay::config::{load, parse_fetched, parse_with};

fn refused(place: &str) -> String {
    load(place, |_, _| Ok(())).expect_err("a mistake is expected").to_string()
}

#[test]
fn a_configuration_that_lies_in_no_folder_has_absolute_paths_only() {
    let fetched = |text: &str| parse_fetched("s3://configs/certrelay.toml", text, |_, _| Ok(()));
    let said = fetched(super::SOUND).expect_err("a relative path").to_string();
    assert!(said.contains("s3://configs/certrelay.toml:3:"), "{said}");
    assert!(said.contains("lies in none: write an absolute path"), "{said}");
    let absolute = super::SOUND.replace("\"logs\"", "\"/logs\"");
    assert!(absolute != super::SOUND && fetched(&absolute).is_ok());
}

#[test]
fn the_text_of_a_parameter_that_is_no_configuration_is_not_shown() {
    let said = parse_fetched("ssm:/token", "hunter = hunter hunter", |_, _| Ok(()))
        .unwrap_err()
        .to_string();
    assert!(said.contains("ssm:/token:1:") && !said.contains("hunter"), "{said}");
}

#[test]
fn a_variable_must_be_a_name_and_set() {
    assert!(refused("env:CERTRELAY_TEST_UNSET").contains("CERTRELAY_TEST_UNSET is not set"));
    let said = refused("env:a-token-by-mistake");
    assert!(said.contains("not a variable's name") && !said.contains("a-token"), "{said}");
}

#[test]
fn the_text_of_a_variable_that_is_no_configuration_is_not_shown() {
    let broken = |text| parse_with("env:TOKEN", text, Path::new("."), &|_| None).unwrap_err();
    for text in ["hunter", "hunter = hunter hunter", "[hunter", "hunter=="] {
        let said = broken(text).to_string();
        assert!(said.contains("env:TOKEN:1:") && !said.contains("hunter"), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_a_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(refused(&path("absent.toml")).contains("cannot be read: No such file"));
    assert!(refused(folder.path().to_str().unwrap()).contains("cannot be read"));
    std::fs::write(path("long.toml"), "#".repeat(1_048_577)).unwrap();
    assert!(refused(&path("long.toml")).contains("longer than 1 MiB"));
    std::fs::write(path("log.gz"), b"a = \xff").unwrap();
    assert!(refused(&path("log.gz")).contains("not UTF-8 (byte 4)"));
}

#[test]
fn paths_of_a_file_start_at_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certrelay.toml");
    std::fs::write(&path, super::SOUND).unwrap();
    let shown = load(path.to_str().unwrap(), |_, _| Ok(())).unwrap().summary();
    let logs = folder.path().join("logs");
    assert!(shown.contains(&format!("source directory {}", logs.display())), "{shown}");
}
