//! Counts the records of a document and selects those that match the configured events.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::structural_index::StructuralIndex;
use super::{DecodeError, DecodeStats, Decoded, InvalidRecord, Record, Selection, header_fields};
use crate::config::Decode;

/// The start of a record as CloudTrail writes it. All others are parsed to tell whether they are
/// records.
const USUAL_START: &[u8] = br#"{"eventVersion":"1."#;

/// Why an element is invalid that could be parsed.
const NO_RECORD: &str =
    "not a CloudTrail record: it has no eventName, eventSource, eventVersion or eventType of one";

/// Most invalid records of one object. An object with more is not a log file with a few errors, and
/// each bad record would become a dead letter.
const MAX_BAD: u64 = 1_000;

/// The position of a value in the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Selects records, with the counts of the document so far.
pub(super) struct Selector {
    selection: Arc<Selection>,
    limits: Decode,
    tally: DecodeStats,
    /// Elements that are no CloudTrail records.
    no_records: u64,
    /// Offset in the document of the window's first byte.
    base: u64,
}

impl Selector {
    pub(super) fn new(selection: Arc<Selection>, limits: Decode) -> Self {
        Self { selection, limits, tally: DecodeStats::default(), no_records: 0, base: 0 }
    }

    /// Prepares for the next document.
    pub(super) fn reset(&mut self) {
        self.tally = DecodeStats::default();
        self.no_records = 0;
        self.base = 0;
    }

    /// Adjusts the offset after the first `by` bytes of the window have been removed.
    pub(super) fn shift(&mut self, by: usize) {
        self.base += by as u64;
    }

    /// Returns the offset in the document of a byte of the window.
    pub(super) fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// Returns whether an element so far was a CloudTrail record.
    pub(super) fn has_records(&self) -> bool {
        self.tally.read > self.no_records
    }

    /// Returns the counts of the document.
    ///
    /// # Errors
    /// None of its elements is a CloudTrail record: it is not a log file. Otherwise each of them
    /// would become a dead letter.
    pub(super) fn finish(&mut self) -> Result<DecodeStats, DecodeError> {
        if self.tally.read > 0 && !self.has_records() {
            return Err(no_records());
        }
        Ok(std::mem::take(&mut self.tally))
    }

    /// Counts a record, and parses it if it may match the selection.
    pub(super) fn record(
        &mut self,
        index: &mut StructuralIndex,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        self.count(at)?;
        let record = &window[at.start..at.end];
        if !record.starts_with(USUAL_START)
            && let Err(reason) = self.check_unusual(record)
        {
            return self.bad(window, at, reason, found);
        }
        if self.selection.prefilter().is_every() || index.may_match(window, at.start, at.end) {
            return self.parse(window, at, found);
        }
        if self.limits.strict
            && let Err(reason) = header_fields::validate(record)
        {
            self.bad(window, at, reason, found)?;
        }
        Ok(())
    }

    /// Checks that an object is a CloudTrail record.
    ///
    /// # Errors
    /// Why it is none.
    #[cold]
    fn check_unusual(&mut self, object: &[u8]) -> Result<(), String> {
        if header_fields::is_record(object)? {
            return Ok(());
        }
        self.no_records += 1;
        Err(NO_RECORD.to_owned())
    }

    /// Counts a record that is nested deeper than the limit.
    #[cold]
    pub(super) fn too_deep(
        &mut self,
        window: &[u8],
        at: Span,
        limit: u32,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        self.count(at)?;
        self.bad(window, at, format!("nested deeper than max_nesting = {limit}"), found)
    }

    /// Counts an array element that is not a JSON object.
    pub(super) fn not_object(
        &mut self,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        self.count(at)?;
        self.no_records += 1;
        self.bad(window, at, "a record must be a JSON object".to_owned(), found)
    }

    fn parse(
        &mut self,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let record = &window[at.start..at.end];
        let fields = match header_fields::read(record) {
            Ok(fields) => fields,
            Err(reason) => return self.bad(window, at, reason, found),
        };
        let is_selected = match (&fields.source, &fields.name) {
            (Some(source), Some(name)) => self.selection.wants(source, name),
            _ => self.selection.is_everything() && !fields.is_insight,
        };
        if is_selected {
            self.tally.selected += 1;
            found.push(Decoded::Record(Record {
                bytes: Bytes::copy_from_slice(record),
                index: self.tally.read - 1,
                offset: self.offset(at.start),
            }));
        }
        Ok(())
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
            if !self.has_records() {
                return Err(no_records());
            }
            return Err(DecodeError::OverLimit { name: "invalid_records", limit: MAX_BAD });
        }
        found.push(Decoded::Invalid(InvalidRecord {
            index: self.tally.read - 1,
            offset: self.offset(at.start),
            sha256: HEXLOWER.encode(&Sha256::digest(bytes)),
            reason,
            bytes: Bytes::copy_from_slice(bytes),
        }));
        Ok(())
    }

    fn count(&mut self, at: Span) -> Result<(), DecodeError> {
        self.tally.read += 1;
        if self.tally.read > self.limits.max_records {
            return Err(DecodeError::OverLimit {
                name: "max_records",
                limit: self.limits.max_records,
            });
        }
        self.check_length(at.end - at.start)
    }

    /// Checks the length of a record against its limit.
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

fn no_records() -> DecodeError {
    DecodeError::NotCloudTrail("none of its elements is a CloudTrail record".to_owned())
}
