//! An OpenTelemetry Collector process: its Splunk HEC receiver with an exporter that writes to a
//! file. It can be killed and restarted at the same address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::exported::{Exported, read};
use crate::support::process::ChildServer;
use crate::support::tier;

/// The configuration; words in capitals are replaced.
const TEMPLATE: &str = include_str!("../../real/collector/collector.yaml");

/// The options of a test.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// With the acknowledgement extension.
    pub(crate) ack: bool,
    /// With the extension that requires this token.
    pub(crate) token: Option<&'static str>,
    /// Maximum bytes of a body, compressed or not.
    pub(crate) limit: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self { ack: false, token: Some("collector-token"), limit: 20 << 20 }
    }
}

/// A collector, running or killed.
pub(crate) struct Collector {
    name: &'static str,
    setup: Setup,
    program: PathBuf,
    address: SocketAddr,
    /// The output folder; one file for each run, since a killed one may end in the middle of a
    /// line.
    out: TempDir,
    runs: usize,
    server: Option<ChildServer>,
}

impl Collector {
    /// `None` if the collector is not installed, which was logged. `name` is for its log.
    pub(crate) fn start(name: &'static str, setup: Setup) -> Option<Self> {
        let program = tier::require("collector")?.join("collector");
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
        let address = any.local_addr().expect("it is bound");
        drop(any);
        let out = tempfile::tempdir().expect("a temporary folder");
        let mut collector = Self { name, setup, program, address, out, runs: 0, server: None };
        collector.start_again();
        Some(collector)
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it and waits until it listens, for at most a minute.
    pub(crate) fn start_again(&mut self) {
        self.runs += 1;
        let work = tempfile::Builder::new().prefix("certrelay-collector-").tempdir();
        let work = work.expect("a temporary folder").keep();
        let settings = work.join("collector.yaml");
        std::fs::write(&settings, self.settings()).expect("the temporary folder can be written");
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(format!("file:{}", settings.display()));
        let (mut server, _) = ChildServer::start(self.name, &work, &command);
        for _ in 0..6000 {
            server.must_be_alive();
            if TcpStream::connect(self.address).is_ok() {
                self.server = Some(server);
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("the collector does not listen, see target/real/{}.log", self.name);
    }

    fn file(&self, run: usize) -> PathBuf {
        self.out.path().join(format!("{run}.json"))
    }

    fn settings(&self) -> String {
        let mut extensions = Vec::new();
        let mut text = TEMPLATE.to_owned();
        if self.setup.ack {
            extensions.push("ack");
            text = text.replace("# ACK", "");
        }
        if let Some(token) = self.setup.token {
            extensions.push("bearertokenauth");
            text = text.replace("# TOKEN", "").replace("TOKEN", token);
        }
        let text = text
            .replace("ADDRESS", &self.address.to_string())
            .replace("LIMIT", &self.setup.limit.to_string())
            .replace("FILE", &self.file(self.runs).display().to_string())
            .replace("EXTENSIONS", &extensions.join(", "));
        let kept = text.lines().filter(|line| !line.contains("# ACK") && !line.contains("# TOKEN"));
        kept.map(|line| format!("{line}\n")).collect()
    }

    /// Returns every event that it exported in any run, in order.
    pub(crate) fn exported(&self) -> Vec<Exported> {
        (1..=self.runs).flat_map(|run| read(&self.file(run))).collect()
    }

    /// Returns the bytes that it wrote in all runs.
    pub(crate) fn written(&self) -> u64 {
        let sizes = (1..=self.runs).map(|run| std::fs::metadata(self.file(run)));
        sizes.filter_map(Result::ok).map(|file| file.len()).sum()
    }

    /// Polls until it has written more than that.
    pub(crate) async fn writes_past(&self, before: u64) {
        while self.written() <= before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
