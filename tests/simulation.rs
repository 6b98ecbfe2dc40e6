//! Seeded worlds full of faults and crashes; the invariants hold in every one.
//!
//! `CERTRELAY_SEEDS=10000` runs more of them, `CERTRELAY_SEED=n` one again: the same seed is the
//! same history.

use std::collections::BTreeSet;
use std::time::Duration;

use certrelay::config::Delivery;
use certrelay::telemetry::ByResult;
use tokio::time::Instant;

use crate::sim::world::{DEAD, eventbridge_event, events_in, records_in};
use crate::sim::{SinkFaults, StoreFaults, World, WorldSettings};
use crate::support::queue_core::Faults;
use crate::support::samples::{self, Samples};

/// Worlds in an ordinary test run.
const SEEDS: u64 = 300;

/// The world's time in which everything must be over once the faults end.
const QUIET: Duration = Duration::from_secs(48 * 3600);

fn seeds() -> Vec<u64> {
    if let Some(seed) = number("CERTRELAY_SEED") {
        return vec![seed];
    }
    (0..number("CERTRELAY_SEEDS").unwrap_or(SEEDS)).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A world's whole life, on a clock of its own that only moves when everything waits.
fn run<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(life)
}

#[test]
fn in_every_seeded_world_nothing_is_lost_and_no_message_is_deleted_early() {
    let (mut crashes, mut duplicates, mut lost, mut eventbridge) = (0, 0, 0, 0);
    for seed in seeds() {
        let life = std::panic::AssertUnwindSafe(|| run(history(seed)));
        match std::panic::catch_unwind(life) {
            Ok(history) => {
                crashes += history.crashes;
                duplicates += history.duplicates;
                lost += history.lost_leases;
                eventbridge += history.eventbridge;
            }
            Err(panic) => {
                eprintln!("seed {seed} failed; again: CERTRELAY_SEED={seed} cargo test simulation");
                std::panic::resume_unwind(panic);
            }
        }
    }
    if seeds().len() > 50 {
        assert!(crashes > 50 && duplicates > 0, "too few faults: {crashes}, {duplicates}");
        assert!(lost > 50 && eventbridge > 50, "too few faults: {lost} lost, {eventbridge} events");
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let life = || run(history(4711));
    assert_eq!(life(), life());
}

/// Within a process, whatever fails: only a sink that accepted an event and reported `Retry` is
/// sent it again.
#[test]
fn in_every_seeded_world_of_one_process_no_sink_is_sent_an_event_twice() {
    let mut again = 0;
    let seeds: Vec<u64> = seeds().into_iter().step_by(4).collect();
    for &seed in &seeds {
        again += run(one_process(seed));
    }
    assert!(seeds.len() <= 50 || again > 50, "too few faults: {again} received again");
}

async fn one_process(seed: u64) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut settings = settings(seed, &mut rng);
    // Nothing waits in the queue for longer than the dedup window, and each file is announced once.
    settings.delivery.max_in_flight_messages = 1000;
    settings.delivery.memory_limit = 1 << 26;
    let world = World::new(settings);
    let samples = samples::generate(seed, rng.usize(1..12), rng.usize(1..20));
    world.deliver_all(&samples);
    add_faults(&world, &samples, &mut rng);
    world.sqs.with(|core, _| core.faults = Faults { sent_twice: 0.0, ..core.faults });
    for sink in &world.sinks {
        let mut faults = sink.faults.lock().unwrap();
        faults.accepted_but_retry = 0.0;
        if rng.u8(0..4) == 0 {
            faults.down_until = Some(Instant::now() + Duration::from_secs(rng.u64(0..80_000)));
        }
    }
    let emptied = world.run_until_empty(QUIET).await;
    assert!(emptied.is_some(), "seed {seed}: the queue is not empty after two days");
    for sink in &world.sinks {
        assert_eq!(sink.duplicates(), 0, "seed {seed}: {} is sent events twice", sink.name);
    }
    world.sqs.with(|core, _| core.tally).received_again
}

#[derive(Debug, PartialEq, Eq)]
struct History {
    crashes: u32,
    duplicates: u32,
    elapsed: Duration,
    received: u64,
    lost_leases: u64,
    /// Events that also arrived through the EventBridge channel.
    eventbridge: usize,
}

/// One world's life: processes run and crash under faults, then one runs without faults until the
/// queue is empty.
async fn history(seed: u64) -> History {
    let mut rng = fastrand::Rng::with_seed(seed);
    let begin = Instant::now();
    let world = World::new(settings(seed, &mut rng));
    let samples = samples::generate(seed, rng.usize(1..12), rng.usize(1..20));
    let damaged = populate(&world, &samples, &mut rng);
    let sent = send_eventbridge_events(&world, &samples, &mut rng);
    add_faults(&world, &samples, &mut rng);
    let lives = rng.u32(0..5);
    let mut lost_leases = 0;
    for _ in 0..lives {
        let a_crash = if rng.bool() { rng.u64(1..400) } else { u64::MAX };
        lost_leases += live(&world, a_crash, &mut rng).await;
    }
    world.sqs.with(|core, _| core.faults = Faults::default());
    *world.store.faults.lock().unwrap() = StoreFaults::default();
    for sink in &world.sinks {
        let reject = sink.faults.lock().unwrap().reject.clone();
        *sink.faults.lock().unwrap() = SinkFaults { reject, ..SinkFaults::default() };
    }
    assert!(world.run_until_empty(QUIET).await.is_some(), "the queue is not empty after two days");
    check(&world, &samples, &damaged.difference(&sent).cloned().collect());
    History {
        crashes: lives,
        duplicates: world.sinks.iter().map(|sink| sink.duplicates()).sum(),
        elapsed: begin.elapsed(),
        received: world.sqs.with(|core, _| core.tally).received,
        lost_leases,
        eventbridge: sent.len(),
    }
}

fn settings(seed: u64, rng: &mut fastrand::Rng) -> WorldSettings {
    let delivery = Delivery {
        max_concurrent_messages: rng.usize(1..20),
        max_in_flight_messages: rng.usize(1..40),
        memory_limit: 1 << rng.u32(14..26),
        shutdown_grace_period: Duration::from_secs(rng.u64(5..120)),
        visibility_timeout: Duration::from_secs(rng.u64(30..300)),
        delivery_timeout: Duration::from_secs(rng.u64(60..40_000)),
        ..Delivery::default()
    };
    WorldSettings { seed, delivery, ..WorldSettings::default() }
}

/// Stores and announces the objects, some twice, some together; some are damaged.
fn populate(world: &World, samples: &Samples, rng: &mut fastrand::Rng) -> BTreeSet<String> {
    let mut damaged = BTreeSet::new();
    let mut together = (Vec::new(), BTreeSet::new());
    for object in &samples.objects {
        let events = events_in(object, samples);
        let mut object = object.clone();
        if rng.u8(0..8) == 0 {
            object.gzip.truncate(rng.usize(1..object.gzip.len()));
            damaged.extend(events.iter().cloned());
        }
        let lost = !events.is_disjoint(&damaged);
        let expected = if lost { BTreeSet::new() } else { events };
        if rng.bool() {
            world.store.put(&object.key, object.gzip.clone());
            together.0.push(object.key.clone());
            together.1.extend(expected);
        } else {
            world.deliver(&object, expected, rng.u32(1..3));
        }
    }
    let keys: Vec<_> = together.0.iter().map(String::as_str).collect();
    if !keys.is_empty() {
        world.announce(&keys, together.1);
    }
    damaged
}

/// In some worlds, some events also arrive through the EventBridge channel.
fn send_eventbridge_events(
    world: &World,
    samples: &Samples,
    rng: &mut fastrand::Rng,
) -> BTreeSet<String> {
    let mut sent = BTreeSet::new();
    if rng.bool() {
        return sent;
    }
    for record in samples.objects.iter().flat_map(records_in) {
        let id = record["eventID"].as_str().unwrap_or_default().to_owned();
        if samples.expected.contains_key(&id) && rng.u8(0..3) > 0 {
            world.send(&eventbridge_event(&record.to_string()), BTreeSet::from([id.clone()]));
            sent.insert(id);
        }
    }
    sent
}

fn add_faults(world: &World, samples: &Samples, rng: &mut fastrand::Rng) {
    // Where hardly any call succeeds, leases expire under slow sinks.
    let failing = rng.u8(0..4) == 0;
    let mut some = |most: f64| if rng.bool() { rng.f64() * most } else { 0.0 };
    let faults = Faults {
        entry_failure: if failing { 0.95 } else { some(0.3) },
        duplicate_delivery: some(0.2),
        lost_delete: some(0.2),
        short_receive: some(0.5),
        shuffled: true,
        sent_twice: some(0.2),
        late_by: 90_000,
    };
    world.sqs.with(|core, _| core.faults = faults);
    *world.store.faults.lock().unwrap() =
        StoreFaults { fail: some(0.4), cut: some(0.4), slow: some(0.3) };
    for sink in &world.sinks {
        let mut sink = sink.faults.lock().unwrap();
        sink.retry = some(0.4);
        sink.accepted_but_retry = some(0.2);
    }
    for sink in &world.sinks {
        let mut sink = sink.faults.lock().unwrap();
        sink.slow_seconds = if rng.bool() { rng.u64(0..600) } else { 0 };
        if rng.u8(0..4) == 0 {
            sink.down_until = Some(Instant::now() + Duration::from_secs(rng.u64(0..20_000)));
        }
        if rng.u8(0..4) == 0 {
            let number = rng.usize(0..samples.expected.len().max(1));
            sink.reject.extend(samples.expected.keys().nth(number).cloned());
        }
    }
    *world.dead_letters.fail.lock().unwrap() = rng.u32(0..3);
}

/// Runs one process (or two at once) until it crashes or is stopped; returns how many leases the
/// first lost.
async fn live(world: &World, crash_at: u64, rng: &mut fastrand::Rng) -> u64 {
    let first = world.process(crash_at);
    let metrics = std::sync::Arc::clone(&first.metrics);
    let second = rng.bool().then(|| world.process(u64::MAX));
    let stops = [Some(first.stop.clone()), second.as_ref().map(|second| second.stop.clone())];
    let life = Duration::from_secs(rng.u64(1..5000));
    let stopper = async {
        tokio::time::sleep(life).await;
        stops.iter().flatten().for_each(tokio_util::sync::CancellationToken::cancel);
    };
    let second = async {
        if let Some(second) = second {
            second.run().await;
        }
    };
    tokio::join!(first.run(), second, stopper);
    metrics.messages_completed.get_or_create(&ByResult::new("lease_lost")).get()
}

fn check(world: &World, samples: &Samples, damaged: &BTreeSet<String>) {
    assert_eq!(*world.early.lock().unwrap(), Vec::<String>::new(), "deleted before it was final");
    let dead = world.sqs.with(|core, _| core.peek(DEAD)).expect("the queue exists");
    assert!(dead.is_empty(), "nothing is moved to the dead-letter queue by SQS");
    let written = world.dead_letters.of("event");
    for sink in world.required() {
        let arrived = sink.ids();
        for id in samples.expected.keys() {
            let dead = written.iter().any(|one| {
                one.body["event_id"] == id.as_str() && one.body["sinks"][0] == sink.name.as_str()
            });
            if damaged.contains(id) {
                assert!(!arrived.contains(id), "{id} is of a damaged file");
            } else {
                assert!(arrived.contains(id) || dead, "{id} is lost at {}", sink.name);
            }
        }
    }
}
