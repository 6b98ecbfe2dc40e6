//! Test tiers: tests with real servers need what `tests/real/setup` installs.
//!
//! A tier that cannot run is reported on standard error and in `target/real/skipped`, for the
//! summary of `make test`; with `CI=true` it is a failure, because a skip that goes unnoticed is a
//! lost test.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The root folder of the project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder into which `tests/real/setup` installs.
pub fn real_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    project().join(target).join("real")
}

/// The folder of a tier's installation: `kafka` (jars), `login` (classes for them), `collector` (a
/// program), or `moto` and `validators` (the venv).
///
/// # Panics
/// The tier cannot run, `CI=true`, and `tests/real/setup` did not excuse it.
pub fn require(tier: &str) -> Option<PathBuf> {
    let (piece, list) = match tier {
        "kafka" => ("kafka", include_str!("../real/pom.xml")),
        "login" => ("login", include_str!("../real/login/SignedUrlLogin.java")),
        "collector" => ("collector", include_str!("../real/collector/builder.yaml")),
        "moto" | "validators" => ("venv", include_str!("../real/requirements.txt")),
        other => panic!("no tier is called {other}"),
    };
    let real = real_folder();
    // The stamp is the list it was installed from: an older installation does not count.
    let installed = std::fs::read_to_string(real.join(format!("{piece}.stamp")));
    let error = match missing(&real, tier) {
        Some(error) if is_excused(&real, tier) => {
            eprintln!("SKIPPED {tier} tier (excused in CI): {error}");
            return None;
        }
        Some(error) => error,
        None if installed.is_ok_and(|stamp| stamp == list) => return Some(real.join(piece)),
        None => "tests/real/setup was not run".to_owned(),
    };
    skip(tier, &error);
    None
}

/// Reports that `tier` is skipped, and why.
///
/// # Panics
/// `CI=true`.
pub fn skip(tier: &str, error: &str) {
    eprintln!("SKIPPED {tier} tier: {error}; enable with make test");
    let real = real_folder();
    let skipped = std::fs::create_dir_all(&real)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(real.join("skipped")));
    if let Ok(mut file) = skipped {
        let _ = file.write_all(format!("{tier}: {error}\n").as_bytes());
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "with CI=true a skip is a failure: the {tier} tier cannot run ({error})"
    );
}

/// Returns what `tests/real/setup` found missing for a tier when it last ran.
fn missing(real: &Path, tier: &str) -> Option<String> {
    let missing = std::fs::read_to_string(real.join("missing")).ok()?;
    let line = missing.lines().find_map(|line| line.strip_prefix(tier)?.strip_prefix(": "))?;
    Some(line.to_owned())
}

/// Returns whether the tier is excused: what is missing cannot be installed on any machine.
fn is_excused(real: &Path, tier: &str) -> bool {
    let excused = std::fs::read_to_string(real.join("excused"));
    excused.is_ok_and(|excused| excused.lines().any(|line| line == tier))
}
