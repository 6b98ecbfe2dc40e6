//! `make demo`: the whole path in one process, on loopback.
//!
//! S3, SQS and Splunk are stand-ins that implement the real protocols, Kafka is librdkafka's mock
//! cluster; between them runs the same pipeline as in `certrelay run`, with the real AWS SDK, Kafka
//! client and HTTP client. At the end the eventIDs at every destination are compared with those
//! that were put in, and any difference is exit code 1.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people, ended by a closed stream"
)]

#[path = "demo/kafka.rs"]
mod kafka;
#[path = "demo/report.rs"]
mod report;
#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, Region};
use certrelay::app;
use certrelay::cloudtrail::{Origin, Record};
use certrelay::config::{self, LogConfig};
use certrelay::event::{self, Arrival as Arrived, Channel, Event};
use certrelay::pipeline;
use certrelay::telemetry::{self, Metrics};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use kafka::Broker;
use report::{Arrival, Destination};
use support::aws::{AwsSettings, AwsStandIns};
use support::hec::{HecStandIn, Options};
use support::s3::{ACCESS_KEY, SECRET_KEY};
use support::samples::{self, Samples};

/// Time after which the demo fails.
const TIMEOUT: Duration = Duration::from_secs(60);

const TOPIC: &str = "iam-certificate-events";

const INTRODUCTION: &str = "\
certrelay watches the certificates in AWS IAM: it reads CloudTrail's files as S3
announces them, keeps the IAM certificate events, judges and explains each, and
delivers it. This demo runs the real pipeline between stand-ins for S3, SQS,
Kafka and Splunk on loopback.
";

const NEXT: &str = "\
next: certrelay explain FILE…       your own CloudTrail files, for a person
      certrelay scan FOLDER         the same as OCSF, one event a line
      make demo KEEP=DIR            keeps this configuration and what arrived
      docs/deployment.md            from nothing to the first event on AWS";

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            eprintln!("error: the demo cannot run: {cause}");
            ExitCode::FAILURE
        }
    }
}

/// Where the configuration and the outputs are: a folder that is removed, or that of `--keep DIR`.
fn folder() -> Result<(PathBuf, Option<tempfile::TempDir>), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => {
            let folder = tempfile::tempdir()?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
        (Some("--keep"), Some(folder)) => {
            std::fs::create_dir(&folder).map_err(|cause| format!("{folder}: {cause}"))?;
            Ok((std::path::absolute(folder)?, None))
        }
        _ => Err("usage: demo [--keep DIR], where DIR does not exist yet".into()),
    }
}

/// Runs the demo; returns whether every destination has exactly the expected events.
async fn demo() -> Result<bool, Box<dyn Error>> {
    let (folder, temporary) = folder()?;
    println!("{INTRODUCTION}");
    let world =
        AwsStandIns::start(AwsSettings { visibility: 20_000, ..AwsSettings::default() }).await?;
    let splunk = HecStandIn::start(Options::default()).await?;
    let broker = Broker::start(TOPIC)?;
    let samples = samples::generate(2026, 12, 30);
    put(&world, &samples);
    println!(
        "1. In the bucket: {} CloudTrail files with {} records, {} of them about IAM\n   certificates, {} that only mention such names; one truncated file, one digest.",
        samples.objects.len(),
        samples.records,
        samples.expected.len(),
        samples.decoys
    );
    let text = configuration(&world, &splunk, &broker, &folder)?;
    std::fs::write(folder.join("certrelay.toml"), &text)?;
    let start = Instant::now();
    let metrics = run(&world, &text, &folder).await?;
    let took = start.elapsed();

    let destinations = [
        Destination::new("Kafka", broker.read(TOPIC, samples.expected.len()).await?),
        Destination::new("Splunk", splunk_arrivals(&splunk)),
        Destination::new("file", report::lines_of(&folder.join("events.ndjson"))?),
    ];
    let [_, soc, archive] = &destinations;
    println!("\n2. What Splunk received, the most severe first:\n");
    let sorted = report::by_severity(&soc.arrivals);
    report::table(&sorted, std::io::stdout().is_terminal());
    let first = sorted.first().ok_or("no event arrived")?;
    println!("\n3. The first of them, as `certrelay explain` prints it:\n");
    report::excerpt(&explained(archive, &first.id)?, 24);
    println!(
        "\n4. The same event as Splunk has it (Kafka has OCSF, the file the record itself):\n"
    );
    report::excerpt(&serde_json::to_string_pretty(&first.event)?, 12);
    println!("\n5. The events at every destination, compared with those that were put in:\n");
    let expected: BTreeSet<_> = samples.expected.keys().cloned().collect();
    let complete = report::compare(&destinations, &expected);
    println!("\n6. Record counts reconcile:\n");
    let reconciled = report::reconcile(&metrics, &folder, &samples);
    let left =
        world.sqs.with(|queues, _| queues.peek(&world.settings.queue)).map_or(0, |left| left.len());
    println!(
        "\n{} records from queue to three destinations in {:.2} s; messages left: {left}.",
        samples.records,
        took.as_secs_f64()
    );
    let good = complete && reconciled && left == 0;
    println!("{}", if good { "Every event arrived, and no other." } else { "FAILED: see above." });
    match temporary {
        None => println!("Kept: {}", folder.display()),
        Some(_) => println!("\n{NEXT}"),
    }
    Ok(good)
}

/// Returns what `explain` prints of the archived record with this id.
fn explained(archive: &Destination, id: &str) -> Result<String, Box<dyn Error>> {
    let arrival = archive.arrivals.iter().find(|arrival| arrival.id == id).ok_or("no record")?;
    let record = Record { bytes: arrival.event.to_string().into(), index: 0, offset: 0 };
    let seen = OffsetDateTime::now_utc();
    let origin = Origin::File { path: "events.ndjson".into(), index: 0 };
    let arrival = Arrived { origin, channel: Channel::S3, seen, delivered: None };
    let event = Event::read(record, arrival).map_err(|invalid| invalid.reason)?;
    Ok(event::explain(&event))
}

/// Puts the samples, a truncated file and a digest; each put sends its notification, as S3 does.
fn put(world: &AwsStandIns, samples: &Samples) {
    for object in &samples.objects {
        world.s3.put(&world.settings.bucket, &object.key, object.gzip.clone());
    }
    let gzip = &samples.objects[0].gzip;
    let day = "us-east-1/2026/03/01";
    let truncated = format!("AWSLogs/111122223333/CloudTrail/{day}/truncated.json.gz");
    world.s3.put(&world.settings.bucket, &truncated, gzip[..gzip.len() / 2].to_vec());
    let digest = format!("AWSLogs/111122223333/CloudTrail-Digest/{day}/digest.json.gz");
    world.s3.put(
        &world.settings.bucket,
        &digest,
        samples::gzip(b"{\"digestS3Bucket\":\"audit-logs\"}"),
    );
}

fn configuration(
    world: &AwsStandIns,
    splunk: &HecStandIn,
    broker: &Broker,
    folder: &Path,
) -> std::io::Result<String> {
    std::fs::write(folder.join("hec-token"), "stand-in-token\n")?;
    Ok(format!(
        r#"[[source]]
queue_url = "{queue}"
region = "us-east-1"
buckets = ["audit-logs"]

[aws]                                # the stand-ins' endpoints
s3_endpoint = "{s3}"
sqs_endpoint = "{sqs}"

[[route]]
name = "everything"
sinks = ["lake", "soc", "archive"]

[sink.lake]
type = "kafka"
brokers = ["{kafka}"]
topic = "{TOPIC}"
format = "ocsf"

[sink.soc]
type = "splunk_hec"
endpoints = ["{hec}"]
token = {{ file = "hec-token" }}

[sink.archive]
type = "file"
path = "events.ndjson"
format = "raw"

[dead_letter]
directory = "dead-letters"
"#,
        queue = world.queue_url(),
        s3 = world.s3.url(),
        sqs = world.sqs_http.url(),
        kafka = broker.address(),
        hec = splunk.url(),
    ))
}

/// Runs the pipeline as `certrelay run` does, until the queue is empty.
async fn run(
    world: &AwsStandIns,
    text: &str,
    folder: &Path,
) -> Result<Arc<Metrics>, Box<dyn Error>> {
    let config = config::parse("demo.toml", text, folder)?;
    telemetry::init(&LogConfig { json: false, level: "off".to_owned() })
        .map_err(|error| error.to_string())?;
    let aws = aws_config::from_env()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "demo"))
        .load()
        .await;
    let parts = app::build(config, Some(aws)).await.map_err(|error| error.to_string())?;
    let metrics = Arc::clone(&parts.metrics);
    let stop = CancellationToken::new();
    let emptied = async {
        let empty = async {
            while world
                .sqs
                .with(|queues, _| queues.peek(&world.settings.queue))
                .is_ok_and(|left| !left.is_empty())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let emptied = tokio::time::timeout(TIMEOUT, empty).await.is_ok();
        stop.cancel();
        emptied
    };
    let (emptied, _) = tokio::join!(emptied, pipeline::run(parts, stop.clone()));
    if !emptied {
        println!("The queue was not emptied in {} s.", TIMEOUT.as_secs());
    }
    Ok(metrics)
}

fn splunk_arrivals(splunk: &HecStandIn) -> Vec<Arrival> {
    let arrival = |indexed: &support::hec::Indexed| Arrival {
        id: indexed.field("event_id").unwrap_or_default().to_owned(),
        event: indexed.value(),
    };
    splunk.indexed().iter().map(arrival).collect()
}
