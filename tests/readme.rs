//! Configurations in README and docs are valid, and commands run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One fenced block.
#[derive(Debug)]
struct Block {
    /// File and line, such as `README.md:27`.
    location: String,
    /// The text after the fence's backticks.
    language: String,
    /// The line before the fence.
    before: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blocks_of(name: &str, page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    let mut before = "";
    for (number, line) in page.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            open = !open;
            if open {
                blocks.push(Block {
                    location: format!("{name}:{}", number + 1),
                    language: language.trim().to_owned(),
                    before: before.to_owned(),
                    text: String::new(),
                });
            }
        } else if let Some(block) = blocks.last_mut().filter(|_| open) {
            block.text.push_str(line);
            block.text.push('\n');
        }
        before = line;
    }
    assert!(!open, "{name}: a block is not closed");
    blocks
}

fn blocks() -> Vec<Block> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("docs/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        // Generated from the catalogue; `event_remedies` runs every command in it.
        .filter(|path| path.file_name().is_none_or(|name| name != "events.md"))
        .collect();
    pages.push(root().join("README.md"));
    pages.push(root().join("CONTRIBUTING.md"));
    pages.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        blocks_of(&name, &fs::read_to_string(path).expect("a readable page"))
    };
    pages.iter().flat_map(read).collect()
}

/// The commands of a shell block: no comments, lines ending in `\` joined.
fn commands(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// Runs one command of certrelay or make, in the project's folder.
fn run(command: &str) -> Result<(), String> {
    let program = command.split(' ').next().unwrap_or_default();
    if program == "make" {
        let makefile = fs::read_to_string(root().join("Makefile")).map_err(|e| e.to_string())?;
        let known = |target: &str| makefile.lines().any(|l| l.starts_with(&format!("{target}:")));
        return match command.split(' ').skip(1).find(|target| !known(target)) {
            Some(target) => Err(format!("no target {target} in the Makefile")),
            None => Ok(()),
        };
    }
    if program != "certrelay" {
        return Err(format!("{program} is neither certrelay nor make; mark the block not-run"));
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_certrelay"));
    let mut path = binary.parent().map(Path::to_path_buf).unwrap_or_default().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .env("PATH", path)
        .current_dir(root())
        .output()
        .map_err(|cause| cause.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn every_configuration_shown_is_valid() {
    let shown: Vec<Block> = blocks().into_iter().filter(|block| block.language == "toml").collect();
    assert!(!shown.is_empty(), "no configuration is shown");
    for block in shown {
        if let Err(error) = certrelay::config::parse(&block.location, &block.text, root()) {
            panic!("{}: {error:#?}", block.location);
        }
    }
}

#[test]
fn every_command_shown_runs() {
    let mut failures = String::new();
    let mut ran = 0;
    for block in blocks().into_iter().filter(|block| block.language == "sh") {
        for command in commands(&block.text) {
            ran += 1;
            if let Err(error) = run(&command) {
                let _ = writeln!(failures, "{}: `{command}`: {error}", block.location);
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(ran >= 5, "only {ran} commands were found");
}

#[test]
fn most_commands_shown_are_run_and_the_others_have_a_reason() {
    let (mut ran, mut not_run) = (0, 0);
    for block in blocks() {
        match block.language.as_str() {
            "sh" => ran += commands(&block.text).len(),
            "sh not-run" => {
                let reason = block.before.strip_prefix("<!-- not run: ");
                assert!(reason.is_some_and(|r| r.len() > 15), "{}: no reason", block.location);
                not_run += commands(&block.text).len();
            }
            "toml" | "text" | "json" => {}
            other => {
                panic!(
                    "{}: a block of {other:?} would be run by rustdoc or not at all",
                    block.location
                )
            }
        }
    }
    assert!(ran > not_run, "{ran} commands are run, {not_run} are not");
}

#[test]
fn blocks_and_commands_are_found_as_written() {
    let page = "a\n<!-- x -->\n```sh not-run\nmake demo \\\n  lint # both\n\n# nothing\n```\n";
    let blocks = blocks_of("P", page);
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].location.as_str(), blocks[0].before.as_str()), ("P:3", "<!-- x -->"));
    assert_eq!(commands(&blocks[0].text), ["make demo    lint"]);
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    assert!(run("make demolition").is_err());
    assert!(run("docker run certrelay").is_err());
}

/// Lines of `explain` that the README shows, in order; `…` stands for others.
#[test]
fn the_event_shown_is_what_explain_prints() {
    let page = fs::read_to_string(root().join("README.md")).expect("the page");
    let shown = "<!-- printed by: certrelay explain examples/cloudtrail -->";
    let block = blocks_of("README.md", &page).into_iter().find(|block| block.before == shown);
    let block = block.expect("an event");
    let binary = Path::new(env!("CARGO_BIN_EXE_certrelay"));
    let output = Command::new(binary)
        .args(["explain", "examples/cloudtrail"])
        .current_dir(root())
        .output()
        .expect("certrelay runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    let mut printed = printed.lines();
    for line in block.text.lines().filter(|line| *line != "…") {
        assert!(printed.any(|found| found == line), "not printed here: {line}");
    }
}
