//! SIGKILL: the process may die at any moment, and nothing is lost.
//!
//! A killed process leaves messages that it had received and not deleted. Only their events may
//! arrive once more for each such kill: that is counted, event by event. `CERTRELAY_KILLS=50` is
//! the nightly size, `CERTRELAY_SEED=n` selects other moments.

use std::collections::BTreeMap;

use super::arrivals::{Arrivals, expected};
use super::aws::Aws;
use super::service::Service;
use super::setup::{self, Setup};
use crate::support::aws::{AwsSettings, AwsStandIns};
use crate::support::hec::{HecStandIn, Options};
use crate::support::samples::{self, Samples};
use crate::support::{real, wait};

/// The number of kills.
fn kills() -> usize {
    number("CERTRELAY_KILLS", 5)
}

/// The seed of the moments of the kills.
fn seed() -> u64 {
    number("CERTRELAY_SEED", 2026)
}

fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    let Ok(text) = std::env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
}

/// Low limits, so that the work is spread over the run and every kill finds messages in flight.
const LOW_LIMITS: &str = "[delivery]\nvisibility_timeout = \"2 s\"\nmax_concurrent_messages = 16\nmax_in_flight_messages = 48\n";

/// The kills so far, and the duplicates that they explain.
struct Kills<'a> {
    world: &'a AwsStandIns,
    samples: &'a Samples,
    /// By message id: receives before this run.
    received: BTreeMap<String, u32>,
    /// By object key: kills that found its message in flight.
    in_flight: BTreeMap<String, usize>,
}

impl Kills<'_> {
    /// Records the messages that a killed run left in flight; returns their number.
    fn record(&mut self) -> usize {
        let queue = &self.world.settings.queue;
        let left = self.world.sqs.with(|core, _| core.peek(queue)).expect("a queue");
        let mut messages = 0;
        for message in left {
            let before = self.received.insert(message.id, message.receive_count).unwrap_or(0);
            if message.receive_count == before {
                continue;
            }
            messages += 1;
            let announced: serde_json::Value =
                serde_json::from_str(&message.body).expect("a notification");
            for record in announced["Records"].as_array().into_iter().flatten() {
                let key = record["s3"]["object"]["key"].as_str().expect("a key");
                *self.in_flight.entry(key.to_owned()).or_default() += 1;
            }
        }
        messages
    }

    /// Checks that no event arrived more often than once, plus once for each kill with its message
    /// in flight.
    fn assert_explained(&self, name: &str, arrivals: &Arrivals) {
        let mut allowed = 0;
        for object in &self.samples.objects {
            let kills = self.in_flight.get(&object.key).copied().unwrap_or(0);
            for id in samples::event_ids(object) {
                let times = arrivals.0.get(&id).copied().unwrap_or(0);
                if self.samples.expected.contains_key(&id) {
                    allowed += kills;
                    assert!(
                        (1..=1 + kills).contains(&times),
                        "{name}: {id} of {} arrived {times} times, {kills} kills had it in flight",
                        object.key
                    );
                }
            }
        }
        println!("{name}: {} duplicates of at most {allowed}", arrivals.duplicates());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_during_2000_objects_lose_nothing_and_explain_every_duplicate() {
    let (kills, seed) = (kills(), seed());
    println!("CERTRELAY_KILLS={kills} CERTRELAY_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let plan =
        AwsSettings { visibility: 2000, max_receive_count: 1000, seed, ..AwsSettings::default() };
    let world = AwsStandIns::start(plan).await.expect("loopback is there");
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let samples = samples::generate(seed, 2000, 4);
    for object in &samples.objects {
        world.s3.put(&world.settings.bucket, &object.key, object.gzip.clone());
    }
    let expected = expected(&[&samples]);
    let folder = setup::folder();
    let setup = Setup {
        s3: world.s3.url(),
        sqs: world.sqs_http.url(),
        sources: vec![(world.queue_url(), world.settings.bucket.clone())],
        kafka: None,
        splunk: splunk.url(),
        more: LOW_LIMITS,
    };
    let mut kills_so_far = Kills {
        world: &world,
        samples: &samples,
        received: BTreeMap::new(),
        in_flight: BTreeMap::new(),
    };
    for left in (1..=kills).rev() {
        let begin = splunk.count();
        let missing = expected.len() - Arrivals::at_splunk(&splunk).0.len();
        let moment = begin + rng.usize(1..=(2 * missing / (left + 1)).max(1));
        let service = Service::start(folder.path(), &setup.text()).await;
        wait::until("the moment of a kill", async || (splunk.count() >= moment).then_some(()))
            .await;
        service.kill();
        println!(
            "killed at {} of {}: {} messages in flight",
            splunk.count(),
            expected.len(),
            kills_so_far.record()
        );
    }
    let service = Service::start(folder.path(), &setup.text()).await;
    let aws = Aws::of_world(&world);
    aws.await_counts(&world.queue_url(), (0, 0)).await;
    let ended = service.terminate().await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let given_up = world.sqs_http.queue_url(&world.dead_letter_queue());
    assert_eq!(aws.counts(&given_up).await, (0, 0), "given up by the queue");
    let arrivals = [
        ("Splunk", Arrivals::at_splunk(&splunk)),
        ("file", Arrivals::in_file(&folder.path().join("events.ndjson"))),
    ];
    for (name, arrivals) in arrivals {
        assert_eq!(arrivals.ids(), expected, "{name}");
        kills_so_far.assert_explained(name, &arrivals);
    }
    assert!(setup::dead_letters(folder.path()).is_empty(), "no dead letters");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_half_way_between_moto_and_apache_kafka_loses_nothing() {
    let Some(moto) = tokio::task::block_in_place(real::moto) else { return };
    let Some(kafka) = tokio::task::block_in_place(real::kafka) else { return };
    let splunk = HecStandIn::start(Options::default()).await.expect("loopback is there");
    let wired = tokio::task::block_in_place(|| moto.create_bucket("s3", 30));
    kafka.create_topic("killed-half-way").await;
    let (aws, samples) = (Aws::of_moto(moto), samples::generate(77, 80, 12));
    aws.put_all(&wired.bucket, &samples.objects).await;
    let expected = expected(&[&samples]);
    let folder = setup::folder();
    let setup = Setup {
        s3: moto.url.clone(),
        sqs: &moto.url,
        sources: vec![(wired.queue_url.clone(), wired.bucket.clone())],
        kafka: Some((&kafka.bootstrap, "killed-half-way")),
        splunk: splunk.url(),
        more: "[delivery]\nvisibility_timeout = \"5 s\"\nmax_concurrent_messages = 8\nmax_in_flight_messages = 16\n",
    };
    let service = Service::start(folder.path(), &setup.text()).await;
    let half = expected.len() / 2;
    wait::until("half of the events", async || (splunk.count() >= half).then_some(())).await;
    service.kill();
    let (visible, in_flight) = aws.counts(&wired.queue_url).await;
    assert!(visible + in_flight > 0, "it was done before the kill");

    let service = Service::start(folder.path(), &setup.text()).await;
    aws.await_empty(&wired).await;
    assert_eq!(service.terminate().await.code, Some(0));
    let events = |object| {
        let ids = samples::event_ids(object);
        ids.iter().filter(|id| expected.contains(*id)).count()
    };
    let most = samples.objects.iter().map(events).max();
    let bound = in_flight * most.expect("objects");
    let arrivals = [
        ("Splunk", Arrivals::at_splunk(&splunk)),
        ("Kafka", tokio::task::block_in_place(|| Arrivals::at_kafka(kafka, "killed-half-way"))),
        ("file", Arrivals::in_file(&folder.path().join("events.ndjson"))),
    ];
    for (name, arrivals) in arrivals {
        assert_eq!(arrivals.ids(), expected, "{name}");
        let twice = arrivals.duplicates();
        println!(
            "{name}: {twice} duplicates, {in_flight} messages in flight, at most {bound} events"
        );
        assert!(twice <= bound, "{name}: {twice} duplicates of {in_flight} messages");
    }
}
