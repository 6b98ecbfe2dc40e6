//! A test that cannot run on this machine is reported in the last lines of `make test`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The tests over public samples and tools in `../shared`, which is no part of the project: without
/// that folder they are excused, with `CI=true` too. No other test is.
const NEED_SHARED: [&str; 13] = [
    "decode::oracle::python_finds_the_same_in_a_giant_file",
    "decode::oracle::python_finds_the_same_in_all_shared_files",
    "decode::oracle::python_finds_the_same_in_an_organisation_with_decoys_and_oddities",
    "decode::oracle::python_finds_the_same_in_tiny_files",
    "decode::oracle::python_finds_the_same_where_all_are_certificate_events",
    "event_samples::no_leaf_of_any_sample_record_is_lost",
    "event_validators::cim_is_the_change_data_model",
    "event_validators::ecs_is_elastic_common_schema",
    "event_validators::ocsf_passes_the_schema_of_1_5",
    "event_validators::ocsf_passes_the_schema_of_1_8",
    "scan_corpus::a_corpus_of_certificate_events_only_is_found_completely",
    "scan_corpus::certificate_events_among_other_records_are_found_exactly",
    "scan_corpus::certificate_events_in_many_small_files_of_an_organisation_are_found_exactly",
];

/// Returns a path in `CERTRELAY_TEST_SHARED` or `../shared`.
pub(crate) fn shared(path: &str) -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("CERTRELAY_TEST_SHARED").map_or_else(default, PathBuf::from).join(path)
}

/// Returns whether the shared folder exists; records in `target/real/without-shared` which test did
/// not run otherwise.
///
/// # Panics
/// It does not, and the test that asks is not in the list.
pub(crate) fn has_shared() -> bool {
    if shared("").is_dir() {
        return true;
    }
    let thread = std::thread::current();
    // With one thread libtest runs tests on the main one.
    let test = thread.name().unwrap_or_default();
    assert!(test == "main" || NEED_SHARED.contains(&test), "{test} must not need ../shared");
    eprintln!("EXCUSED {test}: NOT RUN, there is no ../shared");
    record("without-shared", test);
    false
}

/// Records in `target/real/skipped` that `what` was skipped and how to enable it.
///
/// # Panics
/// With `CI=true` a skipped test is a failed one.
pub(crate) fn skip(what: &str, how: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "SKIPPED, which is a failure with CI=true: {what}: {how}"
    );
    eprintln!("SKIPPED {what}: {how}");
    record("skipped", &format!("{what}: {how}"));
}

/// Adds a line to a file of `target/real`, for the summary of `make test`.
fn record(file: &str, line: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real");
    let written = fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(folder.join(file)))
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.expect("target/ can be written to");
}

#[test]
fn every_test_that_may_be_excused_exists() {
    for test in NEED_SHARED {
        let (module, name) = test.rsplit_once("::").expect("a module and a name");
        let file = format!("tests/{}.rs", module.replace("::", "/"));
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file));
        assert!(text.is_ok_and(|text| text.contains(&format!("\nfn {name}()"))), "{test}");
    }
}
