//! The SQS model as certrelay's `Queue`, on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use certrelay::queue::{EntryError, Queue};
use tokio::time::Instant;

use crate::support::clock::Clock;
use crate::support::memory_queue::MemoryQueue;
use crate::support::queue_core::{Faults, Settings};
use crate::support::sqs::Sqs;

fn queue() -> (Arc<Sqs>, MemoryQueue) {
    let sqs = Arc::new(Sqs::new(Clock::simulated(), 1));
    sqs.create("objects", Settings::default());
    let queue = MemoryQueue::new(Arc::clone(&sqs), "objects", Duration::from_secs(30));
    (sqs, queue)
}

#[tokio::test(start_paused = true)]
async fn an_empty_long_poll_lasts_twenty_seconds() {
    let (_sqs, queue) = queue();
    let start = Instant::now();
    assert!(queue.receive(10).await.expect("received").is_empty());
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_when_a_visibility_timeout_ends() {
    let (sqs, queue) = queue();
    sqs.send("objects", "a").expect("sent");
    let first = queue.receive(10).await.expect("received");
    assert_eq!(first[0].receive_count, 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let second = queue.receive(10).await.expect("received");
    assert_eq!((second[0].receive_count, &second[0].id), (2, &first[0].id));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_when_a_message_is_sent() {
    let (sqs, queue) = queue();
    let start = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        sqs.send("objects", "a").expect("sent");
    };
    let (received, ()) = tokio::join!(queue.receive(10), later);
    assert_eq!((received.expect("received").len(), start.elapsed().as_secs()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn after_twelve_hours_of_extensions_the_lease_is_lost() {
    let (sqs, queue) = queue();
    sqs.send("objects", "a").expect("sent");
    let message = queue.receive(1).await.expect("received").remove(0);
    let lost = loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let batch = vec![(message.receipt.handle(), Duration::from_secs(30))];
        let results = queue.change_visibility(batch).await.expect("called");
        if let Err(error) = &results[0] {
            break error.clone();
        }
    };
    assert!(
        matches!(lost, EntryError::Lost(error) if error.text.contains("InvalidParameterValue"))
    );
    let again = queue.receive(1).await.expect("received");
    assert_eq!(again[0].receive_count, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_entry_is_transient_and_has_no_effect() {
    let (sqs, queue) = queue();
    sqs.send("objects", "a").expect("sent");
    let message = queue.receive(1).await.expect("received").remove(0);
    sqs.with(|core, _| core.faults = Faults { entry_failure: 1.0, ..Faults::default() });
    let results = queue.delete(vec![message.receipt.handle()]).await.expect("called");
    assert!(matches!(results[0], Err(EntryError::Transient(_))));
    assert_eq!(sqs.with(|core, now| core.counts("objects", now)).expect("it exists").in_flight, 1);
}
