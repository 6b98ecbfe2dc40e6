//! Broker outages of every kind: nothing is lost, and sinks resume by themselves.

use std::sync::Arc;

use certrelay::error::{Code, Outcome};
use certrelay::event::Event;

use super::broker::{Broker, ids};
use super::running::{Running, all_ids, events, run};
use crate::support::wait;

fn write_to(brokers: &[&str], topic: &str) -> Running {
    run(&format!(
        r#"brokers = {brokers:?}
        topic = "{topic}"
        key = "event_id"
        format = "raw""#
    ))
}

/// Many calls at once, as messages make them.
async fn flood(running: &Running, events: Vec<Arc<Event>>) -> Vec<Outcome> {
    let calls = events.chunks(20).map(<[_]>::to_vec).collect::<Vec<_>>();
    let calls = calls.into_iter().map(|events| running.sink.deliver(events));
    futures_util::future::join_all(calls).await.concat()
}

/// Returns the ids in a topic, each once: records in flight when a broker died may be duplicated.
fn once(broker: &Broker, topic: &str, at_least: usize) -> Vec<String> {
    let mut read = ids(&broker.consume(topic, at_least));
    read.dedup();
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_stopped_or_killed_for_longer_than_every_timeout_loses_nothing() {
    let start = || Broker::start("kafka-killed");
    let Some(broker) = tokio::task::block_in_place(start) else { return };
    broker.create_topic("outages", 1, &[]).await;
    let running = write_to(&[broker.open.as_str()], "outages");
    let mut all = events(450);
    let mut at_stop = all.split_off(50);
    let mut while_down = at_stop.split_off(100);
    let at_kill = while_down.split_off(100);
    assert_eq!(running.sink.deliver(all).await, vec![Outcome::Delivered; 50]);

    // Stopped while events are delivered, with more events while it is down. Two failures are two
    // timeouts of three seconds.
    let outage = async {
        broker.stop();
        wait::until("the broker to end", async || (!broker.is_up()).then_some(())).await;
        let back = async {
            running.failures(2).await;
            broker.restart();
        };
        futures_util::future::join(flood(&running, while_down), back).await.0
    };
    let outcomes = futures_util::future::join(flood(&running, at_stop), outage).await;
    assert_eq!(outcomes, (vec![Outcome::Delivered; 100], vec![Outcome::Delivered; 100]));

    // Frozen, it has unacknowledged batches; killed, it may have stored them or not.
    broker.freeze();
    let kill = async {
        let error = running.failure().await;
        broker.kill();
        running.failures(2).await;
        broker.restart();
        error
    };
    let (error, outcomes) = futures_util::future::join(kill, flood(&running, at_kill)).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 200]);
    assert!(matches!(error.code, Code::KafkaTimeout | Code::KafkaTransport), "{error}");
    assert_eq!(once(&broker, "outages", 450), all_ids(450));
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_broker_takes_over_and_a_restarted_one_rejoins() {
    let start = || Broker::start("kafka-first");
    let Some(first) = tokio::task::block_in_place(start) else { return };
    let second = tokio::task::block_in_place(|| first.joined("kafka-second"));
    first.create_topic("pair", 2, &[("min.insync.replicas", "1")]).await;
    let leaders = |expected: &'static [i32]| {
        let first = &first;
        async move || {
            let found = tokio::task::block_in_place(|| first.partitions("pair"));
            let all = found.len() == 3;
            let leaders: Vec<i32> = found.iter().map(|(leader, _)| *leader).collect();
            (all && expected.iter().all(|broker| leaders.contains(broker))
                && leaders.iter().all(|leader| expected.contains(leader)))
            .then_some(())
        }
    };
    wait::until("leaders on both brokers", leaders(&[1, 2])).await;
    let running = write_to(&[second.open.as_str(), first.open.as_str()], "pair");
    let mut all = events(350);
    let mut at_kill = all.split_off(50);
    let late = at_kill.split_off(200);
    assert_eq!(running.sink.deliver(all).await, vec![Outcome::Delivered; 50]);

    // Frozen first, so that it has batches that it never acknowledges.
    second.freeze();
    let kill = async {
        second.kill();
        wait::until("the first broker to lead everything", leaders(&[1])).await;
    };
    let ((), outcomes) = futures_util::future::join(kill, flood(&running, at_kill)).await;
    assert_eq!(outcomes, vec![Outcome::Delivered; 200]);

    second.restart();
    wait::until("both replicas in sync", async || {
        let found = tokio::task::block_in_place(|| first.partitions("pair"));
        (found.len() == 3 && found.iter().all(|(_, replicas)| *replicas == 2)).then_some(())
    })
    .await;
    assert_eq!(flood(&running, late).await, vec![Outcome::Delivered; 100]);
    assert_eq!(once(&first, "pair", 350), all_ids(350));
    running.finish().await;
}
