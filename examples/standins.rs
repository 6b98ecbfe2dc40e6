//! `cargo run --example standins -- --load DIR`: S3, SQS and Splunk's HTTP Event Collector on this
//! machine, with your files in the bucket.
//!
//! Any S3/SQS consumer and any Splunk sender can be run and measured against them: the protocols
//! are AWS's and Splunk's, and each file in the bucket has sent its notification to the queue. They
//! listen on loopback only and keep everything in memory.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people, ended by a closed stream"
)]

#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use support::aws::{AwsSettings, AwsStandIns};
use support::hec::{HecStandIn, Options, Token};
use support::s3::Latency;

/// Stand-ins for S3, SQS and Splunk's HEC on loopback, until Ctrl-C. Every file below --load
/// becomes an object, and every object sends its notification to the queue, as S3 does.
#[derive(Debug, Parser)]
#[command(name = "standins")]
struct Flags {
    /// Folder whose files are put into the bucket; a file's key is its path below the folder.
    #[arg(long, value_name = "DIR")]
    load: Option<PathBuf>,
    /// Put before every key, for example AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/01/
    #[arg(long, default_value = "")]
    prefix: String,
    /// Name of the bucket.
    #[arg(long, default_value = "audit-logs")]
    bucket: String,
    /// Name of the queue; its dead-letter queue is called <QUEUE>-dead-letters.
    #[arg(long, default_value = "cloudtrail-objects")]
    queue: String,
    /// The queue's visibility timeout in seconds.
    #[arg(long, default_value_t = 30)]
    visibility: u64,
    /// Receives before a message moves to the dead-letter queue.
    #[arg(long, default_value_t = 5)]
    max_receive_count: u32,
    /// Latency of every object read: median and 99th percentile in milliseconds, for example 30,300
    #[arg(long, value_name = "P50,P99", value_parser = latency)]
    get_latency: Option<(u64, u64)>,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port of SQS; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    sqs_port: u16,
    /// Port of S3; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    s3_port: u16,
    /// Port of the HTTP Event Collector; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    hec_port: u16,
    /// The one token that the HTTP Event Collector accepts.
    #[arg(long, default_value = "stand-in-token")]
    hec_token: String,
    /// Indexer acknowledgement for that token.
    #[arg(long)]
    hec_ack: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let world = AwsStandIns::start(plan(&flags)).await?;
    if let Some((p50, p99)) = flags.get_latency {
        let millis = Duration::from_millis;
        world.s3.set_latency(Some(Latency::new(millis(p50), millis(p99), flags.seed)));
    }
    let loaded = match &flags.load {
        Some(folder) => load(&world, folder, &flags.prefix)?,
        None => 0,
    };
    let splunk = HecStandIn::start(hec_options(&flags)).await?;
    print_guide(&world, loaded);
    print_collector(&splunk, &flags.hec_token);
    println!("\nRunning until Ctrl-C, which prints the calls received.");
    tokio::signal::ctrl_c().await?;
    print_summary(&world, &splunk);
    Ok(())
}

fn hec_options(flags: &Flags) -> Options {
    let token = Token { use_ack: flags.hec_ack, ..Token::new(&flags.hec_token) };
    let listen = SocketAddr::from(([127, 0, 0, 1], flags.hec_port));
    Options { listen, tokens: vec![token], ..Options::default() }
}

fn plan(flags: &Flags) -> AwsSettings {
    AwsSettings {
        bucket: flags.bucket.clone(),
        queue: flags.queue.clone(),
        visibility: flags.visibility * 1000,
        max_receive_count: flags.max_receive_count,
        seed: flags.seed,
        sqs_port: flags.sqs_port,
        s3_port: flags.s3_port,
    }
}

/// Puts every file below `folder` into the bucket, in the order of their names; returns their
/// number.
fn load(world: &AwsStandIns, folder: &Path, prefix: &str) -> io::Result<usize> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| named(&folder, &error))? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for file in &files {
        let path = file.strip_prefix(folder).unwrap_or(file).to_string_lossy();
        let bytes = std::fs::read(file).map_err(|error| named(file, &error))?;
        world.s3.put(&world.settings.bucket, &format!("{prefix}{path}"), bytes);
    }
    Ok(files.len())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn print_guide(world: &AwsStandIns, loaded: usize) {
    let plan = &world.settings;
    println!("S3      {}  (path style), bucket {}, {loaded} objects", world.s3.url(), plan.bucket);
    println!("SQS     {}", world.queue_url());
    println!(
        "        visibility {} s; has one notification for each object, and one s3:TestEvent",
        plan.visibility / 1000
    );
    println!(
        "        after {} receives a message moves to {}",
        plan.max_receive_count,
        world.sqs_http.queue_url(&world.dead_letter_queue())
    );
    println!(
        "\nTo point any AWS SDK or the AWS CLI at them, export these (any client that honours"
    );
    println!("AWS_ENDPOINT_URL_* needs nothing else but path-style addressing for S3):\n");
    for (name, value) in world.environment() {
        println!("export {name}={value}");
    }
    println!("\nTry:    aws sqs receive-message --queue-url {}", world.queue_url());
    println!("        aws s3 ls --recursive s3://{}/", plan.bucket);
}

fn print_collector(splunk: &HecStandIn, token: &str) {
    println!("\nHEC     {}  token {token}", splunk.url());
    println!(
        "Try:    curl -H 'Authorization: Splunk {token}' -d '{{\"event\":\"hello\"}}' {}/services/collector",
        splunk.url()
    );
}

/// Prints the calls and messages, to compare consumers by.
fn print_summary(world: &AwsStandIns, splunk: &HecStandIn) {
    println!("\nSQS calls {:?}", world.sqs_http.calls());
    println!("S3 calls  {:?}", world.s3.calls());
    let (tally, counts) = world.sqs.with(|core, now| {
        let queues = [world.settings.queue.clone(), world.dead_letter_queue()];
        (core.tally, queues.map(|queue| core.counts(&queue, now).unwrap_or_default()))
    });
    println!("messages  {tally:?}");
    println!("queue     {:?}", counts[0]);
    println!("dead      {:?}", counts[1]);
    println!("HEC       {} requests, {} events", splunk.requests().len(), splunk.count());
}

fn latency(text: &str) -> Result<(u64, u64), String> {
    let wrong = || "two numbers of milliseconds, such as 30,300".to_owned();
    let (p50, p99) = text.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    match (number(p50)?, number(p99)?) {
        (p50, p99) if 0 < p50 && p50 <= p99 => Ok((p50, p99)),
        _ => Err("the median must be above zero and not above the 99th percentile".to_owned()),
    }
}
