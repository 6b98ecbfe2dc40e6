//! Peak memory of the service, as a process of its own, with objects that are expensive to hold and
//! within the limits, or just beyond the limit of values.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::hec::{HecStandIn, Options};
use crate::support::process::clean_environment;
use crate::support::samples;
use crate::support::wait;

/// The bound: a task of 256 MiB keeps half of it for the page cache and whatever AWS adds.
const MAX_KIB: u64 = 128 * 1024;

/// Of each shape.
const COPIES: usize = 6;

/// Text that does not compress beyond `max_ratio`.
struct Words(fastrand::Rng);

impl Words {
    fn digit(&mut self) -> u8 {
        self.0.u8(0..10)
    }

    /// Returns `count` items made by `item`, separated by commas.
    fn list(&mut self, count: usize, mut item: impl FnMut(&mut Self) -> String) -> String {
        let items: Vec<String> = (0..count).map(|_| item(self)).collect();
        items.join(",")
    }
}

/// Returns request parameters of a MiB at the most, with `values` JSON values if they are many.
fn shapes(words: &mut Words, values: usize) -> Vec<(&'static str, String)> {
    let certificate = serde_json::to_string(samples::PEM).expect("a string");
    let text = 900 * 1024;
    vec![
        ("wide-array", words.list(values / 2, |w| format!("[{}]", w.digit()))),
        ("wide-map", {
            let members = words.list(values.min(60_000), |w| {
                format!("\"{}\":{}", w.0.u32(0..10_000_000), w.digit())
            });
            format!("{{{members}}}")
        }),
        ("empty", words.list(values, |w| if w.digit() < 5 { "{}" } else { "[]" }.to_owned())),
        (
            "keys",
            words.list(values.min(90_000) / 2, |w| format!("{{\"privateKey\":{}}}", w.digit())),
        ),
        ("long-string", {
            let text: String = (0..text).map(|_| char::from(b'a' + words.digit())).collect();
            format!("\"{text}\"")
        }),
        ("escapes", {
            let escape = |_| format!("\\u000{}", words.digit());
            format!("\"{}\"", (0..text / 6).map(escape).collect::<String>())
        }),
        ("long-names", {
            let name: String = (0..120).map(|_| char::from(b'a' + words.digit())).collect();
            let members =
                words.list(values.min(50_000), |w| format!("\"{}\":1", w.0.u32(0..1_000_000)));
            format!("{{\"{name}\":{{{members}}}}}")
        }),
        (
            "nests",
            words.list(values.min(400_000) / 50, |w| {
                format!("{}{}{}", "[".repeat(48), w.digit(), "]".repeat(48))
            }),
        ),
        (
            "certificates",
            words.list((text / certificate.len()).min(values / 2), |w| {
                format!("{{\"n\":{},\"certificateBody\":{certificate}}}", w.digit())
            }),
        ),
    ]
}

fn record(id: usize, parameters: &str) -> String {
    let head = json!({
        "eventVersion": "1.11", "eventTime": "2026-11-30T09:00:00Z", "eventType": "AwsApiCall",
        "eventSource": "iam.amazonaws.com", "eventName": "UpdateServerCertificate",
        "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2",
        "eventID": format!("10000000-0000-4000-8000-{id:012}"),
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "accountId": "111122223333", "userName": "alice",
            "arn": "arn:aws:iam::111122223333:user/alice"},
    });
    let head = head.to_string();
    let parameters = format!("{{\"serverCertificateName\":\"www\",\"x\":[{parameters}]}}");
    format!("{},\"requestParameters\":{parameters}}}", &head[..head.len() - 1])
}

fn document(records: &[String]) -> Vec<u8> {
    samples::gzip(format!("{{\"Records\":[{}]}}", records.join(",")).as_bytes())
}

fn config(world: &AwsStandIns, hec: &HecStandIn) -> String {
    format!(
        r#"
[[source]]
queue_url = "{queue}"
region = "us-east-1"
buckets = ["audit-logs"]
[aws]
s3_endpoint = "{s3}"
sqs_endpoint = "{sqs}"
[[route]]
name = "all"
sinks = ["ocsf", "ecs", "splunk"]
[sink.ocsf]
type = "file"
path = "ocsf.ndjson"
[sink.ecs]
type = "file"
path = "ecs.ndjson"
format = "ecs"
[sink.splunk]
type = "splunk_hec"
endpoints = ["{hec}"]
token = "stand-in-token"
[dead_letter]
directory = "dead-letters"
keep_bytes = true
"#,
        queue = world.queue_url(),
        s3 = world.s3.url(),
        sqs = world.sqs_http.url(),
        hec = hec.url(),
    )
}

/// Puts all objects into the bucket; returns the events of the sound ones.
fn put_objects(world: &AwsStandIns) -> BTreeSet<String> {
    let mut words = Words(fastrand::Rng::with_seed(11));
    let mut count = 0;
    let mut put = |name: &str, bytes: Vec<u8>| {
        count += 1;
        let key = format!(
            "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/30/111122223333_CloudTrail_us-east-1_20261130T0900Z_{name}{count:04}.json.gz"
        );
        world.s3.put("audit-logs", &key, bytes);
    };
    let mut id = 0;
    for _ in 0..COPIES {
        for values in [49_000, 240_000] {
            for (name, parameters) in shapes(&mut words, values) {
                id += 1;
                put(name, document(&[record(id, &parameters)]));
            }
        }
    }
    // Many records of a quarter of a MiB in one object.
    for _ in 0..COPIES {
        let records: Vec<String> = (0..40)
            .map(|_| {
                id += 1;
                record(id, &words.list(24_000, |w| format!("[{}]", w.digit())))
            })
            .collect();
        put("many-wide", document(&records));
    }
    let sound = samples::generate(5, 300, 8);
    for object in sound.objects {
        put("sound", object.gzip);
    }
    sound.expected.into_keys().collect()
}

/// Ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that the process had resident, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peak_memory_is_bounded_with_any_mix_of_objects() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = AwsSettings { visibility: 120_000, ..AwsSettings::default() };
    let world = AwsStandIns::start(settings).await.expect("the stand-ins");
    let hec = HecStandIn::start(Options::default()).await.expect("the stand-in");
    let expected = put_objects(&world);
    let path = folder.path().join("certrelay.toml");
    fs::write(&path, config(&world, &hec)).expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_certrelay"));
    clean_environment(&mut command, folder.path());
    // As in the image; without it the peak is 110 to 121 MiB, too close to the bound for a test.
    command.env("MALLOC_ARENA_MAX", "2");
    command.envs(world.environment()).arg("run").arg("-c").arg(&path);
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("log")).expect("a log"));
    let mut child = Running(command.spawn().expect("certrelay runs"));
    let pid = child.0.id();
    let left =
        || world.sqs.with(|queues, _| queues.peek(&world.settings.queue).map(|all| all.len()));
    wait::until("an empty queue", async || {
        if let Ok(Some(status)) = child.0.try_wait() {
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            panic!("the process ended: {status}\n{log}");
        }
        (left() == Ok(0)).then_some(())
    })
    .await;
    let peak = peak(pid).expect("a running process");
    assert!(peak <= MAX_KIB, "{} MiB", peak / 1024);
    let delivered: BTreeSet<String> = fs::read_to_string(folder.path().join("ocsf.ndjson"))
        .expect("events")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event"))
        .map(|event| event["metadata"]["uid"].as_str().expect("an id").to_owned())
        .collect();
    let lost: Vec<_> = expected.difference(&delivered).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // Of the hostile ones those within the limits are delivered, the others dead-lettered.
    assert!(delivered.len() > expected.len());
    assert!(fs::read_dir(folder.path().join("dead-letters")).expect("dead letters").count() > 0);
}
