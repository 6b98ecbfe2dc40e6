//! Parses the structure of CloudTrail's documents and passes each record to the selector.
//!
//! A document is one JSON value or several in sequence: `{"Records":[…]}` (the key anywhere in the
//! object), an array of records, or records (one, or one a line). It arrives in windows. The
//! unparsed end of a window is repeated at the front of the next one.

use std::sync::Arc;

use super::brackets::{Brackets, MAX_DEPTH, Mismatch};
use super::selector::{Selector, Span};
use super::structural_index::StructuralIndex;
use super::{DecodeError, DecodeStats, Decoded, Selection, header_fields, other_format};
use crate::config::Decode;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A document that is parsed window by window.
pub(super) struct Document {
    selector: Selector,
    /// Most brackets open at once in a record that is read, those around it included.
    max_nesting: u32,
    state: State,
    brackets: Brackets,
    index: StructuralIndex,
    /// Offset of the next byte of the window.
    at: usize,
    /// Offset of the first byte of the window that is still needed, if before `at`.
    hold: Option<usize>,
    /// Whether the array of records is a top-level value, not that of `Records`.
    bare_array: bool,
    /// Whether the first value was a record, so that only more records may follow; `None` before it
    /// is known.
    lines: Option<bool>,
    object: Object,
}

impl Document {
    pub(super) fn new(selection: Arc<Selection>, limits: Decode) -> Self {
        let mut document = Self {
            index: StructuralIndex::new(Arc::clone(&selection)),
            selector: Selector::new(selection, limits),
            max_nesting: limits.max_nesting.min(MAX_DEPTH),
            state: State::Start,
            brackets: Brackets::new(0),
            at: 0,
            hold: None,
            bare_array: false,
            lines: None,
            object: Object::default(),
        };
        document.reset();
        document
    }

    /// Prepares for the next document.
    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.selector.reset();
        self.index.reset();
        self.at = 0;
        self.hold = None;
        self.lines = None;
        self.object = Object::default();
    }

    /// Parses a window: the bytes that the previous call left, and those that follow them. Returns
    /// the number of bytes at its front that are no longer needed. `last`: the document ends here.
    pub(super) fn parse(
        &mut self,
        window: &[u8],
        last: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<usize, DecodeError> {
        while let Step::Continue = self.step(window, last, found)? {}
        let done = self.hold.unwrap_or(self.at);
        self.selector.check_length(window.len() - done)?;
        self.at -= done;
        self.hold = self.hold.map(|_| 0);
        self.index.shift(done);
        self.selector.shift(done);
        Ok(done)
    }

    /// Ends the document after its last window.
    pub(super) fn finish(&mut self) -> Result<DecodeStats, DecodeError> {
        match self.state {
            State::Start => Err(DecodeError::Empty),
            State::Top if self.lines.is_none() => Err(DecodeError::Empty),
            State::Top => self.selector.finish(),
            _ => Err(self.error(self.at, "the document ends inside a value")),
        }
    }

    /// Returns whether a CloudTrail record has been found.
    pub(super) fn has_records(&self) -> bool {
        self.selector.has_records()
    }

    fn step(
        &mut self,
        window: &[u8],
        last: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<Step, DecodeError> {
        match self.state {
            State::Start => return Ok(self.start(window, last)),
            State::Element { .. } | State::Line | State::Skipped => {
                return self.bracketed(window, found);
            }
            _ => {}
        }
        let skipped = window[self.at..].iter().take_while(|byte| is_whitespace(**byte)).count();
        self.at += skipped;
        let Some(&byte) = window.get(self.at) else { return Ok(Step::NeedMore) };
        match self.state {
            State::Top => self.top(byte, window, last),
            State::Key(first) => self.key(byte, first, window, found),
            State::Colon(records) if byte == b':' => self.go(1, State::Value(records)),
            State::Value(records) => self.value(byte, records, window, last),
            State::AfterMember if byte == b',' => self.go(1, State::Key(false)),
            State::AfterMember if byte == b'}' => self.end_object(window, found),
            State::Array(after) => self.array(byte, after, window, last, found),
            State::Colon(_) => Err(self.error(self.at, "expected a colon")),
            _ => Err(self.error(self.at, "expected a comma or a closing brace")),
        }
    }

    fn go(&mut self, by: usize, state: State) -> Result<Step, DecodeError> {
        self.at += by;
        self.state = state;
        Ok(Step::Continue)
    }

    fn start(&mut self, window: &[u8], last: bool) -> Step {
        if window.len() < BYTE_ORDER_MARK.len() && !last {
            return Step::NeedMore;
        }
        if window.starts_with(&BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        self.state = State::Top;
        Step::Continue
    }

    /// At the first byte of a top-level value.
    fn top(&mut self, byte: u8, window: &[u8], last: bool) -> Result<Step, DecodeError> {
        const ENVELOPE: &[u8] = br#"{"Records""#;
        const USUAL: &[u8] = br#"{"Records":["#;
        let rest = &window[self.at..];
        if self.lines.is_none()
            && let Some(format) = other_format::of(rest)
        {
            return Err(DecodeError::NotCloudTrail(format!("it is {format}")));
        }
        match byte {
            b'{' if self.lines == Some(true) && !rest.starts_with(ENVELOPE) => {
                if rest.len() < ENVELOPE.len() && ENVELOPE.starts_with(rest) && !last {
                    return Ok(Step::NeedMore);
                }
                self.hold = Some(self.at);
                self.open(window, 0, State::Line)
            }
            b'{' if rest.starts_with(USUAL) => {
                self.object = Object::default();
                self.at += USUAL.len() - 1;
                self.value(b'[', true, window, last)
            }
            b'{' => {
                self.hold = Some(self.at);
                self.object = Object::default();
                self.go(1, State::Key(true))
            }
            b'[' => {
                self.lines.get_or_insert(false);
                self.bare_array = true;
                self.go(1, State::Array(After::Start))
            }
            _ if self.lines.is_some() => {
                Err(self.error(self.at, "expected another record or the end"))
            }
            _ => Err(DecodeError::NotCloudTrail(format!(
                "it starts with byte 0x{byte:02x}, which is neither gzip nor a JSON object or array"
            ))),
        }
    }

    /// Where a top-level object has its next key or its end.
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
            return Err(self.error(self.at, "expected a key"));
        }
        let Some(end) = string_end(window, self.at) else { return Ok(Step::NeedMore) };
        let key = header_fields::string(&window[self.at..end])
            .map_err(|reason| self.error(self.at, &format!("invalid key: {reason}")))?;
        self.object.event |= header_fields::RECORD_KEYS.contains(&&*key);
        self.object.digest |= key.starts_with("digest");
        let records = key == "Records";
        self.at = end;
        self.state = State::Colon(records);
        Ok(Step::Continue)
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
            return self.go(1, State::Array(After::Start));
        }
        if records {
            return Err(DecodeError::NotCloudTrail("its Records is not an array".to_owned()));
        }
        if matches!(byte, b'{' | b'[') {
            return self.open(window, 1, State::Skipped);
        }
        let Some(end) = scalar_end(byte, window, self.at, last) else { return Ok(Step::NeedMore) };
        header_fields::validate(&window[self.at..end])
            .map_err(|reason| self.error(self.at, &format!("invalid value: {reason}")))?;
        self.at = end;
        self.state = State::AfterMember;
        Ok(Step::Continue)
    }

    /// At the closing brace of a top-level object.
    fn end_object(&mut self, window: &[u8], found: &mut Vec<Decoded>) -> Result<Step, DecodeError> {
        self.at += 1;
        self.state = State::Top;
        let start = self.hold.take();
        if self.object.records {
            return Ok(Step::Continue);
        }
        let single = self.object.event || self.lines.is_some();
        match start {
            Some(start) if single => {
                self.lines.get_or_insert(true);
                let too_deep = self.object.too_deep;
                self.record(window, Span { start, end: self.at }, too_deep, found)?;
                Ok(Step::Continue)
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
    fn array(
        &mut self,
        byte: u8,
        after: After,
        window: &[u8],
        last: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<Step, DecodeError> {
        match (after, byte) {
            (After::Element, b',') => self.go(1, State::Array(After::Comma)),
            (After::Element | After::Start, b']') => {
                self.go(1, if self.bare_array { State::Top } else { State::AfterMember })
            }
            (After::Element, _) => {
                Err(self.error(self.at, "expected a comma or the end of the array"))
            }
            (_, b',' | b']' | b'}' | b':') => Err(self.error(self.at, "expected a record")),
            (_, b'{' | b'[') => self.element(byte, window),
            _ => {
                let Some(end) = scalar_end(byte, window, self.at, last) else {
                    return Ok(Step::NeedMore);
                };
                self.selector.not_object(window, Span { start: self.at, end }, found)?;
                self.at = end;
                self.state = State::Array(After::Element);
                Ok(Step::Continue)
            }
        }
    }

    /// At the opening bracket of an element.
    #[inline]
    fn element(&mut self, byte: u8, window: &[u8]) -> Result<Step, DecodeError> {
        let depth = if self.bare_array { 1 } else { 2 };
        self.hold = Some(self.at);
        self.open(window, depth, State::Element { object: byte == b'{' })
    }

    /// At the opening bracket of a value.
    #[inline]
    fn open(&mut self, window: &[u8], depth: u32, state: State) -> Result<Step, DecodeError> {
        if !self.index.seek(window, self.at) {
            return Err(self.error(self.at, "unmatched quote before this offset"));
        }
        self.brackets = Brackets::new(self.depth_left(depth));
        self.state = state;
        Ok(Step::Continue)
    }

    /// Inside a bracketed value.
    fn bracketed(&mut self, window: &[u8], found: &mut Vec<Decoded>) -> Result<Step, DecodeError> {
        loop {
            let Some(end) = self.find_end(window)? else {
                self.at = window.len();
                return Ok(Step::NeedMore);
            };
            self.at = end;
            let start = self.hold.take().unwrap_or(end);
            self.after(self.state, window, Span { start, end }, found)?;
            // CloudTrail writes the next record immediately after the comma.
            if !matches!(self.state, State::Array(_)) || !window[end..].starts_with(b",{") {
                return Ok(Step::Continue);
            }
            self.at = end + 1;
            self.element(b'{', window)?;
        }
    }

    /// After the last bracket of a value.
    #[inline]
    fn after(
        &mut self,
        state: State,
        window: &[u8],
        at: Span,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let too_deep = self.brackets.is_too_deep();
        self.state = match state {
            State::Skipped => {
                self.object.too_deep |= too_deep;
                self.hold = Some(at.start).filter(|_| !self.object.records);
                State::AfterMember
            }
            State::Element { object: false } => {
                self.selector.not_object(window, at, found)?;
                State::Array(After::Element)
            }
            state => {
                self.record(window, at, too_deep, found)?;
                if state == State::Line { State::Top } else { State::Array(After::Element) }
            }
        };
        Ok(())
    }

    /// At the end of a record.
    #[inline]
    fn record(
        &mut self,
        window: &[u8],
        at: Span,
        too_deep: bool,
        found: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        if too_deep {
            return self.selector.too_deep(window, at, self.max_nesting, found);
        }
        self.selector.record(&mut self.index, window, at, found)
    }

    fn find_end(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        self.brackets.find_end(&mut self.index, window).map_err(|Mismatch| {
            let start = self.hold.unwrap_or(self.at);
            self.error(start, "mismatched brackets in this value")
        })
    }

    fn depth_left(&self, depth: u32) -> u32 {
        self.max_nesting.saturating_sub(depth)
    }

    fn error(&self, at: usize, reason: &str) -> DecodeError {
        DecodeError::Json { at: self.selector.offset(at), reason: reason.to_owned() }
    }
}

/// The keys of a top-level object so far.
#[derive(Default)]
struct Object {
    records: bool,
    event: bool,
    digest: bool,
    too_deep: bool,
}

/// What the document may continue with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Between top-level values.
    Top,
    /// In a top-level object, before a key; whether it would be the first one.
    Key(bool),
    /// After a key; whether it is `Records`.
    Colon(bool),
    /// After a colon; whether the key is `Records`.
    Value(bool),
    /// In a bracketed value that is not an array of records.
    Skipped,
    AfterMember,
    /// Between the elements of an array of records.
    Array(After),
    /// In an element of it: an object, or an array in place of one.
    Element {
        object: bool,
    },
    /// In a record that is a top-level value.
    Line,
}

/// What came last in an array of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Start,
    Element,
    Comma,
}

/// The result of a parser step.
enum Step {
    Continue,
    /// The window ends before the value does.
    NeedMore,
}

/// Returns whether JSON treats a byte as white space.
fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Returns the offset after the string that starts at `start`, if it ends in the window.
fn string_end(window: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', window.get(at..)?)?;
        if window[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Returns the offset after the value without brackets that starts at `start`, if it ends in the
/// window.
fn scalar_end(first: u8, window: &[u8], start: usize, last: bool) -> Option<usize> {
    if first == b'"' {
        return string_end(window, start);
    }
    let ends = |byte: &u8| is_whitespace(*byte) || matches!(byte, b',' | b']' | b'}');
    match window[start..].iter().position(ends) {
        Some(length) => Some(start + length),
        None => last.then_some(window.len()),
    }
}
