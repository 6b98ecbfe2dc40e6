//! Child processes: servers that cannot outlive the test, and a clean environment.
//!
//! `tests/real/supervise` runs the server in a process group of its own and reads a pipe that only
//! this process has open. When the process ends, even by SIGKILL, the server, its folder and all
//! processes it started are gone. So a server can be in a `static` that is never dropped.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A server process that ends with this value, or with this process.
pub struct ChildServer {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl ChildServer {
    /// Starts `command`; the folder `work` is removed when it ends. Its standard error is written
    /// to `target/real/<name>.log` and, while there is a receiver, sent to it.
    pub fn start(name: &'static str, work: &Path, command: &Command) -> (Self, Receiver<String>) {
        let mut supervise = Command::new(super::tier::project().join("tests/real/supervise"));
        supervise.arg(work).arg(command.get_program()).args(command.get_args());
        clean_environment(&mut supervise, work);
        supervise.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        supervise.current_dir(work).process_group(0);
        supervise.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = supervise.spawn().expect("tests/real/supervise runs");
        let log = super::tier::real_folder().join(format!("{name}.log"));
        let stderr = child.stderr.take().expect("it was piped");
        let (send, lines) = sync_channel(1000);
        let mut file = std::fs::File::create(&log).expect("target/real can be written");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(file, "{line}");
                // Once the server is up there is no receiver; the line is in the log.
                let _ = send.try_send(line);
            }
        });
        (Self { name, child, log }, lines)
    }

    /// Waits for a line of its log for which `find` returns a value.
    ///
    /// # Panics
    /// The server ended, or no such line came within `timeout`.
    pub fn await_line<T>(
        &self,
        lines: &Receiver<String>,
        timeout: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> T {
        loop {
            let Ok(line) = lines.recv_timeout(timeout) else {
                panic!("{} did not start, see {}", self.name, self.log.display());
            };
            if let Some(found) = find(&line) {
                return found;
            }
        }
    }

    /// Checks that the server is running.
    ///
    /// # Panics
    /// It has ended; names its log.
    pub fn must_be_alive(&mut self) {
        let ended = self.child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "{} ended, see {}", self.name, self.log.display());
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Gives a child an environment in which it reaches loopback only: no `AWS_*`, no proxy, no profile
/// files, `home` as its home.
pub fn clean_environment(command: &mut Command, home: &Path) {
    command.env_clear();
    for name in ["PATH", "JAVA_HOME", "LANG"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("HOME", home).env("NO_PROXY", "127.0.0.1,localhost");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
}
