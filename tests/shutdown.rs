//! Shutdown: while idle, with messages in flight, with a sink that never responds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use certrelay::config::Delivery;
use certrelay::error::{Code, Error};
use certrelay::queue::{Entry, Handle, Message, Queue};
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::sim::world::QUEUE;
use crate::sim::{SinkFaults, World, WorldSettings};
use crate::support::samples;

const VISIBILITY: Duration = Duration::from_secs(60);

fn world(grace_period: u64) -> World {
    let delivery = Delivery {
        shutdown_grace_period: Duration::from_secs(grace_period),
        visibility_timeout: VISIBILITY,
        ..Delivery::default()
    };
    World::new(WorldSettings { delivery, ..WorldSettings::default() })
}

#[tokio::test(start_paused = true)]
async fn an_idle_process_stops_at_once_although_a_long_poll_is_open() {
    let process = world(100).process(u64::MAX);
    let stop = process.stop.clone();
    let begin = Instant::now();
    let stopper = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process.run(), stopper);
    assert_eq!(ended.map(|ended| ended.abandoned), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(7), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn messages_in_flight_are_finished_and_settled_within_the_grace_period() {
    let world = world(100);
    let samples = samples::generate(20, 10, 20);
    world.deliver_all(&samples);
    for sink in &world.sinks {
        *sink.faults.lock().unwrap() = SinkFaults { slow_seconds: 60, ..SinkFaults::default() };
    }
    let process = world.process(u64::MAX);
    let (stop, metrics) = (process.stop.clone(), process.metrics.clone());
    let stopper = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
    };
    tokio::join!(process.run(), stopper);
    assert_eq!(metrics.messages_received.get(), 10);
    assert_eq!(world.left(), 0, "everything received was finished");
    assert_eq!(world.sinks[0].ids().len(), samples.expected.len());
}

#[tokio::test(start_paused = true)]
async fn unfinished_messages_are_released_at_the_deadline_and_visible_at_once() {
    let world = world(30);
    world.deliver_all(&samples::generate(21, 10, 20));
    let never = Instant::now() + Duration::from_secs(1_000_000);
    world.sinks[0].faults.lock().unwrap().down_until = Some(never);
    let mut process = world.process(u64::MAX);
    // As a sink's driver with an event whose destination does not respond.
    let sinks_stop = process.parts.sinks_stop.clone();
    process.parts.sinks[0].driver = Box::pin(async move { sinks_stop.deadline().await });
    let stop = process.stop.clone();
    let begin = Instant::now();
    let stopper = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process.run(), stopper);
    assert!(ended.is_some_and(|ended| ended.abandoned > 0 && ended.late == 0), "{ended:?}");
    assert!(begin.elapsed() <= Duration::from_secs(2 + 30), "{:?}", begin.elapsed());
    let counts = world.sqs.with(|core, now| core.counts(QUEUE, now)).unwrap();
    assert_eq!(counts.ready, 10, "released, not left to their visibility timeout");
    assert!(world.early.lock().unwrap().is_empty());
}

/// Only a new process replaces a driver.
#[tokio::test(start_paused = true)]
async fn a_driver_that_fails_ends_the_run_and_messages_in_flight_are_released() {
    let world = world(30);
    world.deliver_all(&samples::generate(22, 10, 20));
    world.sinks[0].faults.lock().unwrap().down_until =
        Some(Instant::now() + Duration::from_secs(1_000_000));
    let mut process = world.process(u64::MAX);
    process.parts.sinks[0].driver = Box::pin(async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        panic!("a defect");
    });
    let begin = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(600), process.run()).await;
    assert!(ended.as_ref().is_ok_and(|ended| ended.is_some_and(|one| one.broken)), "{ended:?}");
    assert!(begin.elapsed() <= Duration::from_secs(5 + 30), "{:?}", begin.elapsed());
    let counts = world.sqs.with(|core, now| core.counts(QUEUE, now)).unwrap();
    assert_eq!(counts.ready, 10);
    assert!(world.early.lock().unwrap().is_empty());
}

/// A slow queue: receive calls after the first last until `responds`, every second one fails, and
/// visibility extensions take so many milliseconds to reach it.
struct SlowQueue {
    inner: Arc<dyn Queue>,
    receives: AtomicU32,
    responds: CancellationToken,
    extension_millis: u64,
}

impl SlowQueue {
    fn new(inner: Arc<dyn Queue>, extension_millis: u64) -> Arc<Self> {
        let responds = CancellationToken::new();
        Arc::new(Self { inner, receives: AtomicU32::new(0), responds, extension_millis })
    }
}

impl Queue for SlowQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        let before = self.receives.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let result = match before % 2 {
                0 => self.inner.receive(max).await,
                _ => Err(Error::new(Code::SqsUnreachable, "the connection was reset")),
            };
            if before > 0 {
                self.responds.cancelled().await;
            }
            result
        })
    }

    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            if batch.iter().any(|(_, time)| *time == VISIBILITY) {
                tokio::time::sleep(Duration::from_millis(self.extension_millis)).await;
            }
            self.inner.change_visibility(batch).await
        })
    }

    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        self.inner.delete(batch)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// While the queue is full four calls are open: at the stop two fail, and two have received ten
/// each.
#[tokio::test(start_paused = true)]
async fn messages_received_at_the_stop_are_released_even_if_other_calls_fail() {
    let world = world(100);
    world.deliver_all(&samples::generate(23, 40, 5));
    let mut process = world.process(u64::MAX);
    let queue = SlowQueue::new(Arc::clone(&process.parts.sources[0].queue), 0);
    process.parts.sources[0].queue = Arc::clone(&queue) as _;
    let stop = process.stop.clone();
    let stopper = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(queue.receives.load(Ordering::Relaxed), 5, "one returned, four are open");
        stop.cancel();
        queue.responds.cancel();
    };
    tokio::join!(process.run(), stopper);
    let counts = world.sqs.with(|core, now| core.counts(QUEUE, now)).unwrap();
    assert_eq!((counts.ready, counts.in_flight), (30, 0), "of 40, ten were done");
}

/// After the release, an extension under way would hide the message for its own, longer time.
#[tokio::test(start_paused = true)]
async fn a_released_message_is_redelivered_in_time_whatever_extension_was_under_way() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let world = world(20);
        world.deliver_all(&samples::generate(seed, 10, 20));
        // Leases are extended after thirty seconds; soon after that a sink responds.
        let responds = Duration::from_millis(30_000 + rng.u64(0..900));
        let down_until = Some(Instant::now() + responds);
        *world.sinks[0].faults.lock().unwrap() =
            SinkFaults { retry: 1.0, down_until, ..SinkFaults::default() };
        let mut process = world.process(u64::MAX);
        let inner = Arc::clone(&process.parts.sources[0].queue);
        let queue = SlowQueue::new(inner, rng.u64(1..900));
        queue.responds.cancel();
        process.parts.sources[0].queue = queue;
        let stop = process.stop.clone();
        let watch = async {
            // The first release is for ten seconds at most.
            tokio::time::sleep(Duration::from_secs(44)).await;
            let again = world.sqs.with(|core, _| core.tally).received_again;
            stop.cancel();
            again
        };
        let (again, _) = tokio::join!(watch, process.run());
        let left = world.left() as u64;
        assert!(left > 5 && again >= left, "seed {seed}: {again} of {left} were redelivered");
    }
}
