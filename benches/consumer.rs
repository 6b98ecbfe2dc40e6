//! `cargo bench --bench consumer`: what an object costs, against a bare loop of the same SDK.
//!
//! Real deliveries are many tiny objects, so the figures are objects per CPU-second and per second.
//! This process plays S3, SQS and Splunk; the consumers are child processes, whose CPU time and peak memory
//! are read from /proc when the queue is empty. Both run in turns in one run, because only ratios of
//! one run mean anything on a shared machine.
//!
//! `--objects N`, `--rounds N`, `--latency P50,P99` (ms, of every GetObject).

#[path = "consumer/bare.rs"]
mod bare;
#[path = "consumer/child.rs"]
mod child;
#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::time::Duration;

use clap::Parser;

use child::{Child, Cost};
use support::hec::{HecStandIn, Options};
use support::s3::Latency;
use support::samples::{self, Samples, Shape};
use support::world::{Plan, World};

/// Messages being worked on at once, in both consumers: certrelay's default `delivery.work`.
const CONCURRENCY: usize = 64;

#[derive(Debug, Parser)]
struct Flags {
    /// Objects of the real size distribution.
    #[arg(long, default_value_t = 20_000)]
    objects: usize,
    /// Times that each consumer empties the queue.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Latency of GetObject in ms: median and 99th percentile.
    #[arg(long, value_name = "P50,P99")]
    latency: Option<String>,
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
    let world = World::start(Plan { visibility: 120_000, ..Plan::default() }).await?;
    let splunk = HecStandIn::start(Options::default()).await?;
    let samples = objects(&flags);
    let bytes: usize = samples.objects.iter().map(|object| object.gzip.len()).sum();
    for object in &samples.objects {
        world.s3.put_silently(&world.plan.bucket, &object.key, object.gzip.clone());
    }
    println!(
        "{} objects, {} records, {} events, mean {} stored bytes; work = {CONCURRENCY}",
        samples.objects.len(),
        samples.records,
        samples.expected.len(),
        bytes / samples.objects.len(),
    );
    let mean = flags.latency.as_deref().map(|text| set_latency(&world, text)).transpose()?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..flags.rounds {
        bare.push(empty_queue(&world, &samples, Child::bare(&world)?).await?);
        ours.push(empty_queue(&world, &samples, Child::certrelay(&world, &splunk.url())?).await?);
        println!("round {round}: bare {}   certrelay {}", bare[round], ours[round]);
    }
    report(&ours, &bare, samples.objects.len(), mean);
    let indexed = splunk.indexed().len();
    println!("events indexed: {indexed} of {}", flags.rounds * samples.expected.len());
    Ok(())
}

/// As delivered: one record in a thousand ours, two that only look like it.
fn objects(flags: &Flags) -> Samples {
    let records = &as_delivered;
    samples::shaped(1, &Shape { files: flags.objects, records, ours: 0.001, decoys: 0.002 })
}

/// Records per delivered object as they were measured over thousands of real ones: p10 1, p50 5,
/// p75 9, p90 16, p99 42, and now and then hundreds.
fn as_delivered(rng: &mut fastrand::Rng) -> usize {
    match rng.u16(0..1000) {
        0..100 => 1,
        100..500 => rng.usize(1..=5),
        500..750 => rng.usize(5..=9),
        750..900 => rng.usize(9..=16),
        900..990 => rng.usize(16..=42),
        990..999 => rng.usize(42..=204),
        _ => rng.usize(204..=622),
    }
}

/// Sets the latency and answers its mean in seconds, drawn from the same distribution.
fn set_latency(world: &World, text: &str) -> Result<f64, Box<dyn Error>> {
    let (p50, p99) = text.split_once(',').ok_or("--latency wants P50,P99")?;
    let (p50, p99) = (p50.parse::<u64>()?, p99.parse::<u64>()?);
    let latency = Latency::new(Duration::from_millis(p50), Duration::from_millis(p99), 1);
    world.s3.set_latency(Some(latency));
    // Log-normal: median e^mu, p99 = e^(mu + 2.326 sigma), mean e^(mu + sigma²/2).
    let sigma = (p99 as f64 / p50 as f64).ln() / 2.326;
    Ok(p50 as f64 / 1000.0 * (sigma * sigma / 2.0).exp())
}

/// Announces every object, lets `child` work until the queue is empty, and answers what it cost.
async fn empty_queue(
    world: &World,
    samples: &Samples,
    child: Child,
) -> Result<Cost, Box<dyn Error>> {
    let queue = &world.plan.queue;
    // The s3:TestEvent of the set-up names no object, and the bare loop would never delete it.
    world.sqs.with(|queues, _| queues.purge(queue)).map_err(|error| error.to_string())?;
    for object in &samples.objects {
        let body = notification(&world.plan.bucket, &object.key, object.gzip.len());
        world.sqs.send(queue, &body).map_err(|error| error.to_string())?;
    }
    let left = || world.sqs.with(|queues, now| queues.counts(queue, now));
    child.until(|| left().is_ok_and(|left| left.ready + left.in_flight == 0)).await
}

fn notification(bucket: &str, key: &str, size: usize) -> String {
    serde_json::json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": size}},
    }]})
    .to_string()
}

fn report(ours: &[Cost], bare: &[Cost], objects: usize, mean_latency: Option<f64>) {
    let per = |costs: &[Cost], of: fn(&Cost) -> f64| {
        median(costs.iter().map(|cost| objects as f64 / of(cost)).collect())
    };
    let ratio = median(ours.iter().zip(bare).map(|(ours, bare)| ours.cpu / bare.cpu).collect());
    let rss = ours.iter().map(|cost| cost.peak_rss_mib).fold(0.0, f64::max);
    println!(
        "objects per CPU-second   bare {:.0}   certrelay {:.0}",
        per(bare, |c| c.cpu),
        per(ours, |c| c.cpu)
    );
    println!(
        "objects per second       bare {:.0}   certrelay {:.0}",
        per(bare, |c| c.wall),
        per(ours, |c| c.wall)
    );
    println!("CPU per object, certrelay ÷ bare: {ratio:.2}");
    println!("peak RSS of certrelay: {rss:.0} MiB");
    if let Some(mean) = mean_latency {
        let possible = CONCURRENCY as f64 / mean;
        let reached = per(ours, |c| c.wall);
        println!(
            "Little's law allows {possible:.0}/s at {:.0} ms; reached {:.2} of it",
            mean * 1000.0,
            reached / possible
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
