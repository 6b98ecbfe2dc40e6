//! The world: a queue, objects and sinks that outlive processes, and its processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certrelay::cloudtrail::{DecoderSettings, Selection};
use certrelay::config::{
    Alerts, Decode, Delivery, EventRule, FaultPolicies, KeyFilter, RouteConfig, RouteTarget, When,
};
use certrelay::pipeline::{
    self, Bodies as Read, DeadLetterPolicy, Ended, EnrichmentSnapshot, Executor, KeepBytes, Parts,
    SinkPart, Source, SourcePolicy,
};
use certrelay::route::Router;
use certrelay::sink::{Built, Stop};
use certrelay::telemetry::{Health, Metrics};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::dead_letters::SteppedDeadLetters;
use super::sink::SteppedSink;
use super::steps::Bodies;
use super::store::SteppedStore;
use super::{MemoryDeadLetters, MemoryStore, RecordingSink, SteppedQueue, Steps};
use crate::support::clock::Clock;
use crate::support::memory_queue::MemoryQueue;
use crate::support::queue_core::{Redrive, Settings};
use crate::support::samples::{SampleObject, Samples};
use crate::support::sqs::Sqs;

pub const QUEUE: &str = "cloudtrail-objects";
pub const DEAD: &str = "cloudtrail-objects-dead";
pub const BUCKET: &str = "audit-logs";

/// The settings of a world; the defaults have no faults.
#[derive(Debug, Clone)]
pub struct WorldSettings {
    pub seed: u64,
    pub sinks: Vec<(&'static str, bool)>,
    pub delivery: Delivery,
    pub max_receive_count: u32,
    pub redrive: bool,
    pub regions: Vec<String>,
    pub keys: KeyFilter,
    pub eventbridge_records: bool,
    pub faults: FaultPolicies,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            sinks: vec![("soc", true), ("lake", true)],
            delivery: Delivery {
                visibility_timeout: Duration::from_secs(60),
                ..Delivery::default()
            },
            max_receive_count: 1000,
            redrive: false,
            regions: Vec::new(),
            keys: KeyFilter::default(),
            eventbridge_records: true,
            faults: FaultPolicies::default(),
        }
    }
}

/// The events that each message announces: they must be final before it may be deleted.
pub type Announced = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

pub struct World {
    pub settings: WorldSettings,
    pub sqs: Arc<Sqs>,
    pub store: Arc<MemoryStore>,
    pub sinks: Vec<Arc<RecordingSink>>,
    pub dead_letters: Arc<MemoryDeadLetters>,
    pub announced: Announced,
    bodies: Bodies,
    clock: Clock,
    /// Deletes of messages whose events were not final at every required sink: must stay empty.
    pub early: Arc<Mutex<Vec<String>>>,
}

/// A process of the world, to be run.
pub struct Process {
    pub metrics: Arc<Metrics>,
    pub steps: Arc<Steps>,
    pub stop: CancellationToken,
    pub parts: Parts,
}

impl Process {
    /// Runs until stopped or crashed; `None` if it crashed.
    pub async fn run(self) -> Option<Ended> {
        let crashed = self.steps.crashed.clone();
        tokio::select! {
            biased;
            () = crashed.cancelled() => None,
            ended = pipeline::run(self.parts, self.stop) => Some(ended),
        }
    }
}

impl World {
    pub fn new(settings: WorldSettings) -> Self {
        let clock = Clock::simulated();
        let sqs = Arc::new(Sqs::new(clock, settings.seed));
        sqs.create(DEAD, Settings { retention: None, ..Settings::default() });
        let redrive =
            Redrive { dead_letter: DEAD.to_owned(), max_receive_count: settings.max_receive_count };
        sqs.create(
            QUEUE,
            Settings { redrive: Some(redrive), retention: None, ..Settings::default() },
        );
        let sinks = settings
            .sinks
            .iter()
            .zip(1..)
            .map(|((name, _), n)| RecordingSink::new(name, settings.seed.wrapping_add(n)));
        Self {
            sqs,
            store: MemoryStore::new(settings.seed),
            sinks: sinks.collect(),
            dead_letters: Arc::default(),
            announced: Announced::default(),
            clock,
            bodies: Bodies::default(),
            early: Arc::default(),
            settings,
        }
    }

    /// Stores `object` and sends its notification `times` times.
    pub fn deliver(&self, object: &SampleObject, events: BTreeSet<String>, times: u32) {
        self.store.put(&object.key, object.gzip.clone());
        for _ in 0..times {
            self.announce(&[&object.key], events.clone());
        }
    }

    /// Every object of `samples`, each in a message of its own.
    pub fn deliver_all(&self, samples: &Samples) {
        for object in &samples.objects {
            self.deliver(object, events_in(object, samples), 1);
        }
    }

    /// Sends one S3 notification of `keys`, which contain `events`.
    pub fn announce(&self, keys: &[&str], events: BTreeSet<String>) {
        self.send(&notification(keys), events);
    }

    /// Sends a message with `body`, which contains or announces `events`.
    pub fn send(&self, body: &str, events: BTreeSet<String>) {
        self.announced.lock().unwrap().insert(body.to_owned(), events);
        self.sqs.send(QUEUE, body).expect("the queue exists");
    }

    /// Creates a process that crashes at its `crash_at`th effect.
    pub fn process(&self, crash_at: u64) -> Process {
        let steps = Steps::new(crash_at);
        let metrics = Arc::new(Metrics::new());
        let health = Health::new(Arc::clone(&metrics));
        let stop = CancellationToken::new();
        let parts = self.parts(&steps, &metrics, &health);
        Process { metrics, steps, stop, parts }
    }

    fn parts(&self, steps: &Arc<Steps>, metrics: &Arc<Metrics>, health: &Arc<Health>) -> Parts {
        let sinks_stop = Stop::default();
        let clock = self.clock;
        let visibility = self.settings.delivery.visibility_timeout;
        Parts {
            sources: vec![Source {
                queue: Arc::new(SteppedQueue {
                    inner: MemoryQueue::new(Arc::clone(&self.sqs), QUEUE, visibility),
                    steps: Arc::clone(steps),
                    bodies: Arc::clone(&self.bodies),
                    before_delete: self.note_early(),
                }),
                store: Arc::new(SteppedStore {
                    inner: Arc::clone(&self.store),
                    steps: Arc::clone(steps),
                }),
                policy: SourcePolicy {
                    bodies: Read::Notifications,
                    buckets: vec![BUCKET.to_owned()],
                    regions: self.settings.regions.clone(),
                    keys: self.settings.keys.clone(),
                    eventbridge_records: self.settings.eventbridge_records,
                    faults: self.settings.faults,
                },
            }],
            sinks: self.built(steps, &sinks_stop),
            probes: Vec::new(),
            background: Vec::new(),
            sinks_stop,
            options: Arc::default(),
            enrichment: EnrichmentSnapshot::default(),
            router: self.router(),
            dead_letters: self.dead_letter_policy(steps),
            delivery: self.settings.delivery.clone(),
            alerts: Alerts::default(),
            decoder: DecoderSettings {
                selection: Arc::new(Selection::new(EventRule::defaults())),
                limits: Decode { hash: true, ..Decode::default() },
            },
            executor: Executor::Inline,
            now: Arc::new(move || OffsetDateTime::UNIX_EPOCH + Duration::from_millis(clock.now())),
            seed: self.settings.seed,
            metrics: Arc::clone(metrics),
            health: Arc::clone(health),
        }
    }

    fn built(&self, steps: &Arc<Steps>, stop: &Stop) -> Vec<SinkPart> {
        let built = self.sinks.iter().zip(&self.settings.sinks).map(|(sink, (name, required))| {
            let (inner, stop) = (Arc::clone(sink), stop.clone());
            SinkPart::from(Built {
                name: (*name).to_owned(),
                required: *required,
                sink: Arc::new(SteppedSink { inner, steps: Arc::clone(steps) }),
                driver: Box::pin(async move { stop.requested().await }),
            })
        });
        built.collect()
    }

    /// Everything to every sink.
    fn router(&self) -> Router {
        let target = |(name, _): &(&str, bool)| RouteTarget::new(name);
        let route = RouteConfig {
            name: "default".to_owned(),
            when: When::default(),
            targets: self.settings.sinks.iter().map(target).collect(),
            continues: false,
        };
        let names = self.settings.sinks.iter().map(|(name, _)| *name);
        Router::new(vec![route], names).expect("the sinks exist")
    }

    fn dead_letter_policy(&self, steps: &Arc<Steps>) -> DeadLetterPolicy {
        if self.settings.redrive {
            return DeadLetterPolicy::Redrive;
        }
        let inner = Arc::clone(&self.dead_letters);
        let writer = SteppedDeadLetters { inner, steps: Arc::clone(steps) };
        DeadLetterPolicy::Write(Arc::new(writer), KeepBytes(false))
    }

    /// Returns the hook that notes every delete of a message with an event that is not final.
    fn note_early(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let announced = Arc::clone(&self.announced);
        let (early, dead_letters) = (Arc::clone(&self.early), Arc::clone(&self.dead_letters));
        let required: Vec<_> = self.required().cloned().collect();
        Arc::new(move |body: &str| {
            let events = announced.lock().unwrap().get(body).cloned().unwrap_or_default();
            for event in events {
                let written = dead_letters.of("event");
                let dead = written.iter().any(|one| one.body["event_id"] == event.as_str());
                let everywhere =
                    required.iter().all(|sink| sink.arrived.lock().unwrap().contains_key(&event));
                if !dead && !everywhere {
                    early.lock().unwrap().push(event);
                }
            }
        })
    }

    pub fn required(&self) -> impl Iterator<Item = &Arc<RecordingSink>> {
        let flags = self.settings.sinks.iter().map(|(_, required)| *required);
        self.sinks.iter().zip(flags).filter(|(_, required)| *required).map(|(sink, _)| sink)
    }

    /// Runs a process without faults of its own until the queue is empty, then stops it. Returns
    /// `None` if the queue is not empty after `timeout` of the world's time.
    pub async fn run_until_empty(&self, timeout: Duration) -> Option<Arc<Metrics>> {
        let process = self.process(u64::MAX);
        let (metrics, stop) = (Arc::clone(&process.metrics), process.stop.clone());
        let empty = async {
            while self.left() > 0 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            // The process itself completes what was deleted.
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let watch = async {
            let emptied = tokio::time::timeout(timeout, empty).await.is_ok();
            stop.cancel();
            emptied
        };
        let (emptied, ended) = tokio::join!(watch, process.run());
        assert!(ended.is_some(), "a process without crashes ended by a crash");
        emptied.then_some(metrics)
    }

    /// Messages in the queue, visible or not.
    pub fn left(&self) -> usize {
        self.sqs.with(|core, _| core.peek(QUEUE)).map_or(0, |messages| messages.len())
    }
}

/// The records of one sample object, found by a full parse: independent of the code under test.
pub fn records_in(object: &SampleObject) -> Vec<Value> {
    use std::io::Read as _;
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(&object.gzip[..]).read_to_end(&mut text).expect("gzip");
    let mut document: Value = serde_json::from_slice(&text).expect("JSON");
    match document["Records"].take() {
        Value::Array(records) => records,
        other => panic!("{other}"),
    }
}

/// Returns the ids of those of its records that are ours.
pub fn events_in(object: &SampleObject, samples: &Samples) -> BTreeSet<String> {
    let ids = records_in(object).into_iter();
    ids.filter_map(|record| record["eventID"].as_str().map(str::to_owned))
        .filter(|id| samples.expected.contains_key(id))
        .collect()
}

/// Returns an EventBridge event that contains a CloudTrail record. Source: Amazon EventBridge User
/// Guide, "AWS service events delivered via AWS CloudTrail".
pub fn eventbridge_event(record: &str) -> String {
    format!(
        r#"{{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":"111122223333","time":"2026-03-01T09:00:00Z","region":"us-east-1","resources":[],"detail":{record}}}"#
    )
}

/// An S3 event notification, keys form-encoded as S3 does.
pub fn notification(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": BUCKET},
                "object": {"key": key.replace('+', "%2B").replace(' ', "+")},
            },
        })
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}
