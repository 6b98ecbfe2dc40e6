//! The decoder: stored bytes in, selected records out.

use std::sync::Arc;

use sha2::{Digest, Sha256};

#[cfg(feature = "fast-inflate")]
use super::checksum::Checksum;
use super::document::Document;
use super::gzip::{Gunzip, MAGIC};
#[cfg(feature = "fast-inflate")]
use super::one_shot::OneShot;
#[cfg(feature = "fast-inflate")]
use super::outline::STRETCH;
use super::picker::hexadecimal;
use super::{DecodeError, DecodeStats, Decoded, Selection};
use crate::config::Decode;

/// Bytes that are unpacked and then walked through at a time: they stay in a core's second cache.
const WINDOW: usize = 256 << 10;

/// The ratio of an object is looked at from here on: short ones may be all white space.
const RATIO_FROM: u64 = 1 << 20;

/// What every decoder of a process shares.
#[derive(Debug, Clone)]
pub struct DecoderSettings {
    /// Which records.
    pub selection: Arc<Selection>,
    /// `[decode]`.
    pub limits: Decode,
}

/// Decodes one object after another; its buffers are kept from object to object.
///
/// Whether an object is gzip is told by its first byte, never by a name or a header. A verdict on
/// the document (damaged, or not CloudTrail data) is given only when the file has passed the checks
/// of gzip: a flipped bit must not pass for another kind of file.
pub struct Decoder {
    limits: Decode,
    document: Document,
    gunzip: Gunzip,
    packing: Packing,
    window: Vec<u8>,
    filled: usize,
    stored: u64,
    unpacked: u64,
    hash: Sha256,
    verdict: Option<DecodeError>,
    #[cfg(feature = "fast-inflate")]
    one_shot: OneShot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    /// No byte has been seen.
    Unknown,
    Gzip,
    Plain,
}

impl Decoder {
    /// A decoder with fresh buffers.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            limits: settings.limits,
            document: Document::new(settings.selection, settings.limits),
            gunzip: Gunzip::new(),
            packing: Packing::Unknown,
            window: vec![0; WINDOW],
            filled: 0,
            stored: 0,
            unpacked: 0,
            hash: Sha256::new(),
            verdict: None,
            #[cfg(feature = "fast-inflate")]
            one_shot: OneShot::new(),
        }
    }

    /// Takes the next stored bytes of the object and appends what is found to `found`.
    ///
    /// # Errors
    /// The file is damaged or over a limit: nothing of it may be delivered. The decoder is ready
    /// for the next object.
    pub fn push(&mut self, stored: &[u8], found: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let before = found.len();
        self.take(stored, found).inspect_err(|_| {
            found.truncate(before);
            self.reset();
        })
    }

    /// Ends the object: its checks, and its accounting. The decoder is ready for the next one.
    ///
    /// # Errors
    /// As [`push`](Self::push); also for a file that ends early.
    pub fn finish(&mut self, found: &mut Vec<Decoded>) -> Result<DecodeStats, DecodeError> {
        let before = found.len();
        let tally = self.end(found).inspect_err(|_| found.truncate(before));
        self.reset();
        tally
    }

    /// Decodes an object that is wholly in memory, by the fastest way there is.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn decode(
        &mut self,
        stored: &[u8],
        found: &mut Vec<Decoded>,
    ) -> Result<DecodeStats, DecodeError> {
        if self.packing != Packing::Unknown {
            self.reset();
        }
        let before = found.len();
        let tally = self.decode_at_once(stored, found).unwrap_or_else(|| {
            self.reset();
            self.take(stored, found).and_then(|()| self.end(found))
        });
        self.reset();
        tally.inspect_err(|_| found.truncate(before))
    }

    /// Forgets a half-read object, so that the next one starts clean.
    pub fn reset(&mut self) {
        self.document.reset();
        self.gunzip.reset();
        self.packing = Packing::Unknown;
        self.window.truncate(WINDOW);
        self.window.shrink_to(WINDOW);
        self.filled = 0;
        self.stored = 0;
        self.unpacked = 0;
        self.hash = Sha256::new();
        self.verdict = None;
    }

    /// Decodes a small object without the stream; none if it must go through it.
    #[cfg(feature = "fast-inflate")]
    fn decode_at_once(
        &mut self,
        stored: &[u8],
        found: &mut Vec<Decoded>,
    ) -> Option<Result<DecodeStats, DecodeError>> {
        let before = found.len();
        let (document, promised) = self.one_shot.unpack(stored)?;
        // In steps, so that what the checksum has read is still near when it is walked through.
        let mut checksum = Checksum::default();
        let mut walked = Ok(0);
        let mut reached = 0;
        while reached < document.len() {
            let step = &document[reached..document.len().min(reached + STRETCH)];
            checksum.update(step);
            if self.limits.hash {
                self.hash.update(step);
            }
            reached += step.len();
            walked = walked.and_then(|done| {
                let last = reached == document.len();
                Ok(done + self.document.walk(&document[done..reached], last, found)?)
            });
        }
        if checksum.sum() != promised {
            found.truncate(before);
            return None;
        }
        self.stored = stored.len() as u64;
        self.unpacked = document.len() as u64;
        Some(self.check_size().and(walked).and_then(|_| self.account()))
    }

    #[cfg(not(feature = "fast-inflate"))]
    fn decode_at_once(
        &mut self,
        _: &[u8],
        _: &mut Vec<Decoded>,
    ) -> Option<Result<DecodeStats, DecodeError>> {
        None
    }

    fn take(&mut self, mut stored: &[u8], found: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        if let (Packing::Unknown, Some(&first)) = (self.packing, stored.first()) {
            self.packing = if first == MAGIC[0] { Packing::Gzip } else { Packing::Plain };
        }
        loop {
            let waiting = stored.len();
            let room = &mut self.window[self.filled..];
            let room_length = room.len();
            let more = if self.packing == Packing::Gzip {
                self.gunzip.unpack(&mut stored, room)?
            } else {
                let length = room.len().min(stored.len());
                room[..length].copy_from_slice(&stored[..length]);
                stored = &stored[length..];
                length
            };
            self.stored += (waiting - stored.len()) as u64;
            self.unpacked += more as u64;
            if self.limits.hash {
                self.hash.update(&self.window[self.filled..self.filled + more]);
            }
            self.filled += more;
            if more < room_length {
                return self.check_size();
            }
            self.check_size()?;
            self.walk(false, found)?;
        }
    }

    fn end(&mut self, found: &mut Vec<Decoded>) -> Result<DecodeStats, DecodeError> {
        if self.stored == 0 {
            return Err(DecodeError::Empty);
        }
        if self.packing == Packing::Gzip {
            self.gunzip.finish()?;
        }
        self.walk(true, found)?;
        if let Some(verdict) = self.verdict.take() {
            return Err(verdict);
        }
        self.account()
    }

    /// The accounting of a document that has been walked through and is sound.
    fn account(&mut self) -> Result<DecodeStats, DecodeError> {
        let mut tally = self.document.finish()?;
        tally.stored_bytes = self.stored;
        tally.bytes = self.unpacked;
        tally.sha256 = self.limits.hash.then(|| hexadecimal(&self.hash.finalize_reset()));
        Ok(tally)
    }

    /// Walks through what has been unpacked, and keeps what is not finished.
    fn walk(&mut self, last: bool, found: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let window = &self.window[..self.filled];
        let done = if self.verdict.is_some() {
            window.len()
        } else {
            match self.document.walk(window, last, found) {
                Ok(done) => done,
                Err(limit @ DecodeError::OverLimit { .. }) => return Err(limit),
                Err(verdict) => {
                    self.verdict = Some(verdict);
                    window.len()
                }
            }
        };
        self.window.copy_within(done..self.filled, 0);
        self.filled -= done;
        // A record that fills the window needs a longer one; `max_record` bounds it.
        if self.window.len() - self.filled < WINDOW / 2 {
            self.window.resize(self.filled + WINDOW, 0);
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), DecodeError> {
        let Decode { max_decompressed, max_ratio, .. } = self.limits;
        if self.unpacked > max_decompressed {
            return Err(DecodeError::OverLimit {
                name: "max_decompressed",
                limit: max_decompressed,
            });
        }
        if self.unpacked > RATIO_FROM && self.unpacked / max_ratio.max(1) > self.stored {
            return Err(DecodeError::OverLimit { name: "max_ratio", limit: max_ratio });
        }
        Ok(())
    }
}
