//! What every message in flight shares: the rooms, met in one place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::Enrichment;
use crate::cloudtrail::{InvalidRecord, Record};
use crate::config::{EventOptions, FaultPolicies, KeyFilter};
use crate::error::{Disposition, Error};
use crate::event::{Arrival, Event};
use crate::pipeline::access_monitor::Refusals;
use crate::pipeline::dead_letter::{DeadLetter, DeadLetterPolicy, KeepBytes};
use crate::pipeline::decode::DecodeStage;
use crate::pipeline::dedup::Ledger;
use crate::pipeline::in_flight::InHand;
use crate::pipeline::limits::Gates;
use crate::pipeline::message::Keep;
use crate::pipeline::skip_monitor::{Accounts, Filtering};
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
pub(crate) struct RunningSource {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) policy: SourcePolicy,
    pub(crate) filtering: Filtering,
    pub(crate) refusals: Refusals,
    pub(crate) keeper: VisibilityExtender,
    pub(crate) settler: Acknowledger,
}

/// KiB of records that a best-effort sink may have in hand before more are dropped; an event counts for
/// one more. They are not in `[delivery] memory`: nothing waits for such a sink.
const SPARE_ROOM: u32 = 16 << 10;

/// A sink as the wire sees it.
pub(crate) struct Post {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) sink: Arc<dyn Sink>,
    spare: Arc<Semaphore>,
    /// What was found when it was tried without an event.
    looked: Mutex<Option<Result<(), Error>>>,
}

/// What a delivery holds until the sink has answered; given back when dropped.
pub(crate) struct Hold {
    /// Of a required sink: its message's place and memory.
    _place: Option<Keep>,
    /// Of a best-effort sink: places in its own room.
    _spare: Option<OwnedSemaphorePermit>,
}

impl Post {
    pub(crate) fn new(built: &Built) -> Self {
        Self {
            name: built.name.clone(),
            required: built.required,
            sink: Arc::clone(&built.sink),
            spare: Arc::new(Semaphore::new(SPARE_ROOM as usize)),
            looked: Mutex::default(),
        }
    }

    /// Notes what was found when the sink was tried without an event.
    pub(crate) fn looked(&self, found: Result<(), Error>) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    /// What an operator is told of the sink before its first event.
    pub(crate) fn untried(&self) -> String {
        match &*self.looked.lock().unwrap_or_else(PoisonError::into_inner) {
            None => String::from("untried"),
            Some(Ok(())) => String::from("up"),
            Some(Err(error)) => format!("untried: {error}"),
        }
    }

    /// What a delivery of records of these sizes, in bytes, holds; `None` if a best-effort sink has no
    /// room for them.
    pub(crate) fn admit(&self, sizes: impl Iterator<Item = usize>, keep: &Keep) -> Option<Hold> {
        if self.required {
            return Some(Hold { _place: Some(keep.clone()), _spare: None });
        }
        let spare = Arc::clone(&self.spare).try_acquire_many_owned(kib(sizes)).ok()?;
        Some(Hold { _place: None, _spare: Some(spare) })
    }

    /// Adds one to this sink's counter of `family`.
    pub(crate) fn count(&self, family: &Family<BySink, Counter>) {
        family.get_or_create(&BySink::new(&self.name)).inc();
    }
}

/// Room that records of these sizes take at a best-effort sink. What is larger than all of it goes alone.
fn kib(sizes: impl Iterator<Item = usize>) -> u32 {
    let kib = sizes.map(|size| size / 1024 + 1).sum::<usize>();
    u32::try_from(kib).unwrap_or(u32::MAX).min(SPARE_ROOM)
}

/// See the module.
pub(crate) struct Wire {
    pub(crate) gates: Gates,
    pub(crate) stage: Arc<DecodeStage>,
    pub(crate) options: Arc<EventOptions>,
    pub(crate) surroundings: Arc<Enrichment>,
    pub(crate) router: Router,
    pub(crate) posts: Vec<Post>,
    pub(crate) ledger: Ledger,
    pub(crate) in_hand: InHand,
    pub(crate) digests: Accounts,
    pub(crate) graveyard: DeadLetterPolicy,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    pub(crate) now: Now,
    pub(crate) jitter: Mutex<fastrand::Rng>,
    pub(crate) patience: Duration,
    /// Deliveries in hand: they outlive the message that asked.
    pub(crate) deliveries: TaskTracker,
    /// The drain deadline has come: settle what can be settled and let go of the rest.
    pub(crate) expire: CancellationToken,
}

impl Wire {
    /// Reads a record as configured, with what is known beside it now.
    pub(crate) fn read(&self, record: Record, arrival: Arrival) -> Result<Event, InvalidRecord> {
        Event::read_in(record, arrival, &self.options, &self.surroundings.context())
    }

    /// A draw in `0.0..1.0`, from the seeded generator.
    pub(crate) fn jitter(&self) -> f64 {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// Poison: a confirmed letter makes it `Done`, a failed one `Retry`; under `redrive` it stays
    /// `Poison`, for the queue to move.
    pub(crate) async fn bury(
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
