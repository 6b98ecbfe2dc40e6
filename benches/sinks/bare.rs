//! The bare loops: the same client, the same bytes, one request after the other, and nothing else.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::Instant;

use super::{BATCH, Report, TOPIC, Task, cpu, percentiles, record};

/// Bytes of a request, as certrelay's default `max_batch_bytes`.
const MOST: usize = 1_000_000;

fn records() -> Vec<String> {
    (0..BATCH).map(record).collect()
}

fn report(before: (f64, Instant), latencies: Vec<Duration>) -> Report {
    let (p50, p99) = percentiles(latencies);
    Report { cpu: cpu() - before.0, wall: before.1.elapsed().as_secs_f64(), p50, p99 }
}

/// reqwest: each record into an envelope, gzip, POST.
pub(crate) async fn splunk(task: &Task) -> Result<Report, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/services/collector/event", task.place);
    let records = records();
    let before = (cpu(), Instant::now());
    let mut latencies = Vec::new();
    let mut sent = 0;
    while sent < task.events {
        let begun = Instant::now();
        let mut body = Vec::with_capacity(MOST);
        while sent < task.events && body.len() < MOST - 2000 {
            let n = sent % BATCH;
            let record = &records[n];
            write!(
                body,
                r#"{{"time":1772355600.000,"host":"111122223333","source":"m","sourcetype":"aws:cloudtrail","event":{record},"fields":{{"event_id":"{n}"}}}}"#
            )?;
            body.push(b'\n');
            sent += 1;
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        encoder.write_all(&body)?;
        let request = client.post(&url).header("authorization", "Splunk token");
        let request = request.header("content-encoding", "gzip").body(encoder.finish()?);
        request.send().await?.error_for_status()?.bytes().await?;
        latencies.push(begun.elapsed());
    }
    Ok(report(before, latencies))
}

/// A FutureProducer with certrelay's own properties: a batch queued, then all its reports awaited.
pub(crate) async fn kafka(task: &Task) -> Result<Report, Box<dyn Error>> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &task.place)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "zstd")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .create()?;
    let records = records();
    let before = (cpu(), Instant::now());
    let mut latencies = Vec::new();
    for first in (0..task.events).step_by(BATCH) {
        let begun = Instant::now();
        let count = BATCH.min(task.events - first);
        let reports = records[..count].iter().map(|record| {
            let record = FutureRecord::to(TOPIC).key("111122223333").payload(record);
            producer.send(record, Duration::from_secs(30))
        });
        try_join_all(reports).await.map_err(|(fault, _)| fault)?;
        latencies.push(begun.elapsed());
    }
    Ok(report(before, latencies))
}
