//! The decode stage: a body becomes buffered matches, or the reason why its file delivers nothing.
//!
//! Tiny objects (nearly all) are buffered whole and decoded on the message's own task. Larger ones
//! go to a worker, one per core, over a short channel: decoding overlaps the download, a slow body
//! never delays the tiny ones, and the decode buffers belong to the workers, never to messages.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};

use crate::cloudtrail::{DecodeError, DecodeStats, Decoded, Decoder, DecoderSettings};
use crate::pipeline::limits::SMALL_OBJECT;
use crate::store::{Body, StoreError, StoreErrorKind};

/// Chunks on their way to a worker: enough to overlap, too few to matter for memory.
const CHUNKS_AHEAD: usize = 2;

/// Idle decoders that are kept with workers: the buffers of a burst are returned to the allocator.
const MAX_IDLE: usize = 8;

/// Where larger objects are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executor {
    /// On blocking threads, this many at once: the service.
    Workers(usize),
    /// On the message's own task: the simulation, which must replay.
    Inline,
}

/// Why an object has no matches to deliver.
#[derive(Debug)]
pub(super) enum ReadError {
    /// Its bytes did not arrive.
    Store(StoreError),
    /// Its bytes arrived and are damaged.
    Decode(DecodeError),
}

/// Selected records that are buffered until the end of the file has verified them.
#[derive(Debug)]
pub(super) struct MatchBuffer {
    cap: usize,
    skip: u64,
    matches: Vec<Decoded>,
    bytes: usize,
    /// The first match that did not fit: 0-based count of matches, skipped ones included.
    overflow: Option<u64>,
    seen: u64,
}

impl MatchBuffer {
    /// Creates a buffer of matches up to `cap` bytes, after the first `skip` matches.
    pub(super) fn new(cap: usize, skip: u64) -> Self {
        Self { cap, skip, matches: Vec::new(), bytes: 0, overflow: None, seen: 0 }
    }

    fn append(&mut self, decoded: &mut Vec<Decoded>) {
        for one in decoded.drain(..) {
            let number = self.seen;
            self.seen += 1;
            if number < self.skip || self.overflow.is_some() {
                continue;
            }
            let size = size_of(&one);
            // One match always fits, or an object could never be finished.
            if !self.matches.is_empty() && self.bytes + size > self.cap {
                self.overflow = Some(number);
                continue;
            }
            self.bytes += size;
            self.matches.push(one);
        }
    }

    fn verified(self, stats: DecodeStats) -> Verified {
        Verified { stats, matches: self.matches, bytes: self.bytes, next: self.overflow }
    }
}

/// Bytes of a match besides its record: its own struct, and an invalid record's reason and hash.
const OVERHEAD: usize = 256;

fn size_of(decoded: &Decoded) -> usize {
    OVERHEAD
        + match decoded {
            Decoded::Record(record) => record.bytes.len(),
            Decoded::Invalid(invalid) => invalid.bytes.len(),
        }
}

/// A file that passed its checks.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) stats: DecodeStats,
    /// Its matches, as many as the buffer's cap allowed.
    pub(super) matches: Vec<Decoded>,
    /// Bytes of those.
    pub(super) bytes: usize,
    /// The first match that did not fit: the object is read again from there.
    pub(super) next: Option<u64>,
}

/// The idle decoders, and the limit of workers.
pub(super) struct DecodeStage {
    settings: DecoderSettings,
    idle: Mutex<Vec<Decoder>>,
    workers: Option<Semaphore>,
}

impl DecodeStage {
    pub(super) fn new(settings: DecoderSettings, executor: Executor) -> Self {
        let workers = match executor {
            Executor::Workers(count) => Some(Semaphore::new(count.max(1))),
            Executor::Inline => None,
        };
        Self { settings, idle: Mutex::default(), workers }
    }

    /// Reads `body` to its end and verifies it.
    ///
    /// # Errors
    /// The body ended early, or the file is damaged.
    pub(super) async fn read(
        self: &Arc<Self>,
        mut body: Body,
        mut buffer: MatchBuffer,
    ) -> Result<Verified, ReadError> {
        let mut head = Vec::new();
        let mut ended = false;
        while head.len() <= SMALL_OBJECT {
            match body.chunks.next().await {
                Some(chunk) => head.extend_from_slice(&chunk.map_err(ReadError::Store)?),
                None => {
                    ended = true;
                    break;
                }
            }
        }
        let mut decoder = self.take_decoder();
        if ended {
            let mut decoded = Vec::new();
            let stats = decoder.decode(&head, &mut decoded);
            self.return_decoder(decoder);
            buffer.append(&mut decoded);
            return stats.map(|stats| buffer.verified(stats)).map_err(ReadError::Decode);
        }
        match &self.workers {
            None => self.stream_inline(decoder, head, body, buffer).await,
            Some(workers) => {
                let Ok(_permit) = workers.acquire().await else { return Err(stopped()) };
                self.stream_on_worker(decoder, head, body, buffer).await
            }
        }
    }

    /// Decodes one record without its file, with the checks, selection, limits and counts of a
    /// record at this position of a file.
    ///
    /// # Errors
    /// The record is over a limit, or no record.
    pub(super) fn decode_record(
        &self,
        record: &str,
        at_index: u64,
        at_offset: u64,
    ) -> Result<(DecodeStats, Vec<Decoded>), DecodeError> {
        let document = ["{\"Records\":[", record, "]}"].concat();
        let mut decoder = self.take_decoder();
        let mut decoded = Vec::new();
        let stats = decoder.decode(document.as_bytes(), &mut decoded);
        self.return_decoder(decoder);
        for one in &mut decoded {
            let (index, offset) = match one {
                Decoded::Record(record) => (&mut record.index, &mut record.offset),
                Decoded::Invalid(invalid) => (&mut invalid.index, &mut invalid.offset),
            };
            (*index, *offset) = (at_index, at_offset);
        }
        Ok((stats?, decoded))
    }

    async fn stream_inline(
        &self,
        mut decoder: Decoder,
        head: Vec<u8>,
        mut body: Body,
        mut buffer: MatchBuffer,
    ) -> Result<Verified, ReadError> {
        let mut decoded = Vec::new();
        let mut chunk = Bytes::from(head);
        loop {
            decoder.push(&chunk, &mut decoded).map_err(ReadError::Decode)?;
            buffer.append(&mut decoded);
            match body.chunks.next().await {
                Some(next) => chunk = next.map_err(ReadError::Store)?,
                None => break,
            }
        }
        let stats = decoder.finish(&mut decoded).map_err(ReadError::Decode)?;
        buffer.append(&mut decoded);
        self.return_decoder(decoder);
        Ok(buffer.verified(stats))
    }

    async fn stream_on_worker(
        self: &Arc<Self>,
        mut decoder: Decoder,
        head: Vec<u8>,
        mut body: Body,
        mut buffer: MatchBuffer,
    ) -> Result<Verified, ReadError> {
        let (chunks, mut incoming) = mpsc::channel::<Bytes>(CHUNKS_AHEAD);
        let stage = Arc::clone(self);
        let (complete, is_complete) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::task::spawn_blocking(move || {
            let mut decoded = Vec::new();
            while let Some(chunk) = incoming.blocking_recv() {
                decoder.push(&chunk, &mut decoded)?;
                buffer.append(&mut decoded);
            }
            // A body that was abandoned must not look like one that ended.
            if is_complete.blocking_recv().is_err() {
                decoder.reset();
                stage.return_decoder(decoder);
                return Ok(None);
            }
            let stats = decoder.finish(&mut decoded)?;
            buffer.append(&mut decoded);
            stage.return_decoder(decoder);
            Ok(Some(buffer.verified(stats)))
        });
        let mut chunk = Bytes::from(head);
        let mut failed = None;
        while chunks.send(chunk).await.is_ok() {
            match body.chunks.next().await {
                Some(Ok(next)) => chunk = next,
                Some(Err(cause)) => {
                    failed = Some(cause);
                    break;
                }
                None => {
                    let _ = complete.send(());
                    break;
                }
            }
        }
        drop(chunks);
        let decoded: Result<_, DecodeError> = worker.await.map_err(|_| stopped())?;
        match (failed, decoded) {
            (_, Err(error)) => Err(ReadError::Decode(error)),
            (Some(error), Ok(_)) => Err(ReadError::Store(error)),
            (None, Ok(Some(verified))) => Ok(verified),
            (None, Ok(None)) => Err(stopped()),
        }
    }

    fn take_decoder(&self) -> Decoder {
        let idle = self.idle.lock().pop();
        idle.unwrap_or_else(|| Decoder::new(self.settings.clone()))
    }

    fn return_decoder(&self, decoder: Decoder) {
        let most = if self.workers.is_some() { MAX_IDLE } else { 1 };
        let mut idle = self.idle.lock();
        if idle.len() < most {
            idle.push(decoder);
        }
    }
}

fn stopped() -> ReadError {
    let text = "decoding was stopped before the end of the object".to_owned();
    ReadError::Store(StoreError { kind: StoreErrorKind::Other, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudtrail::Record;

    fn record(index: u64, size: usize) -> Decoded {
        Decoded::Record(Record { bytes: Bytes::from(vec![b'x'; size]), index, offset: 0 })
    }

    #[test]
    fn the_next_pass_starts_at_the_first_match_that_did_not_fit() {
        let matches = || (0..5).map(|n| record(n, 40)).collect::<Vec<_>>();
        let mut first = MatchBuffer::new(2 * (40 + OVERHEAD), 0);
        first.append(&mut matches());
        let first = first.verified(DecodeStats::default());
        assert_eq!((first.matches.len(), first.next), (2, Some(2)));
        let mut second = MatchBuffer::new(2 * (40 + OVERHEAD), 2);
        second.append(&mut matches());
        assert_eq!(second.verified(DecodeStats::default()).next, Some(4));
        let mut last = MatchBuffer::new(2 * (40 + OVERHEAD), 4);
        last.append(&mut matches());
        let last = last.verified(DecodeStats::default());
        assert_eq!((last.matches.len(), last.next), (1, None));
    }

    #[test]
    fn one_match_larger_than_the_cap_is_buffered() {
        let mut buffer = MatchBuffer::new(10, 0);
        buffer.append(&mut vec![record(0, 1000), record(1, 1)]);
        let verified = buffer.verified(DecodeStats::default());
        assert_eq!((verified.matches.len(), verified.next), (1, Some(1)));
    }
}
