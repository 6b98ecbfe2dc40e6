//! The gate on the decoder's speed that does not depend on how busy a machine is.

use std::process::Command;

use crate::skip::skip;

#[test]
fn decoding_takes_at_most_forty_percent_more_instructions_than_unpacking() {
    let is_there = Command::new("valgrind").arg("--version").output().is_ok();
    if !is_there || !cfg!(target_arch = "x86_64") {
        return skip(
            "the decoder's instructions",
            "valgrind counts them, on x86-64: `make doctor`",
        );
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let counted = Command::new(format!("{root}/benches/callgrind")).output().expect("it runs");
    let said = String::from_utf8_lossy(&counted.stdout);
    eprintln!("{said}");
    let error = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{said}{error}");
    // It must be able to fail.
    let strict = Command::new(format!("{root}/benches/callgrind")).arg("1.0").output();
    assert_eq!(strict.expect("it runs").status.code(), Some(1));
}

/// A package in the lock file of another one, with its checksum.
fn packages(lock: &str) -> Vec<&str> {
    lock.split("[[package]]").skip(1).filter(|package| package.contains("checksum")).collect()
}

/// What of a package does not depend on who needs it.
fn identity(package: &str) -> String {
    let of_itself =
        |line: &&str| ["name", "version", "checksum"].iter().any(|key| line.starts_with(key));
    package.lines().filter(of_itself).collect()
}

#[test]
fn what_is_counted_is_built_of_the_same_packages() {
    let of_crate: Vec<String> =
        packages(include_str!("../../Cargo.lock")).into_iter().map(identity).collect();
    let counted = packages(include_str!("../../benches/instructions/Cargo.lock"));
    assert!(counted.len() > 10);
    for package in counted {
        assert!(of_crate.contains(&identity(package)), "{package}");
    }
}
