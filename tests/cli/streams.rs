//! Every command with each of its streams closed or full: no panic, and the exit code tells whether
//! its data was written.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Output, Stdio};

use super::{SAMPLES, certrelay, one_file, stderr};

/// A stream that cannot be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// A pipe whose reader is gone.
    Pipe,
    /// A full disk.
    Full,
}

impl Broken {
    fn stdio(self) -> Stdio {
        match self {
            Self::Pipe => std::io::pipe().expect("a pipe").1.into(),
            Self::Full => {
                OpenOptions::new().write(true).open("/dev/full").expect("/dev/full").into()
            }
        }
    }
}

/// Command lines, their exit codes, and whether they print data on stdout.
fn commands(folder: &Path) -> Vec<(Vec<String>, i32, bool)> {
    let config = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the configuration");
        path.display().to_string()
    };
    let to = |sink: &str| {
        format!(
            "[[source]]\nqueue_url = \"https://sqs.us-east-1.amazonaws.com/111122223333/objects\"\n\
             buckets = [\"audit-logs\"]\n[[route]]\nname = \"all\"\nsinks = [\"out\"]\n\
             [sink.out]\n{sink}\n[aws]\ns3_endpoint = \"http://127.0.0.1:1\"\n\
             [dead_letter]\ndirectory = \"dead-letters\"\n"
        )
    };
    let stdout = config("stdout.toml", &to("type = \"stdout\""));
    let nowhere = config("nowhere.toml", &to("type = \"file\"\npath = \"/nowhere/at/all\""));
    let wrong = config("wrong.toml", "[delivery]\ndedup_windw = 1\n");
    let file = one_file().display().to_string();
    let days = ["--since", "2026-01-01", "--until", "2026-01-02"];
    let table: Vec<(Vec<&str>, i32, bool)> = vec![
        (vec!["--help"], 0, true),
        (vec!["--version"], 0, true),
        (vec!["scan", "--help"], 0, true),
        (vec![], 64, false),
        (vec!["frobnicate"], 64, false),
        (vec!["run", "-c", &nowhere], 1, false),
        (vec!["run", "-c", &wrong], 64, false),
        (vec!["check", "-c", &stdout], 0, false),
        (vec!["check", "-c", &wrong], 64, false),
        (vec!["scan", SAMPLES], 0, true),
        (vec!["scan", SAMPLES, "--hash"], 0, true),
        (vec!["scan", "no/such/file"], 1, false),
        (vec!["explain", &file], 0, true),
        (vec!["replay", "-c", &stdout, "no/such/folder"], 1, false),
        (
            [&["backfill", "-c", &stdout, "s3://audit-logs/", "--plan"], &days[..]].concat(),
            1,
            false,
        ),
        ([&["backfill", "-c", &stdout, "audit-logs"], &days[..]].concat(), 64, false),
        (vec!["events"], 0, true),
        (vec!["events", "--json"], 0, true),
        (vec!["schema"], 0, true),
        (vec!["schema", "--format", "ocsf"], 0, true),
        (vec!["healthcheck", "--address", "127.0.0.1:1"], 1, false),
    ];
    let owned = |line: Vec<&str>| line.into_iter().map(str::to_owned).collect();
    table.into_iter().map(|(line, code, data)| (owned(line), code, data)).collect()
}

/// Runs a command in `folder` with these streams.
fn run_with(line: &[String], folder: &Path, stdout: Stdio, stderr: Stdio) -> Output {
    let mut command = certrelay();
    command.args(line).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_MAX_ATTEMPTS", "1").env("HOME", folder);
    let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
    child.expect("certrelay runs").wait_with_output().expect("it ends")
}

#[test]
fn a_broken_stderr_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, code, prints) in commands(folder.path()) {
        for broken in [Broken::Pipe, Broken::Full] {
            let output = run_with(&line, folder.path(), Stdio::piped(), broken.stdio());
            assert_eq!(output.status.code(), Some(code), "{line:?} with {broken:?}");
            assert_eq!(!output.stdout.is_empty(), prints, "{line:?} with {broken:?}");
        }
    }
}

#[test]
fn a_broken_stdout_is_an_error_unless_its_reader_has_left() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, code, prints) in commands(folder.path()) {
        for broken in [Broken::Pipe, Broken::Full] {
            let output = run_with(&line, folder.path(), broken.stdio(), Stdio::piped());
            let printed = stderr(&output);
            let fails = prints && broken == Broken::Full;
            let expected = if fails { 1 } else { code };
            assert_eq!(output.status.code(), Some(expected), "{line:?}, {broken:?}: {printed}");
            let names_it = printed.contains("error: stdout: No space left on device");
            assert_eq!(names_it, fails, "{line:?} with {broken:?}: {printed}");
        }
    }
}

/// What a shell's `>&-` does.
#[test]
fn commands_run_without_streams() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, code, _) in commands(folder.path()) {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", env!("CARGO_BIN_EXE_certrelay")]);
        shell.args(&line).current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
        shell.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        shell.env("AWS_MAX_ATTEMPTS", "1").env("AWS_EC2_METADATA_DISABLED", "true");
        let status = shell.status().expect("a shell");
        assert_eq!(status.code(), Some(code), "{line:?}");
    }
}

/// `certrelay check -c f 2>&1 | grep -q x`: grep leaves at the first match.
#[test]
fn both_streams_may_be_one_pipe_whose_reader_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, code, _) in commands(folder.path()) {
        let (_, writer) = std::io::pipe().expect("a pipe");
        let twin = writer.try_clone().expect("a pipe");
        let output = run_with(&line, folder.path(), writer.into(), twin.into());
        assert_eq!(output.status.code(), Some(code), "{line:?}");
    }
}
