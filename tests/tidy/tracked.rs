//! What is in the repository, and what must never be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Source, assert_none};

/// Everything at the top, and whether it must be there.
const TOP: [(&str, bool); 25] = [
    (".cargo", false),
    (".ci", true),
    (".editorconfig", true),
    (".github", true),
    (".gitignore", true),
    ("CHANGELOG.md", true),
    ("CONTRIBUTING.md", true),
    ("Cargo.lock", true),
    ("Cargo.toml", true),
    ("LICENSE", true),
    ("Makefile", true),
    ("README.md", true),
    ("SECURITY.md", true),
    ("benches", false),
    ("clippy.toml", true),
    ("config", false),
    ("deny.toml", true),
    ("deploy", true),
    ("detections", false),
    ("docs", true),
    ("examples", true),
    ("rust-toolchain.toml", true),
    ("rustfmt.toml", true),
    ("src", true),
    ("tests", true),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Paths from the root: what git knows or would add; in an unpacked archive, everything but
/// `target`.
fn paths() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            String::from_utf8_lossy(&output.stdout)
                .split_terminator('\0')
                .filter(|path| root().join(path).is_file())
                .map(str::to_owned)
                .collect()
        }
        _ => walk(root()),
    }
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if !path.is_dir() {
                let relative = path.strip_prefix(root()).expect("below the root");
                found.push(relative.to_string_lossy().replace('\\', "/"));
            } else if !path.ends_with("target") && !path.ends_with(".git") {
                folders.push(path);
            }
        }
    }
    found
}

/// Every text file of the project.
pub(super) fn sources() -> Vec<Source> {
    let found: Vec<Source> = paths()
        .into_iter()
        .filter_map(|path| {
            let text = String::from_utf8(fs::read(root().join(&path)).ok()?).ok()?;
            Some(Source { path, text })
        })
        .collect();
    assert!(found.iter().any(|source| source.path == "src/lib.rs"), "the sources were not found");
    found
}

fn top_level(paths: &[String]) -> Vec<String> {
    let tops: std::collections::BTreeSet<&str> =
        paths.iter().filter_map(|path| path.split('/').next()).collect();
    let stray = tops
        .iter()
        .filter(|top| TOP.iter().all(|(known, _)| known != *top))
        .map(|top| format!("{top}: nothing of that name belongs at the top level"));
    let absent = TOP
        .iter()
        .filter(|(known, must)| *must && !tops.contains(known))
        .map(|(known, _)| format!("{known}: missing at the top level"));
    stray.chain(absent).collect()
}

/// Places on somebody's machine, and hosts of package registries (written in halves, so that this
/// file passes its own rule).
fn machine_traces(sources: &[Source]) -> Vec<String> {
    let traces = [
        ["/wo", "rk/"],
        ["/tmp", "/wt"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["pypi", ".org"],
        ["pythonhosted", ".org"],
        ["crates", ".io/api"],
        ["static.crates", ".io"],
        ["index.crates", ".io"],
        ["repo.maven", ".apache.org"],
        ["repo1.maven", ".org"],
        ["registry.npmjs", ".org"],
        ["proxy.golang", ".org"],
        ["deb.debian", ".org"],
    ]
    .map(|halves| halves.concat());
    let mut complaints = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(trace) = traces.iter().find(|trace| line.contains(trace.as_str())) {
                complaints.push(format!("{}:{}: names {trace}", source.path, number + 1));
            }
        }
    }
    complaints
}

#[test]
fn the_top_level_is_exactly_what_is_agreed() {
    assert_none(&top_level(&paths()));
}

#[test]
fn a_stray_and_a_missing_top_level_name_are_both_found() {
    let complaints = top_level(&["utils/mod.rs".to_owned(), "src/lib.rs".to_owned()]);
    assert!(complaints.iter().any(|c| c.starts_with("utils:")), "{complaints:?}");
    assert!(complaints.iter().any(|c| c.starts_with("README.md:")), "{complaints:?}");
    assert!(!complaints.iter().any(|c| c.starts_with("src:")), "{complaints:?}");
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    assert_none(&machine_traces(&sources()));
}

#[test]
fn a_path_of_a_machine_is_found() {
    let text = format!("# fine\npath = \"{}alice/x\"\n", ["/ho", "me/"].concat());
    let complaints = machine_traces(&[Source::sample("config/local.toml", &text)]);
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].starts_with("config/local.toml:2:"), "{complaints:?}");
}
