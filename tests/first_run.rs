//! The first minute on a new machine: what `make doctor` says, and what the programs we start may see.

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

/// A machine that has only these programs; its user is not root, and `sudo` and `apt-get` tell on us.
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
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8(said).expect("text");
    assert!(!said.contains("CALLED"), "only root installs, and never through sudo: {said}");
    (output, said)
}

const BUILD: [&str; 7] = ["cargo", "rustc", "cc", "g++", "make", "perl", "pkg-config"];

#[test]
fn a_machine_without_compilers_gets_one_line_and_a_stop() {
    let (output, said) = doctor(&machine(&["cargo", "rustc", "make", "perl"]));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("apt-get install").count(), 1, "{said}");
    for package in ["gcc", "g++", "libssl-dev", "zlib1g-dev", "maven"] {
        assert!(said.contains(package), "{package} is not named: {said}");
    }
}

#[test]
fn what_only_some_tests_need_is_mentioned_and_stops_nothing() {
    let (output, said) = doctor(&machine(&BUILD));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("maven") && said.contains("will be skipped"), "{said}");
}

#[test]
fn an_old_or_absent_rust_is_said_together_with_the_rest() {
    let old = machine(&["cc", "g++"]);
    script(&old, "cargo", "");
    script(&old, "rustc", "echo 'rustc 1.70.0 (90c541806 2023-05-31)'");
    let (output, said) = doctor(&old);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("rustc is 1.70.0") && said.contains("perl"), "{said}");

    let (output, said) = doctor(&machine(&BUILD[2..]));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Rust is missing"), "{said}");
}

#[test]
fn root_on_debian_has_everything_installed_and_is_told() {
    let bare = machine(&["cargo", "rustc", "make"]);
    script(&bare, "id", "echo 0");
    script(&bare, "apt-get", &format!("echo \"$@\" >>{}/asked", bare.path().display()));
    let (_, said) = doctor(&bare);
    let asked = fs::read_to_string(bare.path().join("asked")).expect("apt-get was called");
    assert!(said.contains("installing with apt-get: gcc"), "{said}");
    assert!(asked.starts_with("update\ninstall -y --no-install-recommends gcc"), "{asked}");
    assert!(asked.contains("libssl-dev") && asked.contains("python3-venv"), "{asked}");
}

#[test]
fn nothing_that_leads_off_this_machine_reaches_what_we_run() {
    let poison = [
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
        .envs(poison)
        .env("HARMLESS", "kept")
        .output()
        .expect("the driver runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(!said.contains("203.0.113.9") && !said.contains("production"), "{said}");
    for line in ["HARMLESS=kept", "NO_PROXY=127.0.0.1,localhost", "AWS_EC2_METADATA_DISABLED=true"]
    {
        assert!(said.lines().any(|said| said == line), "no {line}: {said}");
    }
    let kept: Vec<&str> = said.lines().filter(|line| line.starts_with("AWS_")).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
}
