//! The decode stage: a body becomes held records, or the reason why its file delivers nothing.
//!
//! Tiny objects (nearly all) are buffered whole and decoded where they are. Larger ones go to a worker,
//! one per core, over a short channel: decoding overlaps the download, a slow body never holds up the
//! tiny ones, and the decode buffers belong to the workers, never to messages.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc};

use crate::cloudtrail::{DecodeError, DecodeStats, Decoded, Decoder, DecoderSettings};
use crate::pipeline::limits::SMALL_OBJECT;
use crate::store::{Body, StoreError};

/// Chunks on their way to a worker: enough to overlap, too few to matter for memory.
const CHUNKS_AHEAD: usize = 2;

/// Where decoding of larger objects runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executor {
    /// On blocking threads, this many at once: the service.
    Workers(usize),
    /// Where the message is: the simulation, which must replay.
    Inline,
}

/// Why an object gave nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// Its bytes did not arrive.
    Store(StoreError),
    /// Its bytes arrived and are not sound.
    DecodeError(DecodeError),
}

/// Selected records kept back until the file's end has proven them.
#[derive(Debug)]
pub(super) struct Hold {
    cap: usize,
    skip: u64,
    kept: Vec<Decoded>,
    bytes: usize,
    /// Matches from here on did not fit: 0-based count of matches, skipped ones included.
    overflow: Option<u64>,
    seen: u64,
}

impl Hold {
    /// Keeps matches up to `cap` bytes, after passing over the first `skip` of them.
    pub(super) fn new(cap: usize, skip: u64) -> Self {
        Self { cap, skip, kept: Vec::new(), bytes: 0, overflow: None, seen: 0 }
    }

    fn take(&mut self, found: &mut Vec<Decoded>) {
        for one in found.drain(..) {
            let number = self.seen;
            self.seen += 1;
            if number < self.skip || self.overflow.is_some() {
                continue;
            }
            let size = size_of(&one);
            // One match always fits, or an object could never be finished.
            if !self.kept.is_empty() && self.bytes + size > self.cap {
                self.overflow = Some(number);
                continue;
            }
            self.bytes += size;
            self.kept.push(one);
        }
    }
}

/// What a match takes beside its bytes: itself, and of a bad record the reason and the hash.
const BESIDE: usize = 256;

fn size_of(found: &Decoded) -> usize {
    BESIDE
        + match found {
            Decoded::Record(record) => record.bytes.len(),
            Decoded::Invalid(bad) => bad.bytes.len(),
        }
}

/// A file that passed its checks.
#[derive(Debug)]
pub(super) struct Verified {
    /// What was in it.
    pub(super) tally: DecodeStats,
    /// Its matches, as many as the hold's cap allowed.
    pub(super) found: Vec<Decoded>,
    /// Bytes of those.
    pub(super) held: usize,
    /// The first match that did not fit: read the object again from there.
    pub(super) next: Option<u64>,
}

/// Decoders that nobody uses at the moment, and the workers' places.
pub(super) struct DecodeStage {
    settings: DecoderSettings,
    spare: Mutex<Vec<Decoder>>,
    workers: Option<Semaphore>,
}

impl DecodeStage {
    pub(super) fn new(settings: DecoderSettings, executor: Executor) -> Self {
        let workers = match executor {
            Executor::Workers(count) => Some(Semaphore::new(count.max(1))),
            Executor::Inline => None,
        };
        Self { settings, spare: Mutex::default(), workers }
    }

    /// Reads `body` to its end and proves it.
    pub(super) async fn read(
        self: &Arc<Self>,
        mut body: Body,
        mut hold: Hold,
    ) -> Result<Verified, Fault> {
        let mut head = Vec::new();
        let mut ended = false;
        while head.len() <= SMALL_OBJECT {
            match body.chunks.next().await {
                Some(chunk) => head.extend_from_slice(&chunk.map_err(Fault::Store)?),
                None => {
                    ended = true;
                    break;
                }
            }
        }
        let decoder = self.borrow();
        if ended {
            let mut decoder = decoder;
            let mut found = Vec::new();
            let tally = decoder.decode(&head, &mut found);
            self.give_back(decoder);
            hold.take(&mut found);
            return tally.map(|tally| hold.verified(tally)).map_err(Fault::DecodeError);
        }
        match &self.workers {
            None => self.stream_inline(decoder, head, body, hold).await,
            Some(places) => {
                let Ok(_place) = places.acquire().await else { return Err(stopped()) };
                self.stream_on_worker(decoder, head, body, hold).await
            }
        }
    }

    /// Reads one record that stands alone, as the file lane would read it in a file: the same checks,
    /// selection, limits and accounting.
    pub(super) fn read_inline(
        &self,
        record: &str,
    ) -> Result<(DecodeStats, Vec<Decoded>), DecodeError> {
        const BEFORE: &str = "{\"Records\":[";
        let document = [BEFORE, record, "]}"].concat();
        let mut decoder = self.borrow();
        let mut found = Vec::new();
        let tally = decoder.decode(document.as_bytes(), &mut found);
        self.give_back(decoder);
        for one in &mut found {
            match one {
                Decoded::Record(record) => {
                    record.offset = record.offset.saturating_sub(BEFORE.len() as u64)
                }
                Decoded::Invalid(bad) => {
                    bad.offset = bad.offset.saturating_sub(BEFORE.len() as u64)
                }
            }
        }
        Ok((tally?, found))
    }

    async fn stream_inline(
        &self,
        mut decoder: Decoder,
        head: Vec<u8>,
        mut body: Body,
        mut hold: Hold,
    ) -> Result<Verified, Fault> {
        let mut found = Vec::new();
        let mut chunk = Bytes::from(head);
        loop {
            decoder.push(&chunk, &mut found).map_err(Fault::DecodeError)?;
            hold.take(&mut found);
            match body.chunks.next().await {
                Some(next) => chunk = next.map_err(Fault::Store)?,
                None => break,
            }
        }
        let tally = decoder.finish(&mut found).map_err(Fault::DecodeError)?;
        hold.take(&mut found);
        self.give_back(decoder);
        Ok(hold.verified(tally))
    }

    async fn stream_on_worker(
        self: &Arc<Self>,
        mut decoder: Decoder,
        head: Vec<u8>,
        mut body: Body,
        mut hold: Hold,
    ) -> Result<Verified, Fault> {
        let (chunks, mut incoming) = mpsc::channel::<Bytes>(CHUNKS_AHEAD);
        let stage = Arc::clone(self);
        let (whole, is_whole) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            while let Some(chunk) = incoming.blocking_recv() {
                decoder.push(&chunk, &mut found)?;
                hold.take(&mut found);
            }
            // A body that was given up must not look like one that ended.
            if is_whole.blocking_recv().is_err() {
                decoder.reset();
                stage.give_back(decoder);
                return Ok(None);
            }
            let tally = decoder.finish(&mut found)?;
            hold.take(&mut found);
            stage.give_back(decoder);
            Ok(Some(hold.verified(tally)))
        });
        let mut chunk = Bytes::from(head);
        let mut broken = None;
        while chunks.send(chunk).await.is_ok() {
            match body.chunks.next().await {
                Some(Ok(next)) => chunk = next,
                Some(Err(cause)) => {
                    broken = Some(cause);
                    break;
                }
                None => {
                    let _ = whole.send(());
                    break;
                }
            }
        }
        drop(chunks);
        let decoded: Result<_, DecodeError> = worker.await.map_err(|_| stopped())?;
        match (broken, decoded) {
            (_, Err(damage)) => Err(Fault::DecodeError(damage)),
            (Some(cause), Ok(_)) => Err(Fault::Store(cause)),
            (None, Ok(Some(verified))) => Ok(verified),
            (None, Ok(None)) => Err(stopped()),
        }
    }

    fn borrow(&self) -> Decoder {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Decoder::new(self.settings.clone()))
    }

    fn give_back(&self, decoder: Decoder) {
        let keep = self.workers.as_ref().map_or(1, |_| 2 * MAX_SPARE);
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < keep {
            spare.push(decoder);
        }
    }
}

/// Idle decoders kept per kind of use: buffers of a burst are given back to the allocator.
const MAX_SPARE: usize = 4;

fn stopped() -> Fault {
    Fault::Store(StoreError {
        kind: crate::store::StoreErrorKind::Other,
        text: "decoding was stopped before the object's end".to_owned(),
    })
}

impl Hold {
    fn verified(self, tally: DecodeStats) -> Verified {
        Verified { tally, found: self.kept, held: self.bytes, next: self.overflow }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudtrail::Record;

    fn record(index: u64, size: usize) -> Decoded {
        Decoded::Record(Record { bytes: Bytes::from(vec![b'x'; size]), index, offset: 0 })
    }

    #[test]
    fn what_does_not_fit_is_named_and_the_next_pass_starts_there() {
        let matches = || (0..5).map(|n| record(n, 40)).collect::<Vec<_>>();
        let mut first = Hold::new(2 * (40 + BESIDE), 0);
        first.take(&mut matches());
        let first = first.verified(DecodeStats::default());
        assert_eq!((first.found.len(), first.next), (2, Some(2)));
        let mut second = Hold::new(2 * (40 + BESIDE), 2);
        second.take(&mut matches());
        assert_eq!(second.verified(DecodeStats::default()).next, Some(4));
        let mut last = Hold::new(2 * (40 + BESIDE), 4);
        last.take(&mut matches());
        let last = last.verified(DecodeStats::default());
        assert_eq!((last.found.len(), last.next), (1, None));
    }

    #[test]
    fn one_match_larger_than_the_cap_still_goes_through() {
        let mut hold = Hold::new(10, 0);
        hold.take(&mut vec![record(0, 1000), record(1, 1)]);
        let verified = hold.verified(DecodeStats::default());
        assert_eq!((verified.found.len(), verified.next), (1, Some(1)));
    }
}
