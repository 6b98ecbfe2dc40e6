//! What became of an event at a sink, and of a message: the one vocabulary of failure.
//!
//! Every room reports in these words and none decides anything else with them, so that the whole
//! policy of certrelay ("what is retried, what is refused, what is deleted") can be read here.

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;

/// Longest time a released message stays hidden: a fault that lasts is looked at four times an hour.
pub const MAX_RELEASE: Duration = Duration::from_secs(15 * 60);

/// Why something did not go as planned.
///
/// `code` is short, stable and low in cardinality: it is the metric label and the index of the
/// runbook in `docs/delivery.md`. `text` is a sentence for the operator: what, where, the cause with
/// its code and request id. Neither ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Stable label, `snake_case`.
    pub code: &'static str,
    /// One sentence: what happened, where, and the cause.
    pub text: String,
}

impl Why {
    /// A reason with its stable `code` and an operator's sentence.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.text, self.code)
    }
}

/// An error and what caused it, in one line: the clients' own words are nested, and the outer ones say little.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// What to do, if `error` comes from there being no credentials to ask AWS with: nothing was sent, so
/// that neither the way nor the service is to blame.
pub(crate) fn without_credentials(
    error: &(dyn std::error::Error + 'static),
) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<CredentialsError>() {
            return Some(
                "; look at the task's role (on ECS), AWS_PROFILE or AWS_ACCESS_KEY_ID, and where a `role` is \
                 configured at its trust policy",
            );
        }
        next = cause.source();
    }
    None
}

/// What became of one event at one sink.
///
/// A problem of the destination is never a problem of the event: expired tokens, missing topics,
/// TLS faults and time-outs are `Retry`. Only an event that can never be accepted is `Refused`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it: durable by the sink's own definition (acks=all, HEC code 0, fsync …).
    Delivered,
    /// This event can never be accepted by this sink; the pipeline dead-letters it.
    Refused(Why),
    /// Not now. The event is as good as before and will be offered again.
    Retry(Why),
}

/// What became of a part of a message (an object, an event at a sink), folded into the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is final: delivered, dead-lettered, discarded, or there was nothing to deliver.
    Done,
    /// Something can never be processed and the queue's own redrive policy is to move it.
    Poison(Why),
    /// Something may still succeed later.
    Retry(Why),
}

impl Verdict {
    /// The verdict on two parts together: the worse one. `Retry` outranks `Poison`, because while
    /// anything may still succeed the message must not be hurried to a dead-letter queue.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Poison(_) => 1,
            Self::Retry(_) => 2,
        }
    }

    /// What to do with the message. `jitter` is a number in `0.0..=1.0` that the caller draws.
    #[must_use]
    pub fn settlement(&self, receive_count: u32, jitter: f64) -> Settlement {
        match self {
            Self::Done => Settlement::Delete,
            Self::Poison(_) | Self::Retry(_) => {
                Settlement::Release { after: backoff(receive_count, jitter) }
            }
        }
    }
}

/// What is done with a received message, once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Every event in it reached a final outcome at every required sink.
    Delete,
    /// Make it visible again after this long (0: at once). SQS counts every receive.
    Release {
        /// How long the queue hides the message from every consumer.
        after: Duration,
    },
}

/// How long a message is hidden before its next attempt: doubling from 10 s with the number of
/// receives, capped at [`MAX_RELEASE`], and spread by `jitter` (0.0..=1.0) over the upper half so
/// that a thousand messages failed by one outage do not return in one second.
#[must_use]
pub fn backoff(receive_count: u32, jitter: f64) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(7);
    let full = Duration::from_secs(10 << doublings).min(MAX_RELEASE);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poison() -> Verdict {
        Verdict::Poison(Why::new("corrupt", "x"))
    }
    fn retry() -> Verdict {
        Verdict::Retry(Why::new("throttled", "y"))
    }

    #[test]
    fn retry_outranks_poison_in_either_order() {
        assert_eq!(poison().and(retry()), retry());
        assert_eq!(retry().and(poison()), retry());
        assert_eq!(Verdict::Done.and(poison()), poison());
        assert_eq!(Verdict::Done.and(Verdict::Done), Verdict::Done);
    }

    #[test]
    fn only_done_deletes() {
        assert_eq!(Verdict::Done.settlement(1, 0.5), Settlement::Delete);
        for verdict in [poison(), retry()] {
            assert!(matches!(verdict.settlement(1, 0.5), Settlement::Release { .. }));
        }
    }

    #[test]
    fn backoff_doubles_and_is_capped() {
        let at = |n| backoff(n, 1.0).as_secs();
        assert_eq!([at(0), at(1), at(2), at(3), at(4)], [10, 10, 20, 40, 80]);
        assert_eq!(backoff(u32::MAX, 1.0), MAX_RELEASE);
        assert_eq!(backoff(1, 0.0), Duration::from_secs(5));
        assert_eq!(backoff(1, f64::INFINITY), Duration::from_secs(10));
    }
}
