//! `make demo`: the whole path in one process, on loopback.
//!
//! S3, SQS and Splunk are stand-ins that implement the real protocols, Kafka is librdkafka's mock
//! cluster; between them runs the same pipeline as in `certrelay run`, with the real AWS SDK, Kafka
//! client and HTTP client. At the end the eventIDs at every destination are compared with those
//! that were put in, and any difference is exit code 1.

#[path = "demo/kafka.rs"]
mod kafka;
#[path = "demo/report.rs"]
mod report;
#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, Region};
use certrelay::app;
use certrelay::config::{self, LogConfig};
use certrelay::pipeline;
use certrelay::telemetry::{self, Metrics};
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
certrelay watches for changes to the certificates in AWS IAM. CloudTrail writes every call to a gzip
file in S3; S3 sends a notification of the file to an SQS queue; certrelay reads it, selects the IAM
certificate events, and delivers them. A message is deleted only after all its events are delivered.

This demo simulates AWS, Kafka and Splunk on loopback and runs the real pipeline between them.
";

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

/// Runs the demo; returns whether every destination has exactly the expected events.
async fn demo() -> Result<bool, Box<dyn Error>> {
    println!("{INTRODUCTION}");
    let folder = tempfile::tempdir()?;
    let world =
        AwsStandIns::start(AwsSettings { visibility: 20_000, ..AwsSettings::default() }).await?;
    let splunk = HecStandIn::start(Options::default()).await?;
    let broker = Broker::start(TOPIC)?;
    println!("1. Stand-ins, on free ports:");
    println!("   S3 {}   SQS {}", world.s3.url(), world.sqs_http.url());
    println!("   Splunk HEC {}   Kafka {}\n", splunk.url(), broker.address());

    let samples = samples::generate(2026, 12, 30);
    put(&world, &samples);
    println!(
        "2. In the bucket: {} CloudTrail files with {} records, {} of them about IAM certificates,",
        samples.objects.len(),
        samples.records,
        samples.expected.len()
    );
    println!(
        "   {} decoys that only mention such names; one truncated file, and one hourly digest.\n",
        samples.decoys
    );

    let text = configuration(&world, &splunk, &broker, folder.path())?;
    println!("3. The configuration:\n\n{}", indented(&text));
    let start = Instant::now();
    let metrics = run(&world, &text, folder.path()).await?;
    let took = start.elapsed();

    let destinations = [
        Destination::new("Kafka", broker.read(TOPIC, samples.expected.len()).await?),
        Destination::new("Splunk", splunk_arrivals(&splunk)),
        Destination::new("file", report::lines_of(&folder.path().join("events.ndjson"))?),
    ];
    println!("4. The events (from Kafka, the first of each kind):\n");
    report::table(&destinations[0].arrivals);
    println!("\n5. The events at every destination, compared with those that were put in:\n");
    let expected: BTreeSet<_> = samples.expected.keys().cloned().collect();
    let complete = report::compare(&destinations, &expected);
    println!("\n6. Record counts reconcile:\n");
    let reconciled = report::reconcile(&metrics, folder.path(), &samples);
    println!(
        "\n{} records from queue to three destinations in {:.2} s.",
        samples.records,
        took.as_secs_f64()
    );
    let left =
        world.sqs.with(|queues, _| queues.peek(&world.settings.queue)).map_or(0, |left| left.len());
    println!("Messages left in the queue: {left}.");
    let good = complete && reconciled && left == 0;
    println!("{}", if good { "Every event arrived, and no other." } else { "FAILED: see above." });
    Ok(good)
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

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("     {line}\n")).collect()
}
