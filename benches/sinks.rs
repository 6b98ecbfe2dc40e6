//! `cargo bench --bench sinks`: what an event costs on its way into a sink, against a bare loop of the same client.
//!
//! This process plays Splunk (an HTTP server that reads and says yes) and Kafka (librdkafka's mock cluster). The senders
//! are child processes, so that only their CPU time is counted; both run in turns in one run, because only ratios of one
//! run mean anything on a shared machine. `--events N`, `--rounds N`, `--seconds N` (of one event a second).

#[path = "sinks/bare.rs"]
mod bare;
#[path = "sinks/collector.rs"]
mod collector;
#[path = "sinks/ours.rs"]
mod ours;

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::event::{Arrival, Event, Lane};
use clap::Parser;
use rdkafka::mocking::MockCluster;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Set in the environment of a child: a [`Task`] as JSON.
const TASK: &str = "CERTRELAY_BENCH_TASK";
/// Events of one request or batch, in both senders: certrelay's own bound.
const BATCH: usize = 1000;
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

/// What a child is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Task {
    sender: Sender,
    place: String,
    events: usize,
    /// One event a second instead of as many as go.
    trickle: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Sender {
    BareSplunk,
    Splunk,
    BareKafka,
    Kafka,
}

/// What a child reports.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Report {
    cpu: f64,
    wall: f64,
    /// Hand-over to outcome, in milliseconds.
    p50: f64,
    p99: f64,
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
    let report = match task.sender {
        Sender::BareSplunk => bare::splunk(task).await?,
        Sender::BareKafka => bare::kafka(task).await?,
        Sender::Splunk => ours::run(task, ours::splunk(&task.place)).await?,
        Sender::Kafka => ours::run(task, ours::kafka(&task.place)).await?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn parent(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let collector = collector::start().await?;
    let cluster = MockCluster::new(1)?;
    cluster.create_topic(TOPIC, 1, 1)?;
    println!("{} events of {} bytes a round, as raw records", flags.events, record(0).len());
    for (name, bare, ours, place) in [
        ("Splunk HEC", Sender::BareSplunk, Sender::Splunk, collector.url.clone()),
        ("Kafka", Sender::BareKafka, Sender::Kafka, cluster.bootstrap_servers()),
    ] {
        println!("\n{name}");
        let task =
            |sender| Task { sender, place: place.clone(), events: flags.events, trickle: false };
        let mut rounds = Vec::new();
        for round in 0..flags.rounds {
            let pair = (run(&task(bare)).await?, run(&task(ours)).await?);
            print_round(round, &pair);
            rounds.push(pair);
        }
        summarise(flags.events, &rounds);
        let trickle = Task { events: flags.seconds, trickle: true, ..task(ours) };
        let Report { p50, p99, .. } = run(&trickle).await?;
        println!("  one event a second: hand-over to outcome p50 {p50:.1} ms, p99 {p99:.1} ms");
    }
    Ok(())
}

/// A child that does `task`, and what it reports. Off the runtime, which plays the servers.
async fn run(task: &Task) -> Result<Report, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(TASK, serde_json::to_string(task)?).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim())
        .map_err(|_| format!("{task:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn print_round(round: usize, (bare, ours): &(Report, Report)) {
    println!(
        "  round {round}: bare {:.2} CPU-s {:.2} s   certrelay {:.2} CPU-s {:.2} s",
        bare.cpu, bare.wall, ours.cpu, ours.wall
    );
}

fn summarise(events: usize, rounds: &[(Report, Report)]) {
    let of = |figure: fn(&(Report, Report)) -> f64| median(rounds.iter().map(figure).collect());
    let events = events as f64;
    println!(
        "  events per CPU-second: bare {:.0}, certrelay {:.0}",
        events / of(|pair| pair.0.cpu),
        events / of(|pair| pair.1.cpu)
    );
    println!(
        "  events per second: bare {:.0}, certrelay {:.0}, certrelay ÷ bare {:.2}",
        events / of(|pair| pair.0.wall),
        events / of(|pair| pair.1.wall),
        of(|pair| pair.0.wall / pair.1.wall)
    );
    println!(
        "  at saturation: hand-over to outcome p50 {:.1} ms, p99 {:.1} ms",
        of(|pair| pair.1.p50),
        of(|pair| pair.1.p99)
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A record as IAM writes it, of about its usual size.
fn record(n: usize) -> String {
    let note = "the quick brown fox jumps over the lazy dog ".repeat(24);
    format!(
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/alice","accountId":"111122223333","userName":"alice"}},"eventTime":"2026-03-01T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"ListSigningCertificates","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"{note}","requestParameters":{{"userName":"alice"}},"responseElements":null,"requestID":"5b2b9c1e-0000-4000-8000-{n:012}","eventID":"0f2b7b1a-0000-4000-8000-{n:012}","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}"#
    )
}

fn event(n: usize) -> Result<Arc<Event>, Box<dyn Error>> {
    let origin = Origin::Inline { message_id: "m".to_owned() };
    let seen = OffsetDateTime::UNIX_EPOCH;
    let arrival = Arrival { origin, lane: Lane::Inline, seen, delivered: None };
    let record = Record { bytes: Bytes::from(record(n)), index: 0, offset: 0 };
    Event::read(record, arrival).map(Arc::new).map_err(|bad| bad.reason.into())
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
        let place = (latencies.len() as f64 * share) as usize;
        let latency = latencies.get(place.min(latencies.len().saturating_sub(1)));
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    };
    (at(0.5), at(0.99))
}
