//! What every message in flight shares: the rooms, met in one place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dead_letter::{DeadLetter, DeadLetterPolicy, KeepBytes};
use super::decode::DecodeStage;
use super::filtering::{Accounts, Filtering};
use super::gates::Gates;
use super::in_hand::InHand;
use super::ledger::Ledger;
use super::message::Keep;
use super::refusals::Refusals;
use super::surroundings::Enrichment;
use crate::cloudtrail::{InvalidRecord, Record};
use crate::config::{EventOptions, FaultPolicies, KeyFilter};
use crate::error::{Disposition, Error};
use crate::event::{Arrival, Event};
use crate::queue::{Acknowledger, Queue, VisibilityExtender};
use crate::route::Router;
use crate::sink::{Built, Sink};
use crate::store::Store;
use crate::telemetry::{ByReason, BySink, Health, Metrics};

/// The wall clock, handed in so that a simulation replays.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// How a source's message bodies are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// As notifications, in any of AWS's formats. Never as a path: whoever can send to a queue must
    /// not be able to make us read our own files.
    Notifications,
    /// As paths of local files, from a folder queue.
    Paths,
    /// As dead letters of the kinds `record` and `event`, from `replay`.
    Letters,
}

/// A source's checked policy.
#[derive(Debug, Clone)]
pub struct SourcePolicy {
    /// How bodies are read.
    pub bodies: Bodies,
    /// Buckets that objects may come from.
    pub buckets: Vec<String>,
    /// CloudTrail regions that are fetched; empty: all.
    pub regions: Vec<String>,
    /// Object keys that are fetched.
    pub keys: KeyFilter,
    /// Whether records that messages carry themselves are taken.
    pub inline_records: bool,
    /// What each fault of an object becomes.
    pub faults: FaultPolicies,
}

/// A source, before the pipeline runs it.
pub struct Source {
    /// Its queue.
    pub queue: Arc<dyn Queue>,
    /// Where its objects lie.
    pub store: Arc<dyn Store>,
    /// Its policy.
    pub policy: SourcePolicy,
}

/// A source that runs: its queue's two drivers are up.
pub(super) struct RunningSource {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) store: Arc<dyn Store>,
    pub(super) policy: SourcePolicy,
    pub(super) filtering: Filtering,
    pub(super) refusals: Refusals,
    pub(super) keeper: VisibilityExtender,
    pub(super) settler: Acknowledger,
}

/// KiB of records that a best-effort sink may have in hand before more are dropped; an event counts for
/// one more. They are not in `[delivery] memory`: nothing waits for such a sink.
const SPARE_ROOM: u32 = 16 << 10;

/// A sink as the wire sees it.
pub(super) struct Post {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) sink: Arc<dyn Sink>,
    spare: Arc<Semaphore>,
    /// What was found when it was tried without an event.
    looked: Mutex<Option<Result<(), Error>>>,
}

/// What a delivery holds until the sink has answered; given back when dropped.
pub(super) struct Hold {
    /// Of a required sink: its message's place and memory.
    _place: Option<Keep>,
    /// Of a best-effort sink: places in its own room.
    _spare: Option<OwnedSemaphorePermit>,
}

impl Post {
    pub(super) fn new(built: &Built) -> Self {
        Self {
            name: built.name.clone(),
            required: built.required,
            sink: Arc::clone(&built.sink),
            spare: Arc::new(Semaphore::new(SPARE_ROOM as usize)),
            looked: Mutex::default(),
        }
    }

    /// Notes what was found when the sink was tried without an event.
    pub(super) fn looked(&self, found: Result<(), Error>) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    /// What an operator is told of the sink before its first event.
    pub(super) fn untried(&self) -> String {
        match &*self.looked.lock().unwrap_or_else(PoisonError::into_inner) {
            None => String::from("untried"),
            Some(Ok(())) => String::from("up"),
            Some(Err(error)) => format!("untried: {error}"),
        }
    }

    /// What a delivery of records of these sizes, in bytes, holds; `None` if a best-effort sink has no
    /// room for them.
    pub(super) fn admit(&self, sizes: impl Iterator<Item = usize>, keep: &Keep) -> Option<Hold> {
        if self.required {
            return Some(Hold { _place: Some(keep.clone()), _spare: None });
        }
        let spare = Arc::clone(&self.spare).try_acquire_many_owned(kib(sizes)).ok()?;
        Some(Hold { _place: None, _spare: Some(spare) })
    }

    /// Adds one to this sink's counter of `family`.
    pub(super) fn count(&self, family: &Family<BySink, Counter>) {
        family.get_or_create(&BySink::new(&self.name)).inc();
    }
}

/// Room that records of these sizes take at a best-effort sink. What is larger than all of it goes alone.
fn kib(sizes: impl Iterator<Item = usize>) -> u32 {
    let kib = sizes.map(|size| size / 1024 + 1).sum::<usize>();
    u32::try_from(kib).unwrap_or(u32::MAX).min(SPARE_ROOM)
}

/// See the module.
pub(super) struct Wire {
    pub(super) gates: Gates,
    pub(super) stage: Arc<DecodeStage>,
    pub(super) options: Arc<EventOptions>,
    pub(super) surroundings: Arc<Enrichment>,
    pub(super) router: Router,
    pub(super) posts: Vec<Post>,
    pub(super) ledger: Ledger,
    pub(super) in_hand: InHand,
    pub(super) digests: Accounts,
    pub(super) graveyard: DeadLetterPolicy,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) now: Now,
    pub(super) jitter: Mutex<fastrand::Rng>,
    pub(super) patience: Duration,
    /// Deliveries in hand: they outlive the message that asked.
    pub(super) deliveries: TaskTracker,
    /// The drain deadline has come: settle what can be settled and let go of the rest.
    pub(super) expire: CancellationToken,
}

impl Wire {
    /// Reads a record as configured, with what is known beside it now.
    pub(super) fn read(&self, record: Record, arrival: Arrival) -> Result<Event, InvalidRecord> {
        Event::read_in(record, arrival, &self.options, &self.surroundings.known())
    }

    /// A draw in `0.0..1.0`, from the seeded generator.
    pub(super) fn jitter(&self) -> f64 {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// Poison: a confirmed letter makes it `Done`, a failed one `Retry`; under `redrive` it stays
    /// `Poison`, for the queue to move.
    pub(super) async fn bury(
        &self,
        error: Error,
        letter: impl FnOnce(KeepBytes, &Error) -> DeadLetter,
    ) -> Disposition {
        let (letters, keep) = match &self.graveyard {
            DeadLetterPolicy::Redrive => return Disposition::Poison(error),
            DeadLetterPolicy::Write(letters, keep) => (letters, *keep),
        };
        let letter = letter(keep, &error);
        let code = letter.code;
        match letters.put(letter).await {
            Ok(()) => {
                self.metrics.dead_letters.get_or_create(&ByReason::new(code.as_str())).inc();
                Disposition::Done
            }
            Err(failed) => {
                self.metrics.dead_letter_errors.inc();
                tracing::error!(code = failed.code.as_str(), "{failed}; the message is kept");
                Disposition::Retry(failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_best_effort_sink_is_measured_in_bytes_and_events() {
        assert_eq!(kib([0, 1023, 1024, 5000].into_iter()), 1 + 1 + 2 + 5);
        assert_eq!(kib(std::iter::repeat_n(10, 20_000)), SPARE_ROOM);
        assert_eq!(kib([64 << 20].into_iter()), SPARE_ROOM);
    }
}
