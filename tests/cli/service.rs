//! A running `certrelay run`, which does not outlive its test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::certrelay;

/// Longest wait of a test.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Returns the result of `wait`; fails if it takes too long.
pub(super) fn within_timeout<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, result) = sync_channel(1);
    std::thread::spawn(move || send.send(wait()));
    result.recv_timeout(TIMEOUT).expect("a result in time")
}

pub(super) struct Service {
    child: Child,
    log: Receiver<String>,
}

impl Service {
    /// Starts `run` with this configuration, written to `folder`.
    pub(super) fn start(folder: &Path, config: &str) -> Self {
        Self::start_with(certrelay(), Stdio::null(), folder, config)
    }

    /// As [`start`](Self::start), in `folder` and from a shell that first runs `limit`.
    pub(super) fn start_limited(limit: &str, folder: &Path, config: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_certrelay"));
        shell.env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
        Self::start_with(shell, Stdio::null(), folder, config)
    }

    /// As [`start`](Self::start), with its standard output.
    pub(super) fn start_piped(folder: &Path, config: &str) -> (Self, ChildStdout) {
        let mut service = Self::start_with(certrelay(), Stdio::piped(), folder, config);
        let stdout = service.child.stdout.take().expect("it was piped");
        (service, stdout)
    }

    fn start_with(mut command: Command, stdout: Stdio, folder: &Path, config: &str) -> Self {
        let path = folder.join("certrelay.toml");
        fs::write(&path, config).expect("the configuration");
        command.arg("run").arg("-c").arg(&path).stdout(stdout).stderr(Stdio::piped());
        // Invalid, but enough to sign a request.
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let mut child = command.spawn().expect("certrelay runs");
        let stderr = child.stderr.take().expect("it was piped");
        let (send, log) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, log }
    }

    /// Waits for a line of the log with this text.
    pub(super) fn await_line(&self, text: &str) -> String {
        let mut log = String::new();
        while let Ok(line) = self.log.recv_timeout(TIMEOUT) {
            if line.contains(text) {
                return line;
            }
            log.push_str(&line);
            log.push('\n');
        }
        panic!("no line with {text:?}:\n{log}");
    }

    /// The address of its probes, from its own log.
    pub(super) fn address(&self) -> String {
        let line = self.await_line("serving /livez");
        let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON log line");
        line["address"].as_str().expect("an address").to_owned()
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, once.
    pub(super) fn terminate(&self) {
        self.signal("TERM");
    }

    /// This signal, once.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill");
        assert!(sent.success(), "there is no process {pid}");
    }

    /// Waits for its exit: its log ends with it.
    pub(super) fn ended(mut self) -> ExitStatus {
        let waited = loop {
            match self.log.recv_timeout(TIMEOUT) {
                Ok(_) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => break false,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break true,
            }
        };
        assert!(waited, "it does not exit");
        self.child.wait().expect("it was started")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
