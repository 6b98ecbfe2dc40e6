//! `cargo bench --bench sinks`: the cost of an event in a sink, compared with a bare loop over the
//! same client.
//!
//! This process is Splunk (an HTTP server that accepts everything) and Kafka (librdkafka's mock
//! cluster). The senders are child processes, so that only their CPU time counts; all run in turn
//! in one run, because only ratios within one run mean anything on a shared machine. Bare and
//! certrelay send the same bytes; formats other than the record are measured too. `--events N`,
//! `--rounds N`, `--seconds N` (of one event a second).

#![expect(clippy::print_stdout, reason = "a program for people, ended by a closed stream")]

#[path = "sinks/bare.rs"]
mod bare;
#[path = "sinks/collector.rs"]
mod collector;
#[path = "sinks/ours.rs"]
mod ours;
#[path = "sinks/records.rs"]
mod records;

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use rdkafka::mocking::MockCluster;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::collector::Collector;

/// Environment variable of a child: a [`Task`] as JSON.
const TASK: &str = "CERTRELAY_BENCH_TASK";
/// The topic of the mock cluster.
const TOPIC: &str = "bench";

#[derive(Debug, Parser)]
struct Flags {
    /// Events of a round.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Times that each sender runs.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one event each, for the latency of a trickle.
    #[arg(long, default_value_t = 30)]
    seconds: usize,
    /// Passed by cargo bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The task of a child.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Task {
    sender: Sender,
    address: String,
    events: usize,
    /// One event a second instead of as many as possible.
    trickle: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Sender {
    BareSplunk,
    BareKafka,
    /// certrelay's sink with these settings.
    Certrelay(String),
}

/// The report of a child.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Report {
    cpu: f64,
    wall: f64,
    /// Hand-over to outcome, in milliseconds.
    p50: f64,
    p99: f64,
    /// The same for the first event, which opens the connection.
    first: f64,
}

/// A running measurement.
struct Begun {
    cpu: f64,
    wall: Instant,
}

fn begin() -> Begun {
    Begun { cpu: cpu(), wall: Instant::now() }
}

impl Begun {
    fn end(self, latencies: Vec<Duration>) -> Report {
        let (cpu, wall) = (cpu() - self.cpu, self.wall.elapsed().as_secs_f64());
        let (p50, p99) = percentiles(latencies);
        Report { cpu, wall, p50, p99, first: 0.0 }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Two threads, as on the smallest task that is worth having.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match std::env::var(TASK) {
        Ok(task) => runtime.block_on(child(&serde_json::from_str(&task)?)),
        Err(_) => runtime.block_on(parent(&Flags::parse())),
    }
}

async fn child(task: &Task) -> Result<(), Box<dyn Error>> {
    let report = match &task.sender {
        Sender::BareSplunk => bare::splunk(task).await?,
        Sender::BareKafka => bare::kafka(task).await?,
        Sender::Certrelay(sink) => ours::run(task, sink).await?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn parent(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let records = records::all();
    let bytes: usize = records.iter().map(|known| known.bytes.len()).sum();
    println!("{} events a round, {} bytes each on average", flags.events, bytes / records.len());
    drop(records);
    let collector = collector::start().await?;
    let url = &collector.url;
    let sender = |mode| Sender::Certrelay(ours::splunk(url, mode));
    let senders = [
        ("bare", Sender::BareSplunk),
        ("certrelay, records", sender("records")),
        ("certrelay, events (cim)", sender("events")),
    ];
    measure("Splunk HEC", &senders, url, flags, Some(&collector)).await?;
    let cluster = MockCluster::new(1)?;
    cluster.create_topic(TOPIC, 1, 1)?;
    let brokers = cluster.bootstrap_servers();
    let sender = |format| Sender::Certrelay(ours::kafka(&brokers, format));
    let senders = [
        ("bare", Sender::BareKafka),
        ("certrelay, raw (the record)", sender("raw")),
        ("certrelay, ocsf", sender("ocsf")),
    ];
    measure("Kafka", &senders, &brokers, flags, None).await
}

/// Runs all senders in turn; the first one is the baseline, the second one also runs at one event a
/// second.
async fn measure(
    name: &str,
    senders: &[(&str, Sender)],
    address: &str,
    flags: &Flags,
    collector: Option<&Collector>,
) -> Result<(), Box<dyn Error>> {
    println!("\n{name}");
    let task = |sender: &Sender, trickle| {
        let events = if trickle { flags.seconds } else { flags.events };
        Task { sender: sender.clone(), address: address.to_owned(), events, trickle }
    };
    let mut rounds: Vec<Vec<Report>> = Vec::new();
    for _ in 0..flags.rounds {
        let mut reports = Vec::new();
        for (name, sender) in senders {
            reports.push(run(&task(sender, false)).await?);
            if let Some(bytes) = collector.map(Collector::take_bytes).filter(|_| rounds.is_empty())
            {
                let each = bytes as f64 / flags.events as f64;
                println!("  {name}: {each:.0} bytes an event sent");
            }
        }
        rounds.push(reports);
    }
    for (at, (name, _)) in senders.iter().enumerate() {
        summarise(name, at, flags.events, &rounds);
    }
    let Report { p50, p99, first, .. } = run(&task(&senders[1].1, true)).await?;
    println!(
        "  one event a second, {} after a first that took {first:.1} ms: p50 {p50:.1} ms, p99 {p99:.1} ms",
        flags.seconds
    );
    Ok(())
}

/// Runs `task` in a child and returns its report. Off the runtime, which runs the servers.
async fn run(task: &Task) -> Result<Report, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(TASK, serde_json::to_string(task)?).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim())
        .map_err(|_| format!("{task:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Medians, and medians of the ratios within a round, with their range.
fn summarise(name: &str, at: usize, events: usize, rounds: &[Vec<Report>]) {
    let of =
        |figure: fn(&Report) -> f64| median(&sorted(rounds.iter().map(|round| figure(&round[at]))));
    let to = |figure: fn(&Report) -> f64| {
        let ratios = sorted(rounds.iter().map(|round| figure(&round[0]) / figure(&round[at])));
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        format!("{:.2} ({least:.2} to {most:.2})", median(&ratios))
    };
    let events = events as f64;
    println!(
        "  {name}: {:.0} events/s, {:.0} events per CPU-second; ÷ bare {}, by CPU {}; p50 {:.1} ms, p99 {:.1} ms",
        events / of(|one| one.wall),
        events / of(|one| one.cpu),
        to(|one| one.wall),
        to(|one| one.cpu),
        of(|one| one.p50),
        of(|one| one.p99),
    );
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of this process, all threads.
fn cpu() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The middle and the 99th of 100 of some latencies, in milliseconds.
fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    latencies.sort();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        let latency = latencies.get(index.min(latencies.len().saturating_sub(1)));
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    };
    (at(0.5), at(0.99))
}
