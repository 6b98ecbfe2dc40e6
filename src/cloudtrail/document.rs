//! Walks a document and picks the selected records: the structure of CloudTrail's files.
//!
//! A document is one JSON value or several after one another: `{"Records":[…]}` (the key anywhere in
//! the object), an array of records, or records (one, or one a line). It comes in windows. Whatever
//! is not finished at a window's end is kept and comes again at the front of the next one.

use std::sync::Arc;

use super::gzip::MAGIC;
use super::nesting::{Broken, DEEPEST, Nesting};
use super::outline::Outline;
use super::picker::{Picker, Span};
use super::place::{Gap, Object, Place, Step};
use super::run::Run;
use super::scalar::{is_blank, scalar_end, string_end};
use super::{DecodeError, DecodeStats, Decoded, Selection, head};
use crate::config::Decode;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A document, walked window by window.
pub(super) struct Document {
    picker: Picker,
    /// Most brackets open at once.
    max_nesting: u32,
    place: Place,
    nesting: Nesting,
    outline: Outline,
    run: Run,
    /// The next byte of the window to look at.
    at: usize,
    /// First byte of the window that is still needed, if it is before `at`.
    hold: Option<usize>,
    /// Inside an array that is itself a top-level value, not that of `Records`.
    bare_array: bool,
    /// What the first value was: records one after another, or anything else.
    lines: Option<bool>,
    object: Object,
}

impl Document {
    pub(super) fn new(selection: Arc<Selection>, limits: Decode) -> Self {
        let mut document = Self {
            outline: Outline::new(Arc::clone(&selection)),
            picker: Picker::new(selection, limits),
            max_nesting: limits.max_nesting.min(DEEPEST),
            place: Place::Start,
            nesting: Nesting::new(0),
            run: Run::new(),
            at: 0,
            hold: None,
            bare_array: false,
            lines: None,
            object: Object::default(),
        };
        document.reset();
        document
    }

    /// Forgets everything but the buffers.
    pub(super) fn reset(&mut self) {
        self.place = Place::Start;
        self.picker.reset();
        self.outline.reset();
        self.run.reset();
        self.at = 0;
        self.hold = None;
        self.lines = None;
        self.object = Object::default();
    }

    /// Walks on through a window: what the last call left of the window before, and what follows.
    /// Answers how many bytes at its front are done with. `last`: nothing follows.
    pub(super) fn walk(
        &mut self,
        window: &[u8],
        last: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<usize, DecodeError> {
        while let Step::Done = self.step(window, last, found)? {}
        let done = self.hold.unwrap_or(self.at);
        self.picker.check_length(window.len() - done)?;
        self.at -= done;
        self.hold = self.hold.map(|_| 0);
        self.outline.shift(done);
        self.picker.shift(done);
        Ok(done)
    }

    /// Ends the document, of which the last window has been walked through.
    pub(super) fn finish(&mut self) -> Result<DecodeStats, DecodeError> {
        match self.place {
            Place::Start => Err(DecodeError::Empty),
            Place::Top if self.lines.is_none() => Err(DecodeError::Empty),
            Place::Top => self.picker.finish(),
            _ => Err(self.damage(self.at, "the document ends inside a value")),
        }
    }

    fn step(
        &mut self,
        window: &[u8],
        last: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<Step, DecodeError> {
        match self.place {
            Place::Start => return Ok(self.start(window, last)),
            Place::Element { .. } | Place::Line | Place::Skipped => {
                return self.bracketed(window, found);
            }
            _ => {}
        }
        let blank = window[self.at..].iter().take_while(|byte| is_blank(**byte)).count();
        self.at += blank;
        let Some(&byte) = window.get(self.at) else { return Ok(Step::More) };
        match self.place {
            Place::Top => self.top(byte, window, last),
            Place::Key(first) => self.key(byte, first, window, found),
            Place::Colon(records) if byte == b':' => self.go(1, Place::Value(records)),
            Place::Value(records) => self.value(byte, records, window, last),
            Place::AfterMember if byte == b',' => self.go(1, Place::Key(false)),
            Place::AfterMember if byte == b'}' => self.end_object(window, found),
            Place::Gap(gap) => self.gap(byte, gap, window, last, found),
            Place::Colon(_) => Err(self.damage(self.at, "expected a colon")),
            _ => Err(self.damage(self.at, "expected a comma or a closing brace")),
        }
    }

    fn go(&mut self, by: usize, place: Place) -> Result<Step, DecodeError> {
        self.at += by;
        self.place = place;
        Ok(Step::Done)
    }

    fn start(&mut self, window: &[u8], last: bool) -> Step {
        if window.len() < BYTE_ORDER_MARK.len() && !last {
            return Step::More;
        }
        if window.starts_with(&BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        self.place = Place::Top;
        Step::Done
    }

    /// At the first byte of a top-level value.
    fn top(&mut self, byte: u8, window: &[u8], last: bool) -> Result<Step, DecodeError> {
        const ENVELOPE: &[u8] = br#"{"Records""#;
        const USUAL: &[u8] = br#"{"Records":["#;
        let rest = &window[self.at..];
        match byte {
            b'{' if self.lines == Some(true) && !rest.starts_with(ENVELOPE) => {
                if rest.len() < ENVELOPE.len() && ENVELOPE.starts_with(rest) && !last {
                    return Ok(Step::More);
                }
                self.hold = Some(self.at);
                self.open(window, 0, Place::Line)
            }
            b'{' if rest.starts_with(USUAL) => {
                self.object = Object::default();
                self.at += USUAL.len() - 1;
                self.value(b'[', true, window, last)
            }
            b'{' => {
                self.hold = Some(self.at);
                self.object = Object::default();
                self.go(1, Place::Key(true))
            }
            b'[' => {
                self.lines.get_or_insert(false);
                self.bare_array = true;
                self.go(1, Place::Gap(Gap::First))
            }
            _ if self.lines.is_some() => {
                Err(self.damage(self.at, "expected another record or the end"))
            }
            _ if rest.starts_with(&MAGIC) => {
                Err(DecodeError::NotCloudTrail("it is gzip inside gzip".to_owned()))
            }
            _ => Err(DecodeError::NotCloudTrail(format!(
                "it starts with byte 0x{byte:02x}, which is neither gzip nor a JSON object or array"
            ))),
        }
    }

    /// Where the next key of a top-level object, or its end, belongs.
    fn key(
        &mut self,
        byte: u8,
        first: bool,
        window: &[u8],
        found: &mut Vec<Decoded>,
    ) -> Result<Step, DecodeError> {
        if byte == b'}' && first {
            return self.end_object(window, found);
        }
        if byte != b'"' {
            return Err(self.damage(self.at, "expected a key"));
        }
        let Some(end) = string_end(window, self.at) else { return Ok(Step::More) };
        let key = head::string(&window[self.at..end])
            .map_err(|reason| self.damage(self.at, &format!("a key cannot be read: {reason}")))?;
        self.object.event |= key == "eventName" || key == "eventSource";
        self.object.digest |= key.starts_with("digest");
        let records = key == "Records";
        self.at = end;
        self.place = Place::Colon(records);
        Ok(Step::Done)
    }

    /// At the first byte of a value in a top-level object.
    fn value(
        &mut self,
        byte: u8,
        records: bool,
        window: &[u8],
        last: bool,
    ) -> Result<Step, DecodeError> {
        if records && byte == b'[' {
            self.hold = None;
            self.object.records = true;
            self.bare_array = false;
            self.lines.get_or_insert(false);
            return self.go(1, Place::Gap(Gap::First));
        }
        if records {
            return Err(DecodeError::NotCloudTrail("its Records is not an array".to_owned()));
        }
        if matches!(byte, b'{' | b'[') {
            return self.open(window, 1, Place::Skipped);
        }
        let Some(end) = scalar_end(byte, window, self.at, last) else { return Ok(Step::More) };
        head::check(&window[self.at..end])
            .map_err(|reason| self.damage(self.at, &format!("a value cannot be read: {reason}")))?;
        self.at = end;
        self.place = Place::AfterMember;
        Ok(Step::Done)
    }

    /// At the closing brace of a top-level object.
    fn end_object(&mut self, window: &[u8], found: &mut Vec<Decoded>) -> Result<Step, DecodeError> {
        self.at += 1;
        self.place = Place::Top;
        let start = self.hold.take();
        if self.object.records {
            return Ok(Step::Done);
        }
        let single = self.object.event || self.lines.is_some();
        match start {
            Some(start) if single => {
                self.lines.get_or_insert(true);
                let at = Span { start, end: self.at };
                self.picker.record(&mut self.outline, window, at, found)?;
                Ok(Step::Done)
            }
            _ if self.object.digest => {
                Err(DecodeError::NotCloudTrail("it is a digest file".to_owned()))
            }
            _ => Err(DecodeError::NotCloudTrail(
                "it is an object with neither Records nor the fields of a record".to_owned(),
            )),
        }
    }

    /// Between the elements of an array of records.
    fn gap(
        &mut self,
        byte: u8,
        gap: Gap,
        window: &[u8],
        last: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<Step, DecodeError> {
        match (gap, byte) {
            (Gap::AfterElement, b',') => self.go(1, Place::Gap(Gap::AfterComma)),
            (Gap::AfterElement | Gap::First, b']') => {
                self.go(1, if self.bare_array { Place::Top } else { Place::AfterMember })
            }
            (Gap::AfterElement, _) => {
                Err(self.damage(self.at, "expected a comma or the end of the array"))
            }
            (_, b',' | b']' | b'}' | b':') => Err(self.damage(self.at, "expected a record")),
            (_, b'{' | b'[') => self.element(byte, window),
            _ => {
                let Some(end) = scalar_end(byte, window, self.at, last) else {
                    return Ok(Step::More);
                };
                self.picker.no_object(window, Span { start: self.at, end }, found)?;
                self.at = end;
                self.place = Place::Gap(Gap::AfterElement);
                Ok(Step::Done)
            }
        }
    }

    /// At the opening bracket of an element.
    #[inline]
    fn element(&mut self, byte: u8, window: &[u8]) -> Result<Step, DecodeError> {
        let depth = if self.bare_array { 1 } else { 2 };
        self.hold = Some(self.at);
        self.open(window, depth, Place::Element { object: byte == b'{' })
    }

    /// At the opening bracket of a value.
    #[inline]
    fn open(&mut self, window: &[u8], depth: u32, place: Place) -> Result<Step, DecodeError> {
        if !self.outline.seek(window, self.at) {
            return Err(self.damage(self.at, "a quote before this place has no partner"));
        }
        self.nesting = Nesting::new(self.nesting_left(depth));
        self.place = place;
        Ok(Step::Done)
    }

    /// In a value in brackets.
    fn bracketed(&mut self, window: &[u8], found: &mut Vec<Decoded>) -> Result<Step, DecodeError> {
        loop {
            if self.place == (Place::Element { object: true }) && self.run(window, found)? {
                return Ok(Step::Done);
            }
            let Some(end) = self.close(window)? else {
                self.at = window.len();
                return Ok(Step::More);
            };
            self.at = end;
            let start = self.hold.take().unwrap_or(end);
            self.after(self.place, window, Span { start, end }, found)?;
            // As CloudTrail writes it, the next record follows at once.
            if !matches!(self.place, Place::Gap(_)) || !window[end..].starts_with(b",{") {
                return Ok(Step::Done);
            }
            self.at = end + 1;
            self.element(b'{', window)?;
        }
    }

    /// Closes the open record and those that follow it at once, as far as brackets are drawn. Answers
    /// whether something else follows them; if not, a record is open.
    fn run(&mut self, window: &[u8], found: &mut Vec<Decoded>) -> Result<bool, DecodeError> {
        let start = self.hold.unwrap_or(self.at);
        let open = self.run.close(&mut self.nesting, &mut self.outline, window, start);
        let Some(end) = self.run.end() else { return Ok(false) };
        self.picker.records(&mut self.outline, window, &self.run, found)?;
        self.hold = open.then_some(end + 1);
        if !open {
            self.at = end;
            self.place = Place::Gap(Gap::AfterElement);
        }
        Ok(!open)
    }

    /// After the last bracket of a value.
    #[inline]
    fn after(
        &mut self,
        place: Place,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        self.place = match place {
            Place::Skipped => {
                self.hold = Some(at.start).filter(|_| !self.object.records);
                Place::AfterMember
            }
            Place::Element { object: false } => {
                self.picker.no_object(window, at, found)?;
                Place::Gap(Gap::AfterElement)
            }
            place => {
                let document = self.picker.record(&mut self.outline, window, at, found)?;
                if document && place == Place::Line {
                    let reason = "a document of records where a record belongs";
                    return Err(self.damage(at.start, reason));
                }
                if place == Place::Line { Place::Top } else { Place::Gap(Gap::AfterElement) }
            }
        };
        Ok(())
    }

    fn close(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        self.nesting.close(&mut self.outline, window).map_err(|broken| match broken {
            Broken::TooDeep => {
                let limit = u64::from(self.max_nesting);
                DecodeError::OverLimit { name: "max_nesting", limit }
            }
            Broken::Mismatch => {
                let start = self.hold.unwrap_or(self.at);
                self.damage(start, "in this value a bracket closes one of another kind")
            }
        })
    }

    fn nesting_left(&self, depth: u32) -> u32 {
        self.max_nesting.saturating_sub(depth)
    }

    fn damage(&self, at: usize, reason: &str) -> DecodeError {
        DecodeError::Json { at: self.picker.offset(at), reason: reason.to_owned() }
    }
}
