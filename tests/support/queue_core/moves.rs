//! What happens to messages by themselves: time passes, a receive hides one, the last one moves it.

use std::sync::Arc;

use super::{Millis, OneQueue, Place, QueueError, Queues, ReceiptHandle, Received, Stored};

impl Queues {
    pub(super) fn queue(&mut self, name: &str) -> Result<&mut OneQueue, QueueError> {
        self.queues.get_mut(name).ok_or(QueueError::QueueDoesNotExist)
    }

    /// A queue, with the randomness of its order if it has any.
    pub(super) fn queue_and_shuffle(
        &mut self,
        name: &str,
    ) -> Result<(&mut OneQueue, Option<&mut fastrand::Rng>), QueueError> {
        let one = self.queues.get_mut(name).ok_or(QueueError::QueueDoesNotExist)?;
        Ok((one, self.faults.shuffled.then_some(&mut self.rng)))
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.f64() < probability
    }

    /// The handle, if this queue gave it out.
    pub(super) fn genuine(&mut self, queue: &str, text: &str) -> Result<ReceiptHandle, QueueError> {
        let tag = self.queue(queue)?.tag;
        ReceiptHandle::decode(text)
            .filter(|handle| handle.queue == tag)
            .ok_or(QueueError::ReceiptHandleIsInvalid)
    }

    /// Puts one message in its place.
    pub(super) fn enqueue(
        &mut self,
        queue: &str,
        body: Arc<str>,
        attributes: Option<serde_json::Value>,
        delay: Millis,
        now: Millis,
    ) -> Result<String, QueueError> {
        let late = self.faults.late_by;
        let delay = if late == 0 { delay } else { delay + self.rng.u64(0..=late) };
        let id = message_id(&mut self.rng);
        let place = if delay == 0 {
            Place::Ready { rank: 0 }
        } else {
            Place::Delayed { until: now.saturating_add(delay) }
        };
        let stored = Stored {
            id: id.clone(),
            body,
            attributes,
            sent: now,
            first_received: None,
            receive_count: 0,
            source: None,
            place,
        };
        let message = self.next_message;
        let (one, shuffle) = self.queue_and_shuffle(queue)?;
        one.insert(message, stored, shuffle);
        self.next_message += 1;
        self.tally.sent += 1;
        Ok(id)
    }

    /// Brings back what is hidden no longer, and drops what is older than the queue keeps.
    pub(super) fn pass_time(&mut self, queue: &str, now: Millis) -> Result<(), QueueError> {
        let (one, mut shuffle) = self.queue_and_shuffle(queue)?;
        while let Some(message) = one.due(now) {
            one.make_ready(message, shuffle.as_deref_mut());
        }
        let mut expired = 0;
        while let Some(message) = one.expired(now) {
            one.remove(message);
            expired += 1;
        }
        self.tally.expired += expired;
        Ok(())
    }

    /// Moves a message that was received often enough to the dead-letter queue; says whether it did.
    /// Without that queue it stays.
    pub(super) fn redrive(&mut self, queue: &str, message: u64) -> Result<bool, QueueError> {
        let one = self.queue(queue)?;
        let Some(policy) = one.settings.redrive.clone() else { return Ok(false) };
        let spent = one.get(message).is_some_and(|m| m.receive_count >= policy.max_receive_count);
        if !spent || !self.queues.contains_key(&policy.dead_letter) {
            return Ok(false);
        }
        let Some(mut stored) = self.queue(queue)?.remove(message) else { return Ok(false) };
        stored.source = Some(queue.to_owned());
        stored.place = Place::Ready { rank: 0 };
        let (dead_letters, shuffle) = self.queue_and_shuffle(&policy.dead_letter)?;
        dead_letters.insert(message, stored, shuffle);
        self.tally.redriven += 1;
        Ok(true)
    }

    /// Hides a ready message and hands it out under a new receipt handle.
    pub(super) fn deliver(
        &mut self,
        queue: &str,
        message: u64,
        visibility: Millis,
        now: Millis,
    ) -> Result<Option<Received>, QueueError> {
        let early = self.chance(self.faults.duplicate_delivery);
        let hidden = if early { self.rng.u64(0..=visibility) } else { visibility };
        let one = self.queue(queue)?;
        let queue = one.tag;
        let Some(stored) = one.get_mut(message) else { return Ok(None) };
        stored.receive_count += 1;
        let first_received = *stored.first_received.get_or_insert(now);
        let receive = stored.receive_count;
        let received = Received {
            id: stored.id.clone(),
            handle: ReceiptHandle { queue, message, receive }.encode(),
            body: stored.body.clone(),
            attributes: stored.attributes.clone(),
            receive_count: receive,
            sent: stored.sent,
            first_received,
            source: stored.source.clone(),
        };
        // Hidden until `now` at the least: the loop that receives never meets it twice in one call.
        one.hide(message, now + hidden, now);
        self.tally.received += 1;
        self.tally.received_again += u64::from(receive > 1);
        Ok(Some(received))
    }
}

/// A random UUID, version 4 in form.
fn message_id(rng: &mut fastrand::Rng) -> String {
    let bits = rng.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
