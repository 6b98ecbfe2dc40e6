//! The first minute on a new machine: `make doctor`, and the environment of the programs that tests
//! start.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A machine that has only these programs; its user is not root, and `sudo` and `apt-get` print
/// when they are called.
fn machine(programs: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let always = ["bash", "sed", "awk", "df", "grep", "dirname", "cat", "mktemp", "tail", "head"];
    for program in always.iter().chain(programs) {
        if let Some(found) = find(program) {
            symlink(found, folder.path().join(program)).expect("a link");
        }
    }
    script(&folder, "id", "echo 1000");
    script(&folder, "sudo", "echo CALLED");
    script(&folder, "apt-get", "echo CALLED");
    folder
}

fn script(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable");
}

fn doctor(machine: &TempDir) -> (Output, String) {
    let output = Command::new(root().join("tests/doctor"))
        .env("PATH", machine.path())
        .output()
        .expect("the doctor runs");
    let printed = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let printed = String::from_utf8(printed).expect("text");
    assert!(!printed.contains("CALLED"), "only root installs, and never through sudo: {printed}");
    (output, printed)
}

const BUILD: [&str; 7] = ["cargo", "rustc", "cc", "g++", "make", "perl", "pkg-config"];

#[test]
fn missing_compilers_are_reported_in_one_line_and_fail() {
    let (output, printed) = doctor(&machine(&["cargo", "rustc", "make", "perl"]));
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert_eq!(printed.matches("apt-get install").count(), 1, "{printed}");
    for package in ["gcc", "g++", "libssl-dev", "zlib1g-dev", "maven"] {
        assert!(printed.contains(package), "{package} is not named: {printed}");
    }
}

#[test]
fn requirements_of_some_tests_are_reported_without_a_failure() {
    let (output, printed) = doctor(&machine(&BUILD));
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("maven") && printed.contains("will be skipped"), "{printed}");
}

#[test]
fn an_old_or_missing_rust_is_reported_with_the_rest() {
    let old = machine(&["cc", "g++"]);
    script(&old, "cargo", "");
    script(&old, "rustc", "echo 'rustc 1.70.0 (90c541806 2023-05-31)'");
    let (output, printed) = doctor(&old);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("rustc is 1.70.0") && printed.contains("perl"), "{printed}");

    let (output, printed) = doctor(&machine(&BUILD[2..]));
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("Rust is missing"), "{printed}");
}

#[test]
fn root_on_debian_gets_everything_installed_and_reported() {
    let bare = machine(&["cargo", "rustc", "make"]);
    script(&bare, "id", "echo 0");
    script(&bare, "apt-get", &format!("echo \"$@\" >>{}/calls", bare.path().display()));
    let (_, printed) = doctor(&bare);
    let calls = fs::read_to_string(bare.path().join("calls")).expect("apt-get was called");
    assert!(printed.contains("installing with apt-get: gcc"), "{printed}");
    assert!(calls.starts_with("update\ninstall -y --no-install-recommends gcc"), "{calls}");
    assert!(calls.contains("libssl-dev") && calls.contains("python3-venv"), "{calls}");
}

#[test]
fn variables_that_lead_off_this_machine_are_removed() {
    let leaking = [
        ("AWS_PROFILE", "production"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_ENDPOINT_URL", "http://203.0.113.9"),
        ("HTTPS_PROXY", "http://203.0.113.9:3128"),
        ("http_proxy", "http://203.0.113.9:3128"),
        ("All_Proxy", "socks5://203.0.113.9:1080"),
        ("NO_PROXY", "*"),
    ];
    let output = Command::new(root().join("tests/run"))
        .args(["cleaned", "env"])
        .envs(leaking)
        .env("HARMLESS", "kept")
        .output()
        .expect("the driver runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    assert!(!printed.contains("203.0.113.9") && !printed.contains("production"), "{printed}");
    for line in ["HARMLESS=kept", "NO_PROXY=127.0.0.1,localhost", "AWS_EC2_METADATA_DISABLED=true"]
    {
        assert!(printed.lines().any(|printed| printed == line), "no {line}: {printed}");
    }
    let kept: Vec<&str> = printed.lines().filter(|line| line.starts_with("AWS_")).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
}
