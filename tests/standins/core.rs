//! The SQS model: it has the behaviours of AWS that harm a careless consumer.

use crate::support::clock::Millis;
use crate::support::queue_core::{
    Faults, MAX_VISIBILITY, MessageState, QueueError, Queues, Received, Redrive, Settings,
};

const QUEUE: &str = "objects";
const DEAD: &str = "dead";
const SECOND: Millis = 1000;

fn queues(settings: Settings) -> Queues {
    let mut queues = Queues::new(7);
    queues.create(DEAD, Settings::default(), 0);
    queues.create(QUEUE, settings, 0);
    queues
}

fn send(queues: &mut Queues, body: &str) {
    queues.send(QUEUE, body, None, None, 0).expect("the queue exists");
}

fn receive(queues: &mut Queues, now: Millis) -> Vec<Received> {
    queues.receive(QUEUE, 10, None, now).expect("the queue exists")
}

fn one(queues: &mut Queues, now: Millis) -> Received {
    let mut received = receive(queues, now);
    assert_eq!(received.len(), 1, "exactly one message is visible");
    received.remove(0)
}

#[test]
fn a_message_not_deleted_is_redelivered_after_its_visibility_timeout() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let first = one(&mut queues, 0);
    assert!(receive(&mut queues, 30 * SECOND - 1).is_empty());
    let second = one(&mut queues, 30 * SECOND);
    assert_eq!(second.id, first.id);
    assert_eq!((first.receive_count, second.receive_count), (1, 2));
    assert_eq!((second.sent, second.first_received), (0, 0));
    assert_ne!(second.handle, first.handle, "every receive has a handle of its own");
}

#[test]
fn deleting_with_a_stale_handle_succeeds_and_deletes_nothing() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let first = one(&mut queues, 0);
    let second = one(&mut queues, 30 * SECOND);
    assert_eq!(queues.delete(QUEUE, &first.handle, 31 * SECOND), Ok(()));
    let third = one(&mut queues, 60 * SECOND);
    assert_eq!((second.receive_count, third.receive_count), (2, 3), "the message is still there");
    assert_eq!(queues.delete(QUEUE, &third.handle, 61 * SECOND), Ok(()));
    assert!(receive(&mut queues, 1000 * SECOND).is_empty());
    assert_eq!((queues.tally.deleted, queues.tally.stale_deletes), (1, 1));
}

#[test]
fn the_latest_handle_deletes_even_after_the_visibility_timeout() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let only = one(&mut queues, 0);
    assert_eq!(queues.delete(QUEUE, &only.handle, 40 * SECOND), Ok(()));
    assert!(receive(&mut queues, 41 * SECOND).is_empty());
}

#[test]
fn visibility_can_be_extended_to_at_most_twelve_hours_in_total() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let message = one(&mut queues, 0);
    let mut now = 0;
    while now < MAX_VISIBILITY - 60 * SECOND {
        now += 20 * SECOND;
        queues.change_visibility(QUEUE, &message.handle, 60 * SECOND, now).expect("extended");
        assert!(receive(&mut queues, now).is_empty());
    }
    let denied = queues.change_visibility(QUEUE, &message.handle, 60 * SECOND, now + 1);
    assert!(
        matches!(&denied, Err(QueueError::InvalidParameterValue(text)) if text.contains("43200"))
    );
    assert_eq!(one(&mut queues, MAX_VISIBILITY).receive_count, 2, "it is redelivered at the cap");
}

#[test]
fn zero_visibility_releases_the_message_at_once() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let message = one(&mut queues, 0);
    queues.change_visibility(QUEUE, &message.handle, 0, SECOND).expect("released");
    let again = queues.change_visibility(QUEUE, &message.handle, 30 * SECOND, SECOND);
    assert_eq!(again, Err(QueueError::MessageNotInflight));
    assert_eq!(one(&mut queues, SECOND).receive_count, 2);
}

#[test]
fn a_stale_handle_cannot_hide_the_message() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let first = one(&mut queues, 0);
    let second = one(&mut queues, 30 * SECOND);
    let stale = queues.change_visibility(QUEUE, &first.handle, 60 * SECOND, 31 * SECOND);
    assert!(matches!(stale, Err(QueueError::InvalidParameterValue(_))));
    queues.delete(QUEUE, &second.handle, 31 * SECOND).expect("deleted");
    let gone = queues.change_visibility(QUEUE, &second.handle, 60 * SECOND, 32 * SECOND);
    assert!(matches!(gone, Err(QueueError::InvalidParameterValue(_))));
}

#[test]
fn garbage_and_handles_of_another_queue_are_invalid() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let handle = one(&mut queues, 0).handle;
    let altered = handle.replace('0', "1");
    for (queue, handle) in [(QUEUE, "garbage"), (QUEUE, &altered), (DEAD, &handle)] {
        let invalid = Err(QueueError::ReceiptHandleIsInvalid);
        assert_eq!(queues.delete(queue, handle, 1), invalid);
        assert_eq!(queues.change_visibility(queue, handle, 0, 1), invalid);
    }
}

#[test]
fn a_message_received_too_often_is_moved_to_the_dead_letter_queue() {
    let redrive = Some(Redrive { dead_letter: DEAD.to_owned(), max_receive_count: 2 });
    let mut queues = queues(Settings { redrive, ..Settings::default() });
    send(&mut queues, "a");
    let first = one(&mut queues, 0);
    one(&mut queues, 30 * SECOND);
    assert!(receive(&mut queues, 60 * SECOND).is_empty(), "the third receive moves it");
    let dead = queues.receive(DEAD, 1, None, 60 * SECOND).expect("the queue exists");
    assert_eq!((dead[0].id.as_str(), &*dead[0].body), (first.id.as_str(), "a"));
    assert_eq!(dead[0].sent, first.sent, "it keeps the time it was sent");
    assert_eq!(dead[0].source.as_deref(), Some(QUEUE));
    assert_eq!(queues.tally.redriven, 1);
    assert!(queues.peek(QUEUE).expect("the queue exists").is_empty());
    let hidden = queues.peek(DEAD).expect("the queue exists");
    assert!(matches!(hidden[0].state, MessageState::InFlight { until: 90_000, received: 60_000 }));
}

#[test]
fn a_batch_has_results_by_entry_and_rejects_ids_that_are_not_distinct() {
    let mut queues = queues(Settings::default());
    send(&mut queues, "a");
    let handle = one(&mut queues, 0).handle;
    let delete = |queues: &mut Queues, ids: &[(&str, &str)]| {
        let entries = ids.iter().map(|(id, handle)| ((*id).to_owned(), *handle)).collect();
        queues.batch(entries, |queues, handle| queues.delete(QUEUE, handle, 1))
    };
    let twice = delete(&mut queues, &[("1", &handle), ("1", &handle)]);
    assert_eq!(twice, Err(QueueError::BatchEntryIdsNotDistinct));
    assert_eq!(delete(&mut queues, &[]), Err(QueueError::EmptyBatchRequest));
    assert_eq!(delete(&mut queues, &[("a b", &handle)]), Err(QueueError::InvalidBatchEntryId));
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|n| (n.as_str(), &*handle)).collect();
    assert_eq!(delete(&mut queues, &eleven), Err(QueueError::TooManyEntriesInBatchRequest));
    let results = delete(&mut queues, &[("x", "garbage"), ("y", &handle)]).expect("accepted");
    let invalid = Err(QueueError::ReceiptHandleIsInvalid);
    assert_eq!(results, [("x".to_owned(), invalid), ("y".to_owned(), Ok(()))]);
}

#[test]
fn seeded_faults_are_reproducible() {
    let run = |seed| {
        let mut queues = Queues::new(seed);
        queues.create(QUEUE, Settings::default(), 0);
        queues.faults = Faults {
            entry_failure: 0.3,
            duplicate_delivery: 0.3,
            lost_delete: 0.1,
            short_receive: 0.3,
            sent_twice: 0.1,
            late_by: 5 * SECOND,
            shuffled: true,
        };
        (0..100).for_each(|n| send(&mut queues, &n.to_string()));
        let mut log = Vec::new();
        let mut now = 0;
        while queues.counts(QUEUE, now).expect("it exists") != Default::default() {
            now += SECOND;
            let received = receive(&mut queues, now);
            log.extend(received.iter().map(|message| message.body.to_string()));
            let entries = received.into_iter().map(|m| (m.receive_count.to_string() + &m.id, m));
            let entries = entries.map(|(id, m)| (id, m.handle)).collect::<Vec<_>>();
            if !entries.is_empty() {
                let delete =
                    |queues: &mut Queues, handle: String| queues.delete(QUEUE, &handle, now);
                queues.batch(entries, delete).expect("a good batch");
            }
        }
        (log, queues.tally)
    };
    let (log, tally) = run(42);
    assert_eq!((&log, tally), (&run(42).0, run(42).1), "the same seed has the same result");
    assert_ne!(log, run(43).0);
    assert!(tally.received_again > 0, "something was delivered twice: {tally:?}");
    assert!(tally.sent > 100, "some messages were sent twice: {tally:?}");
    assert_eq!(tally.deleted, tally.sent, "and nothing was lost");
    let sorted: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_ne!(log[..100], sorted[..], "the order is not that of sending");
}

#[test]
fn without_faults_messages_are_received_in_the_order_of_sending() {
    let mut queues = queues(Settings::default());
    (0..25).for_each(|n| send(&mut queues, &n.to_string()));
    let order: Vec<String> =
        (0..3).flat_map(|_| receive(&mut queues, 0)).map(|m| m.body.to_string()).collect();
    assert_eq!(order, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
    let counts = queues.counts(QUEUE, 0).expect("it exists");
    assert_eq!((counts.ready, counts.in_flight, counts.delayed), (0, 25, 0));
}

#[test]
fn delay_retention_and_the_in_flight_limit_are_applied() {
    let retention = Some(600 * SECOND);
    let mut queues = queues(Settings { retention, max_in_flight: 2, ..Settings::default() });
    queues.send(QUEUE, "late", None, Some(5 * SECOND), 0).expect("sent");
    assert_eq!(queues.counts(QUEUE, 0).expect("it exists").delayed, 1);
    assert!(receive(&mut queues, 4 * SECOND).is_empty());
    send(&mut queues, "b");
    send(&mut queues, "c");
    assert_eq!(
        receive(&mut queues, 5 * SECOND).len(),
        3,
        "one call may exceed the limit, the next may not"
    );
    assert_eq!(queues.receive(QUEUE, 1, None, 6 * SECOND).err(), Some(QueueError::OverLimit));
    assert!(receive(&mut queues, 600 * SECOND).is_empty(), "all of them are too old by now");
    assert_eq!(queues.tally.expired, 3);
}
