//! `certrelay run` as a child process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::scrape::Scrape;
use crate::support::{process, s3, wait};

/// A running service; killed when it is dropped.
pub(crate) struct Service {
    child: Child,
    probes: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
    reader: Option<std::thread::JoinHandle<()>>,
    http: reqwest::Client,
}

/// How a service ended.
pub(crate) struct Ended {
    /// Its exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// Its whole log, each line parsed.
    pub(crate) log: Vec<Value>,
}

impl Service {
    /// Writes `config` into `folder` and starts the binary with it, with the stand-ins' credentials
    /// as its whole environment. Returns once it serves probes.
    pub(crate) async fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("certrelay.toml");
        std::fs::write(&file, config).expect("the folder can be written to");
        let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
        process::clean_environment(&mut command, folder);
        command.env("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY);
        command.env("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY);
        command.arg("run").arg("-c").arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("it was piped");
        let reader = Some(read_log(stderr, Arc::clone(&log)));
        let probes = wait::until("the child's probes", async || {
            let log = log.lock();
            let ended = child.try_wait().expect("our child");
            assert!(ended.is_none(), "the child exited: {log:#?}");
            log.iter().find_map(address)
        })
        .await;
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { child, probes, log, reader, http }
    }

    /// Every line of its log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().clone()
    }

    /// Requests a probe; returns status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.probes);
        let response = self.http.get(url).send().await.expect("a response");
        (response.status().as_u16(), response.text().await.expect("text"))
    }

    /// The current metrics.
    pub(crate) async fn metrics(&self) -> Scrape {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Scrape::read(&text)
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        let status = self.child.wait().expect("our child");
        assert_eq!(status.code(), None, "it had exited before the kill: {:#?}", self.log());
    }

    /// Sends SIGTERM; returns the exit code and the log.
    pub(crate) async fn terminate(mut self) -> Ended {
        let pid = self.child.id().to_string();
        let signal = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        assert!(signal.is_ok_and(|status| status.success()), "no SIGTERM could be sent");
        let status = wait::until("the child to end after SIGTERM", async || {
            self.child.try_wait().expect("our child")
        })
        .await;
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a readable log");
        }
        Ended { code: status.code(), log: self.log() }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects the lines, each of which must be JSON.
fn read_log(stderr: ChildStderr, log: Arc<Mutex<Vec<Value>>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let parsed = serde_json::from_str(&line).unwrap_or(Value::String(line));
            log.lock().push(parsed);
        }
    })
}

/// The address in the line that announces the probes.
fn address(line: &Value) -> Option<SocketAddr> {
    let text = line["address"].as_str()?;
    text.trim_start_matches("Some(").trim_end_matches(')').parse().ok()
}
