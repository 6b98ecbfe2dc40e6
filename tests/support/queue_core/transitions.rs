//! Transitions of messages: sent, hidden by a receive, visible again, expired, moved to the
//! dead-letter queue.

use std::sync::Arc;

use super::{
    MessageState, Millis, QueueError, QueueState, Queues, ReceiptHandle, Received, StoredMessage,
};

impl Queues {
    pub(super) fn queue(&mut self, name: &str) -> Result<&mut QueueState, QueueError> {
        self.queues.get_mut(name).ok_or(QueueError::QueueDoesNotExist)
    }

    /// Returns a queue, and the random generator if its order is random.
    pub(super) fn queue_and_shuffle(
        &mut self,
        name: &str,
    ) -> Result<(&mut QueueState, Option<&mut fastrand::Rng>), QueueError> {
        let queue_state = self.queues.get_mut(name).ok_or(QueueError::QueueDoesNotExist)?;
        Ok((queue_state, self.faults.shuffled.then_some(&mut self.rng)))
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.f64() < probability
    }

    /// Parses a handle; an error if this queue did not issue it.
    pub(super) fn genuine(&mut self, queue: &str, text: &str) -> Result<ReceiptHandle, QueueError> {
        let tag = self.queue(queue)?.tag;
        ReceiptHandle::decode(text)
            .filter(|handle| handle.queue == tag)
            .ok_or(QueueError::ReceiptHandleIsInvalid)
    }

    /// Adds one message.
    pub(super) fn enqueue(
        &mut self,
        queue: &str,
        body: Arc<str>,
        attributes: Option<serde_json::Value>,
        delay: Millis,
        now: Millis,
    ) -> Result<String, QueueError> {
        let late_by = self.faults.late_by;
        let delay = if late_by == 0 { delay } else { delay + self.rng.u64(0..=late_by) };
        let id = message_id(&mut self.rng);
        let state = if delay == 0 {
            MessageState::Ready { rank: 0 }
        } else {
            MessageState::Delayed { until: now.saturating_add(delay) }
        };
        let stored = StoredMessage {
            id: id.clone(),
            body,
            attributes,
            sent: now,
            first_received: None,
            receive_count: 0,
            source: None,
            state,
        };
        let message = self.next_message;
        let (queue_state, shuffle) = self.queue_and_shuffle(queue)?;
        queue_state.insert(message, stored, shuffle);
        self.next_message += 1;
        self.tally.sent += 1;
        Ok(id)
    }

    /// Makes messages visible whose hiding time has ended, and deletes those beyond their
    /// retention.
    pub(super) fn pass_time(&mut self, queue: &str, now: Millis) -> Result<(), QueueError> {
        let (queue_state, mut shuffle) = self.queue_and_shuffle(queue)?;
        while let Some(message) = queue_state.due(now) {
            queue_state.make_ready(message, shuffle.as_deref_mut());
        }
        let mut expired = 0;
        while let Some(message) = queue_state.expired(now) {
            queue_state.remove(message);
            expired += 1;
        }
        self.tally.expired += expired;
        Ok(())
    }

    /// Moves a message that reached its maximum receive count to the dead-letter queue; returns
    /// whether it did. If that queue does not exist, the message is delivered.
    pub(super) fn redrive(&mut self, queue: &str, message: u64) -> Result<bool, QueueError> {
        let queue_state = self.queue(queue)?;
        let Some(policy) = queue_state.settings.redrive.clone() else { return Ok(false) };
        let spent =
            queue_state.get(message).is_some_and(|m| m.receive_count >= policy.max_receive_count);
        if !spent || !self.queues.contains_key(&policy.dead_letter) {
            return Ok(false);
        }
        let Some(mut stored) = self.queue(queue)?.remove(message) else { return Ok(false) };
        stored.source = Some(queue.to_owned());
        stored.state = MessageState::Ready { rank: 0 };
        let (dead_letters, shuffle) = self.queue_and_shuffle(&policy.dead_letter)?;
        dead_letters.insert(message, stored, shuffle);
        self.tally.redriven += 1;
        Ok(true)
    }

    /// Hides a ready message and returns it with a new receipt handle.
    pub(super) fn deliver(
        &mut self,
        queue: &str,
        message: u64,
        visibility: Millis,
        now: Millis,
    ) -> Result<Option<Received>, QueueError> {
        let early = self.chance(self.faults.duplicate_delivery);
        let hidden = if early { self.rng.u64(0..=visibility) } else { visibility };
        let queue_state = self.queue(queue)?;
        let queue = queue_state.tag;
        let Some(stored) = queue_state.get_mut(message) else { return Ok(None) };
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
        // Hidden until `now` at least: one receive never returns it twice.
        queue_state.hide(message, now + hidden, now);
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
