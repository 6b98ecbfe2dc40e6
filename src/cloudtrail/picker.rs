//! Counts the records of a document and picks the selected ones.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::outline::Outline;
use super::run::Run;
use super::{DecodeError, DecodeStats, Decoded, InvalidRecord, Record, Selection, head};
use crate::config::Decode;

/// Most bad records of one object. What has more is not a log file with a fault in it, and each would be
/// a dead letter by itself.
const MAX_BAD: u64 = 1_000;

/// Where in the window a value is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What is known of the records so far.
pub(super) struct Picker {
    selection: Arc<Selection>,
    limits: Decode,
    tally: DecodeStats,
    /// Records that are no objects.
    no_objects: u64,
    /// Offset in the document of the window's first byte.
    base: u64,
}

impl Picker {
    pub(super) fn new(selection: Arc<Selection>, limits: Decode) -> Self {
        Self { selection, limits, tally: DecodeStats::default(), no_objects: 0, base: 0 }
    }

    /// Forgets the document.
    pub(super) fn reset(&mut self) {
        self.tally = DecodeStats::default();
        self.no_objects = 0;
        self.base = 0;
    }

    /// The first `by` bytes of the window are gone.
    pub(super) fn shift(&mut self, by: usize) {
        self.base += by as u64;
    }

    /// The place of a byte of the window in the document.
    pub(super) fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// The accounting. A list of other things is not a log file whose records are all bad, or each of
    /// them would be a dead letter.
    pub(super) fn finish(&mut self) -> Result<DecodeStats, DecodeError> {
        if self.no_objects > 0 && self.no_objects == self.tally.read {
            return Err(DecodeError::NotCloudTrail(
                "nothing in its list is a JSON object".to_owned(),
            ));
        }
        Ok(std::mem::take(&mut self.tally))
    }

    /// A record: counted, and read if it may be wanted. Answers whether it is in truth a document of
    /// records.
    pub(super) fn record(
        &mut self,
        outline: &mut Outline,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<bool, DecodeError> {
        self.count(at)?;
        if self.selection.prefilter().is_every() || outline.hit_within(window, at.start, at.end) {
            return self.judge(window, at, found);
        }
        if self.limits.strict
            && let Err(reason) = head::check(&window[at.start..at.end])
        {
            self.bad(window, at, reason, found)?;
        }
        Ok(false)
    }

    /// Records that follow one another: all are counted, and those looked at that may be wanted.
    pub(super) fn records(
        &mut self,
        outline: &mut Outline,
        window: &[u8],
        run: &Run,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let Some(end) = run.end() else { return Ok(()) };
        if self.limits.strict || self.selection.prefilter().is_every() {
            return run
                .spans()
                .try_for_each(|span| self.record(outline, window, span, found).map(|_| ()));
        }
        let before = self.tally.read;
        while let Some(mark) = outline.mark_before(end) {
            let (number, span) = run.around(mark);
            self.tally.read = before + number as u64;
            self.record(outline, window, span, found)?;
            outline.pass_marks(span.end);
        }
        self.tally.read = before + run.count() as u64;
        self.check_count()?;
        self.check_length(run.longest())
    }

    /// What stands where a record belongs and is no object.
    pub(super) fn no_object(
        &mut self,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        self.count(at)?;
        self.no_objects += 1;
        self.bad(window, at, "a record must be a JSON object".to_owned(), found)
    }

    fn judge(
        &mut self,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<bool, DecodeError> {
        let record = &window[at.start..at.end];
        let head = match head::read(record) {
            Ok(head) => head,
            Err(reason) => {
                self.bad(window, at, reason, found)?;
                return Ok(false);
            }
        };
        let wanted = match (&head.source, &head.name) {
            (Some(source), Some(name)) => self.selection.wants(source, name),
            _ => self.selection.is_everything(),
        };
        if wanted {
            self.tally.selected += 1;
            found.push(Decoded::Record(Record {
                bytes: Bytes::copy_from_slice(record),
                index: self.tally.read - 1,
                offset: self.offset(at.start),
            }));
        }
        Ok(head.has_records)
    }

    fn bad(
        &mut self,
        window: &[u8],
        at: Span,
        reason: String,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let bytes = &window[at.start..at.end];
        self.tally.bad += 1;
        if self.tally.bad > MAX_BAD {
            return Err(DecodeError::OverLimit { name: "bad_records", limit: MAX_BAD });
        }
        found.push(Decoded::Invalid(InvalidRecord {
            index: self.tally.read - 1,
            offset: self.offset(at.start),
            sha256: hexadecimal(&Sha256::digest(bytes)),
            reason,
            bytes: Bytes::copy_from_slice(bytes),
        }));
        Ok(())
    }

    fn count(&mut self, at: Span) -> Result<(), DecodeError> {
        self.tally.read += 1;
        self.check_count()?;
        self.check_length(at.end - at.start)
    }

    /// Whether there may be so many records.
    fn check_count(&self) -> Result<(), DecodeError> {
        if self.tally.read > self.limits.max_records {
            return Err(DecodeError::OverLimit {
                name: "max_records",
                limit: self.limits.max_records,
            });
        }
        Ok(())
    }

    /// Whether a record may be this long.
    pub(super) fn check_length(&self, length: usize) -> Result<(), DecodeError> {
        if length as u64 > self.limits.max_record {
            return Err(DecodeError::OverLimit {
                name: "max_record",
                limit: self.limits.max_record,
            });
        }
        Ok(())
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
