//! Decodes log files: stored bytes in, selected records out.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::document::Document;
#[cfg(feature = "fast-inflate")]
use super::gzip::Checksum;
use super::gzip::{Gunzip, MAGIC};
#[cfg(feature = "fast-inflate")]
use super::one_shot::OneShot;
#[cfg(feature = "fast-inflate")]
use super::structural_index::CHUNK;
use super::{DecodeError, DecodeStats, Decoded, Selection};
use crate::config::Decode;

/// Bytes that are decompressed and then parsed at a time: they stay in the second-level cache.
const WINDOW: usize = 256 << 10;

/// Decompressed bytes from which the ratio is checked: short documents may be all white space.
const RATIO_FROM: u64 = 1 << 20;

/// The settings that all decoders of a process share.
#[derive(Debug, Clone)]
pub struct DecoderSettings {
    /// The records to select.
    pub selection: Arc<Selection>,
    /// `[decode]`.
    pub limits: Decode,
}

/// Decodes objects one at a time and reuses its buffers.
///
/// The first byte of an object tells whether it is gzip, never a name or a header. An error in the
/// document (invalid JSON, or not CloudTrail data) is returned only after the file has passed the
/// checks of gzip: a flipped bit must not be reported as another kind of file.
pub struct Decoder {
    limits: Decode,
    document: Document,
    gunzip: Gunzip,
    format: Format,
    window: Vec<u8>,
    filled: usize,
    stored: u64,
    decompressed: u64,
    hash: Sha256,
    /// The error in the document, until the file has passed the checks of gzip.
    document_error: Option<DecodeError>,
    #[cfg(feature = "fast-inflate")]
    one_shot: OneShot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Before the first byte.
    Unknown,
    Gzip,
    Plain,
}

impl Decoder {
    /// Creates a decoder with new buffers.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            limits: settings.limits,
            document: Document::new(settings.selection, settings.limits),
            gunzip: Gunzip::new(),
            format: Format::Unknown,
            window: vec![0; WINDOW],
            filled: 0,
            stored: 0,
            decompressed: 0,
            hash: Sha256::new(),
            document_error: None,
            #[cfg(feature = "fast-inflate")]
            one_shot: OneShot::new(),
        }
    }

    /// Decodes the next stored bytes of the object and appends its records to `found`.
    ///
    /// # Errors
    /// The file is corrupt, not a log file or over a limit: nothing of it may be delivered. The
    /// decoder is ready for the next object.
    pub fn push(&mut self, stored: &[u8], found: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let before = found.len();
        self.take(stored, found).inspect_err(|_| {
            found.truncate(before);
            self.reset();
        })
    }

    /// Ends the object and returns its record counts. The decoder is ready for the next object.
    ///
    /// # Errors
    /// As [`push`](Self::push); also if the file is truncated.
    pub fn finish(&mut self, found: &mut Vec<Decoded>) -> Result<DecodeStats, DecodeError> {
        let before = found.len();
        let tally = self.end(found).inspect_err(|_| found.truncate(before));
        self.reset();
        tally
    }

    /// Decodes an object that is completely in memory, in the fastest way.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn decode(
        &mut self,
        stored: &[u8],
        found: &mut Vec<Decoded>,
    ) -> Result<DecodeStats, DecodeError> {
        if self.format != Format::Unknown {
            self.reset();
        }
        let before = found.len();
        let tally = self.decode_one_shot(stored, found).unwrap_or_else(|| {
            self.reset();
            self.take(stored, found).and_then(|()| self.end(found))
        });
        self.reset();
        tally.inspect_err(|_| found.truncate(before))
    }

    /// Returns whether a CloudTrail record has been found in the current object.
    #[must_use]
    pub fn has_records(&self) -> bool {
        self.document.has_records()
    }

    /// Discards the current object.
    pub fn reset(&mut self) {
        self.document.reset();
        self.gunzip.reset();
        self.format = Format::Unknown;
        self.window.truncate(WINDOW);
        self.window.shrink_to(WINDOW);
        self.filled = 0;
        self.stored = 0;
        self.decompressed = 0;
        self.hash = Sha256::new();
        self.document_error = None;
    }

    /// Decodes a small object without the stream; `None` if it needs the stream.
    #[cfg(feature = "fast-inflate")]
    fn decode_one_shot(
        &mut self,
        stored: &[u8],
        found: &mut Vec<Decoded>,
    ) -> Option<Result<DecodeStats, DecodeError>> {
        let before = found.len();
        let (document, promised) = self.one_shot.decompress(stored)?;
        // In chunks, so that what the checksum has read is still in the first-level cache.
        let mut checksum = Checksum::default();
        let mut parsed = Ok(0);
        let mut reached = 0;
        while reached < document.len() {
            let chunk = &document[reached..document.len().min(reached + CHUNK)];
            checksum.update(chunk);
            if self.limits.hash {
                self.hash.update(chunk);
            }
            reached += chunk.len();
            parsed = parsed.and_then(|done| {
                let last = reached == document.len();
                Ok(done + self.document.parse(&document[done..reached], last, found)?)
            });
        }
        if checksum.sum() != promised {
            found.truncate(before);
            return None;
        }
        self.stored = stored.len() as u64;
        self.decompressed = document.len() as u64;
        Some(self.check_size().and(parsed).and_then(|_| self.account()))
    }

    #[cfg(not(feature = "fast-inflate"))]
    fn decode_one_shot(
        &mut self,
        _: &[u8],
        _: &mut Vec<Decoded>,
    ) -> Option<Result<DecodeStats, DecodeError>> {
        None
    }

    fn take(&mut self, mut stored: &[u8], found: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        if let (Format::Unknown, Some(&first)) = (self.format, stored.first()) {
            self.format = if first == MAGIC[0] { Format::Gzip } else { Format::Plain };
        }
        loop {
            let waiting = stored.len();
            let free = &mut self.window[self.filled..];
            let free_length = free.len();
            let more = if self.format == Format::Gzip {
                self.gunzip.decompress(&mut stored, free)?
            } else {
                let length = free.len().min(stored.len());
                free[..length].copy_from_slice(&stored[..length]);
                stored = &stored[length..];
                length
            };
            self.stored += (waiting - stored.len()) as u64;
            self.decompressed += more as u64;
            if self.limits.hash {
                self.hash.update(&self.window[self.filled..self.filled + more]);
            }
            self.filled += more;
            if more < free_length {
                return self.check_size();
            }
            self.check_size()?;
            self.parse(false, found)?;
        }
    }

    fn end(&mut self, found: &mut Vec<Decoded>) -> Result<DecodeStats, DecodeError> {
        if self.stored == 0 {
            return Err(DecodeError::Empty);
        }
        if self.format == Format::Gzip {
            self.gunzip.finish()?;
        }
        self.parse(true, found)?;
        if let Some(error) = self.document_error.take() {
            return Err(error);
        }
        self.account()
    }

    /// Returns the record counts of a document that has been parsed without an error.
    fn account(&mut self) -> Result<DecodeStats, DecodeError> {
        let mut tally = self.document.finish()?;
        tally.stored_bytes = self.stored;
        tally.bytes = self.decompressed;
        tally.sha256 = self.limits.hash.then(|| HEXLOWER.encode(&self.hash.finalize_reset()));
        Ok(tally)
    }

    /// Parses what has been decompressed, and keeps the bytes that are still needed.
    fn parse(&mut self, last: bool, found: &mut Vec<Decoded>) -> Result<(), DecodeError> {
        let window = &self.window[..self.filled];
        let done = if self.document_error.is_some() {
            window.len()
        } else {
            match self.document.parse(window, last, found) {
                Ok(done) => done,
                Err(limit @ DecodeError::OverLimit { .. }) => return Err(limit),
                Err(error) => {
                    self.document_error = Some(error);
                    window.len()
                }
            }
        };
        self.window.copy_within(done..self.filled, 0);
        self.filled -= done;
        // A record that fills the window needs a longer window; `max_record` limits it.
        if self.window.len() - self.filled < WINDOW / 2 {
            self.window.resize(self.filled + WINDOW, 0);
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), DecodeError> {
        let Decode { max_decompressed, max_ratio, .. } = self.limits;
        if self.decompressed > max_decompressed {
            return Err(DecodeError::OverLimit {
                name: "max_decompressed",
                limit: max_decompressed,
            });
        }
        if self.decompressed > RATIO_FROM && self.decompressed / max_ratio.max(1) > self.stored {
            return Err(DecodeError::OverLimit { name: "max_ratio", limit: max_ratio });
        }
        Ok(())
    }
}
