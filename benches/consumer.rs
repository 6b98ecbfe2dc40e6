//! `cargo bench --bench consumer`: what an object costs, against a bare loop of the same SDK.
//!
//! Real deliveries are many tiny objects, so the figures are objects per CPU-second and per second.
//! This process serves S3, SQS and Splunk; the consumers are child processes, whose CPU time and
//! peak memory are read from /proc when the queue is empty. Both run in turns in one run, because
//! only ratios of one run are comparable on a shared machine. `cargo bench --bench consumer --
//! --help` lists the options.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people, ended by a closed stream"
)]

#[path = "consumer/bare.rs"]
mod bare;
#[path = "consumer/child.rs"]
mod child;
mod corpus;
#[path = "consumer/limit.rs"]
mod limit;
#[path = "consumer/report.rs"]
mod report;
#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use certrelay::cloudtrail::{Decoder, DecoderSettings, Selection};
use certrelay::config::{Decode, EventRule, GROUPS, Pattern};
use clap::Parser;

use child::{Child, Cost};
use support::aws::{AwsSettings, AwsStandIns};
use support::hec::{HecStandIn, Options};
use support::s3::Latency;

/// Messages processed at once, in both consumers: certrelay's default `max_concurrent_messages`.
const CONCURRENCY: usize = 64;

#[derive(Debug, Parser)]
struct Flags {
    /// Objects of the sizes that CloudTrail delivers.
    #[arg(long, default_value_t = 20_000)]
    objects: usize,
    /// Notifications, going round the objects; as many as objects if not given.
    #[arg(long)]
    notifications: Option<usize>,
    /// Times that each consumer empties the queue.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Latency of GetObject in ms: median and 99th percentile.
    #[arg(long, value_name = "P50,P99")]
    latency: Option<String>,
    /// One more object, of so many MiB uncompressed.
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    giant: usize,
    /// Certrelay processes on the one queue.
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// CPUs that each consumer may use (a control group, version 1; needs root).
    #[arg(long)]
    cpus: Option<f64>,
    /// Only certrelay, not the bare loop.
    #[arg(long)]
    alone: bool,
    /// Print memory and open files every so many notifications.
    #[arg(long)]
    watch: Option<usize>,
    /// Passed by cargo bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os(bare::ROLE).is_some() {
        return bare::run(CONCURRENCY).await;
    }
    let flags = Flags::parse();
    let world =
        AwsStandIns::start(AwsSettings { visibility: 120_000, ..AwsSettings::default() }).await?;
    let splunk = HecStandIn::start(Options::default()).await?;
    let (keys, events) = fill(&world, &flags);
    let mean = flags.latency.as_deref().map(|text| set_latency(&world, text)).transpose()?;
    let limit = flags.cpus.map(limit::Limit::new).transpose()?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..flags.rounds {
        if !flags.alone {
            announce(&world, &keys, &flags)?;
            let child = Child::bare(&world, limit.as_ref())?;
            bare.push(watch(&world, &flags, vec![child]).await?);
            println!("round {round}: bare       {}", bare[round]);
        }
        announce(&world, &keys, &flags)?;
        let start = |_| Child::certrelay(&world, &splunk.url(), limit.as_ref());
        let children = (0..flags.processes).map(start).collect::<Result<Vec<_>, _>>()?;
        ours.push(watch(&world, &flags, children).await?);
        println!("round {round}: certrelay  {}", ours[round]);
    }
    let count = flags.notifications.unwrap_or(keys.len());
    report::print(&ours, &bare, count, mean.map(|mean| (mean, CONCURRENCY * flags.processes)));
    println!(
        "events indexed: {} of {}",
        splunk.indexed().len(),
        flags.rounds * flags.processes.min(1) * events
    );
    Ok(())
}

/// Puts the objects into the bucket; returns their keys and the number of events in them.
fn fill(world: &AwsStandIns, flags: &Flags) -> (Vec<(String, usize)>, usize) {
    let shape =
        corpus::Shape { files: flags.objects, records: None, hit_every: 1000, decoy_every: 500 };
    let mut objects = corpus::make(shape);
    let bytes: usize = objects.iter().map(Vec::len).sum();
    println!("{} objects, mean {} stored bytes", objects.len(), bytes / objects.len().max(1));
    if flags.giant > 0 {
        let [first, part, last] = corpus::endless();
        let times = (flags.giant << 20) / (5000 * 1800);
        let parts = std::iter::repeat_n(part, times).flatten();
        let giant: Vec<u8> = first.into_iter().chain(parts).chain(last).collect();
        println!("one more of {} stored bytes", giant.len());
        objects.insert(objects.len() / 4, giant);
    }
    let mut events = 0;
    let keys = objects.into_iter().enumerate().map(|(number, object)| {
        let key = format!(
            "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/01/\
             111122223333_CloudTrail_us-east-1_20260301T0000Z_{number:016}.json.gz"
        );
        let size = object.len();
        events += selected(&object);
        world.s3.put_silently(&world.settings.bucket, &key, object);
        (key, size)
    });
    let keys = keys.collect();
    println!("{events} events");
    (keys, events)
}

fn selected(object: &[u8]) -> usize {
    let names =
        GROUPS.iter().flat_map(|(_, source, names)| names.iter().map(move |name| (source, name)));
    let rules = names.map(|(source, name)| EventRule {
        source: (*source).to_owned(),
        name: Pattern::new(name).expect("a name"),
    });
    let selection = Arc::new(Selection::new(rules.collect()));
    let mut found = Vec::new();
    let mut decoder = Decoder::new(DecoderSettings { limits: Decode::default(), selection });
    decoder.decode(object, &mut found).map_or(0, |tally| tally.selected as usize)
}

/// Sets the latency and returns its mean in seconds, from the same distribution.
fn set_latency(world: &AwsStandIns, text: &str) -> Result<f64, Box<dyn Error>> {
    let (p50, p99) = text.split_once(',').ok_or("--latency needs P50,P99")?;
    let (p50, p99) = (p50.parse::<u64>()?, p99.parse::<u64>()?);
    let latency = Latency::new(Duration::from_millis(p50), Duration::from_millis(p99), 1);
    world.s3.set_latency(Some(latency));
    // Log-normal: median e^mu, p99 = e^(mu + 2.326 sigma), mean e^(mu + sigma²/2).
    let sigma = (p99 as f64 / p50 as f64).ln() / 2.326;
    Ok(p50 as f64 / 1000.0 * (sigma * sigma / 2.0).exp())
}

/// Fills the queue.
fn announce(
    world: &AwsStandIns,
    keys: &[(String, usize)],
    flags: &Flags,
) -> Result<(), Box<dyn Error>> {
    let queue = &world.settings.queue;
    // The s3:TestEvent of the set-up names no object, and the bare loop would never delete it.
    world.sqs.with(|queues, _| queues.purge(queue)).map_err(|error| error.to_string())?;
    let count = flags.notifications.unwrap_or(keys.len());
    for (key, size) in keys.iter().cycle().take(count) {
        let body = notification(&world.settings.bucket, key, *size);
        world.sqs.send(queue, &body).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Waits until the children have emptied the queue, and returns what they cost together.
async fn watch(
    world: &AwsStandIns,
    flags: &Flags,
    children: Vec<Child>,
) -> Result<Cost, Box<dyn Error>> {
    let left = || {
        let counts = world.sqs.with(|queues, now| queues.counts(&world.settings.queue, now));
        counts.map_or(usize::MAX, |left| left.ready + left.in_flight)
    };
    let before = calls(world);
    let mut cost = child::until_empty(children, left, flags.watch).await?;
    cost.calls = calls(world) - before;
    // A receive call of the killed child would still receive messages: its connection must close
    // first.
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(cost)
}

/// Returns the number of SQS calls so far.
fn calls(world: &AwsStandIns) -> u64 {
    world.sqs_http.calls().values().sum()
}

fn notification(bucket: &str, key: &str, size: usize) -> String {
    serde_json::json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": size}},
    }]})
    .to_string()
}
