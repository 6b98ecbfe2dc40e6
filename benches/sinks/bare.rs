//! The bare loops: the same client, the same bytes on the wire, and nothing else. They start from
//! the record's bytes and the few facts that stand beside them, and neither redact, judge, batch
//! for others nor answer anybody.

use std::collections::VecDeque;
use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::time::Instant;

use super::records::{self, Known};
use super::{Report, TOPIC, Task, begin};

/// Bytes of a request, as certrelay's default `max_batch_bytes`.
const MOST: usize = 1_000_000;
/// Records that may wait for their reports, as certrelay's four batches of 500.
const QUEUED: usize = 2000;

/// reqwest: each record into an envelope, gzip, POST; one request at a time, as certrelay's.
pub(crate) async fn splunk(task: &Task) -> Result<Report, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/services/collector/event", task.address);
    let records = records::all();
    // The connection is made before the measurement begins, as certrelay's.
    client.post(&url).send().await?.bytes().await?;
    let begun = begin();
    let mut latencies = Vec::new();
    let mut sent = 0;
    while sent < task.events {
        let first = Instant::now();
        let mut body = Vec::with_capacity(MOST);
        while sent < task.events && body.len() < MOST - 2000 {
            wrap(&records[sent % records.len()], &mut body)?;
            sent += 1;
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        encoder.write_all(&body)?;
        let request = client.post(&url).header("authorization", "Splunk token");
        let request = request.header("content-encoding", "gzip").body(encoder.finish()?);
        request.send().await?.error_for_status()?.bytes().await?;
        latencies.push(first.elapsed());
    }
    Ok(begun.end(latencies))
}

/// The envelope of `mode = "records"`.
fn wrap(known: &Known, body: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let Known { id, account, key, time, .. } = known;
    let (seconds, millis) = (time.unix_timestamp(), time.millisecond());
    write!(
        body,
        r#"{{"time":{seconds}.{millis:03},"host":"{account}","source":"s3://audit-logs/{key}","sourcetype":"aws:cloudtrail","event":"#
    )?;
    body.extend_from_slice(&known.bytes);
    write!(body, r#","fields":{{"event_id":"{id}"}}}}"#)?;
    body.push(b'\n');
    Ok(())
}

/// A FutureProducer with certrelay's own properties, key and headers. As many records wait for
/// their reports as certrelay lets wait; the oldest report is awaited before the next record is
/// queued.
pub(crate) async fn kafka(task: &Task) -> Result<Report, Box<dyn Error>> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &task.address)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "zstd")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("queue.buffering.max.kbytes", "32768")
        .create()?;
    let records = records::all();
    let first = FutureRecord::<str, _>::to(TOPIC).payload(&records[0].bytes[..]);
    producer.send(first, Duration::from_secs(30)).await.map_err(|(fault, _)| fault)?;
    let begun = begin();
    let mut latencies = Vec::with_capacity(task.events);
    let mut queued: VecDeque<(Instant, DeliveryFuture)> = VecDeque::new();
    for known in records.iter().cycle().take(task.events) {
        if queued.len() == QUEUED
            && let Some((since, report)) = queued.pop_front()
        {
            report.await?.map_err(|(fault, _)| fault)?;
            latencies.push(since.elapsed());
        }
        let record = FutureRecord::to(TOPIC).key(&known.account).payload(&known.bytes[..]);
        let delivery = producer.send_result(record.headers(headers(known)));
        queued.push_back((Instant::now(), delivery.map_err(|(fault, _)| fault)?));
    }
    for (since, report) in queued {
        report.await?.map_err(|(fault, _)| fault)?;
        latencies.push(since.elapsed());
    }
    Ok(begun.end(latencies))
}

fn headers(known: &Known) -> OwnedHeaders {
    let pairs = [
        ("event_id", known.id.as_str()),
        ("event_name", known.name),
        ("format", "raw"),
        ("content_type", "application/json"),
        ("channel", "s3"),
    ];
    pairs.into_iter().fold(OwnedHeaders::new_with_capacity(pairs.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    })
}
