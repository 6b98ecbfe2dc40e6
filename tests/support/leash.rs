//! Child processes that cannot outlive the test: servers on a leash, and a clean environment.
//!
//! `tests/real/leash` holds the server in a process group of its own and watches a pipe that only
//! this process keeps open. When the process ends, even by SIGKILL, the server, its folder and
//! whatever it started are gone. So a server can live in a `static` that is never dropped.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A server that ends with this value, or with this process.
pub struct Leashed {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Leashed {
    /// Starts `command` on the leash; `work` is removed when it ends. What it writes to standard
    /// error goes to `target/real/<name>.log` and, until nobody listens, to the receiver.
    pub fn start(name: &'static str, work: &Path, command: &Command) -> (Self, Receiver<String>) {
        let mut leash = Command::new(super::tier::project().join("tests/real/leash"));
        leash.arg(work).arg(command.get_program()).args(command.get_args());
        clean(&mut leash, work);
        leash.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        leash.current_dir(work).process_group(0);
        leash.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = leash.spawn().expect("tests/real/leash runs");
        let log = super::tier::real_folder().join(format!("{name}.log"));
        let stderr = child.stderr.take().expect("it was piped");
        let (send, lines) = sync_channel(1000);
        let mut file = std::fs::File::create(&log).expect("target/real can be written");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(file, "{line}");
                // Nobody waits for a line any more once the server is up: the log has it.
                let _ = send.try_send(line);
            }
        });
        (Self { name, child, log }, lines)
    }

    /// Waits for a line of its log that `wanted` takes something from.
    ///
    /// # Panics
    /// The server ended, or `patience` did.
    pub fn await_line<T>(
        &self,
        lines: &Receiver<String>,
        patience: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> T {
        loop {
            let Ok(line) = lines.recv_timeout(patience) else {
                panic!("{} did not start, see {}", self.name, self.log.display());
            };
            if let Some(found) = wanted(&line) {
                return found;
            }
        }
    }

    /// Fails with the place of its log if the server has ended.
    ///
    /// # Panics
    /// It has.
    pub fn must_be_alive(&mut self) {
        let ended = self.child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "{} ended, see {}", self.name, self.log.display());
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// An environment for a child that reaches nothing but loopback: no `AWS_*`, no proxy, no profile
/// files, `home` as its home.
pub fn clean(command: &mut Command, home: &Path) {
    command.env_clear();
    for name in ["PATH", "JAVA_HOME", "LANG"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("HOME", home).env("NO_PROXY", "127.0.0.1,localhost");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
}
