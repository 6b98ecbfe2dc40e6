//! A consumer as a child process, and what it cost.

use std::error::Error;
use std::fmt;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::bare;
use super::support::world::World;

/// Clock ticks per second of /proc/PID/stat; 100 on every Linux that runs this.
const TICKS: f64 = 100.0;

/// A consumer that does not finish in this time is broken.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a consumer used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Seconds of CPU, user and system.
    pub(crate) cpu: f64,
    /// Seconds from its start to the empty queue.
    pub(crate) wall: f64,
    pub(crate) peak_rss_mib: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} CPU-s {:.2} s {:.0} MiB", self.cpu, self.wall, self.peak_rss_mib)
    }
}

/// A running consumer; killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    begun: Instant,
    _folder: tempfile::TempDir,
}

impl Child {
    /// This program again, as the bare loop.
    pub(crate) fn bare(world: &World) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(bare::ROLE, world.queue_url());
        Self::start(command, world, tempfile::tempdir()?)
    }

    /// `certrelay run` with its defaults, to the Splunk stand-in at `hec`.
    pub(crate) fn certrelay(world: &World, hec: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("bench.toml");
        std::fs::write(&place, configuration(world, hec))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
        command.arg("run").arg("-c").arg(place);
        Self::start(command, world, folder)
    }

    fn start(
        mut command: Command,
        world: &World,
        folder: tempfile::TempDir,
    ) -> Result<Self, Box<dyn Error>> {
        command.envs(world.environment()).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self { begun: Instant::now(), process: command.spawn()?, _folder: folder })
    }

    /// Waits until `done`, then reads what the child used so far and ends it.
    pub(crate) async fn until(mut self, done: impl Fn() -> bool) -> Result<Cost, Box<dyn Error>> {
        while !done() {
            if self.begun.elapsed() > PATIENCE || self.process.try_wait()?.is_some() {
                return Err("the consumer did not empty the queue".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let wall = self.begun.elapsed().as_secs_f64();
        let id = self.process.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        Ok(Cost { cpu: cpu_of(&stat), wall, peak_rss_mib: peak_of(&status) })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// utime + stime: the 14th and 15th fields, counted behind the program's name in brackets.
fn cpu_of(stat: &str) -> f64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

fn peak_of(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn configuration(world: &World, hec: &str) -> String {
    format!(
        r#"[[source]]
queue_url = "{queue}"
region = "us-east-1"
buckets = ["{bucket}"]

[aws]
s3_endpoint = "{s3}"
sqs_endpoint = "{sqs}"

[[route]]
name = "everything"
sinks = ["soc"]

[sink.soc]
type = "splunk_hec"
endpoints = ["{hec}"]
token = "stand-in-token"

[dead_letter]
directory = "dead-letters"

[log]
level = "warn"
"#,
        queue = world.queue_url(),
        bucket = world.plan.bucket,
        s3 = world.s3.url(),
        sqs = world.sqs_http.url(),
    )
}
