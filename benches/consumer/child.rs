//! A consumer as a child process, and what it cost.

use std::error::Error;
use std::fmt;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::bare;
use super::limit::Limit;
use super::support::aws::AwsStandIns;

/// Clock ticks per second of /proc/PID/stat; 100 on every Linux that runs this.
const TICKS: f64 = 100.0;

/// A consumer that does not finish in this time has failed.
const TIMEOUT: Duration = Duration::from_secs(600);

/// What a consumer used; several of them together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Seconds of CPU, user and system.
    pub(crate) cpu: f64,
    /// Seconds from its start to the empty queue.
    pub(crate) wall: f64,
    /// Seconds from its start to the first message that left the queue.
    pub(crate) first: f64,
    /// Of the largest.
    pub(crate) peak_rss_mib: f64,
    /// Calls of SQS.
    pub(crate) calls: u64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, wall, first, peak_rss_mib, calls } = self;
        write!(
            f,
            "{cpu:.2} CPU-s {wall:.2} s (first {first:.2}) {peak_rss_mib:.0} MiB {calls} calls"
        )
    }
}

/// A running consumer; killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    begun: Instant,
    _folder: tempfile::TempDir,
}

impl Child {
    /// Starts this program again, as the bare loop.
    pub(crate) fn bare(world: &AwsStandIns, limit: Option<&Limit>) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(bare::ROLE, world.queue_url());
        Self::start(command, world, limit, tempfile::tempdir()?)
    }

    /// Starts `certrelay run` with its defaults, to the Splunk stand-in at `hec`.
    pub(crate) fn certrelay(
        world: &AwsStandIns,
        hec: &str,
        limit: Option<&Limit>,
    ) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bench.toml");
        std::fs::write(&path, configuration(world, hec))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
        command.arg("run").arg("-c").arg(path).env("HEC_TOKEN", "stand-in-token");
        Self::start(command, world, limit, folder)
    }

    fn start(
        mut command: Command,
        world: &AwsStandIns,
        limit: Option<&Limit>,
        folder: tempfile::TempDir,
    ) -> Result<Self, Box<dyn Error>> {
        command.envs(world.environment()).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn()?;
        if let Some(limit) = limit {
            limit.take(process.id())?;
        }
        Ok(Self { begun: Instant::now(), process, _folder: folder })
    }

    fn read(&self, file: &str) -> std::io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))
    }

    fn print(&self, left: usize) -> std::io::Result<()> {
        let (rss, threads) =
            (line(&self.read("status")?, "VmRSS:"), line(&self.read("status")?, "Threads:"));
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count();
        println!(
            "  {left:>8} left: {:.1} MiB, {files} open files, {threads} threads",
            rss / 1024.0
        );
        Ok(())
    }
}

/// Waits until nothing is left, then reads what the children used so far and ends them.
pub(crate) async fn until_empty(
    mut children: Vec<Child>,
    left: impl Fn() -> usize,
    every: Option<usize>,
) -> Result<Cost, Box<dyn Error>> {
    let (begun, all) = (children[0].begun, left());
    let mut cost = Cost::default();
    let mut next = all;
    loop {
        let now = left();
        if now < all && cost.first == 0.0 {
            cost.first = begun.elapsed().as_secs_f64();
        }
        if let Some(every) = every.filter(|_| now <= next) {
            children[0].print(now)?;
            next = now.saturating_sub(every);
        }
        if now == 0 {
            break;
        }
        for child in &mut children {
            if begun.elapsed() > TIMEOUT || child.process.try_wait()?.is_some() {
                return Err("the consumer did not empty the queue".into());
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cost.wall = begun.elapsed().as_secs_f64();
    for child in &children {
        cost.cpu += cpu_of(&child.read("stat")?);
        cost.peak_rss_mib = cost.peak_rss_mib.max(line(&child.read("status")?, "VmHWM:") / 1024.0);
    }
    Ok(cost)
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

/// The number of a line of /proc/PID/status; sizes are in KiB.
fn line(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}

fn configuration(world: &AwsStandIns, hec: &str) -> String {
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
token = {{ env = "HEC_TOKEN" }}

[dead_letter]
directory = "dead-letters"

[log]
level = "warn"
"#,
        queue = world.queue_url(),
        bucket = world.settings.bucket,
        s3 = world.s3.url(),
        sqs = world.sqs_http.url(),
    )
}
