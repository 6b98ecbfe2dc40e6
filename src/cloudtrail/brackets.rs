//! Finds where a bracketed value ends, and checks that each bracket closes one of its own kind.
//!
//! Together with the gzip CRC, that is the whole structure check of a record that the prefilter
//! skips.

use super::structural_index::StructuralIndex;

/// Deepest nesting of a record that is read: one bit a level, one for the end, and one for the
/// level that is too deep.
pub(super) const MAX_DEPTH: u32 = u64::BITS - 2;

/// The open brackets of a value, kept from window to window.
pub(super) struct Brackets {
    /// The kind of each open bracket, the innermost in the lowest bit: 1 is a brace, 0 a square
    /// bracket. The next higher bit is 1.
    kinds: u64,
    /// The lowest value of `kinds` that is too deep, less two.
    too_deep: u64,
    /// Bit 0 is set once a bracket has closed one of another kind. The other bits mean nothing.
    mismatch: u64,
    /// Set once more brackets are open than the limit allows: the outer levels that `kinds` has no
    /// room for, 63 a word.
    outer: Option<Vec<u64>>,
}

/// A bracket closes one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch;

/// `kinds` after the value's last bracket: none is open.
const CLOSED: u64 = 1;

impl Brackets {
    /// Creates the state before a value's first bracket; with more than `limit` open at once it is
    /// too deep.
    #[inline]
    pub(super) fn new(limit: u32) -> Self {
        let too_deep = (1 << (limit.min(MAX_DEPTH) + 1)) - 2;
        Self { kinds: CLOSED, too_deep, mismatch: 0, outer: None }
    }

    /// Returns whether more brackets than the limit were open at once.
    #[inline]
    pub(super) fn is_too_deep(&self) -> bool {
        self.outer.is_some()
    }

    /// Takes the value's brackets from `index` and returns the offset after the last one, or `None`
    /// if the value does not end in the window.
    #[inline]
    pub(super) fn find_end(
        &mut self,
        index: &mut StructuralIndex,
        window: &[u8],
    ) -> Result<Option<usize>, Mismatch> {
        while self.outer.is_none() {
            let (chunk, brackets) = index.brackets(window);
            if brackets.is_empty() {
                return self.check().map(|()| None);
            }
            let last = self.take_all(&window[chunk..], brackets);
            let taken = last.map_or(brackets.len(), |last| last + 1);
            let end = last.map(|last| chunk + usize::from(brackets[last]) + 1);
            index.advance(taken);
            if end.is_some() {
                self.check()?;
                if self.kinds == CLOSED {
                    return Ok(end);
                }
                self.outer = Some(Vec::new());
            }
        }
        self.find_deep_end(index, window)
    }

    /// As [`find_end`](Self::find_end), for a value that is too deep, bracket by bracket.
    #[cold]
    fn find_deep_end(
        &mut self,
        index: &mut StructuralIndex,
        window: &[u8],
    ) -> Result<Option<usize>, Mismatch> {
        let outer = self.outer.get_or_insert_default();
        loop {
            let (chunk, brackets) = index.brackets(window);
            if brackets.is_empty() {
                return Ok(None);
            }
            for (taken, offset) in (1..).zip(brackets) {
                let at = chunk + usize::from(*offset);
                let kind = u64::from(matches!(window[at], b'{' | b'}'));
                if matches!(window[at], b'{' | b'[') {
                    if self.kinds.leading_zeros() == 0 {
                        outer.push(std::mem::replace(&mut self.kinds, CLOSED));
                    }
                    self.kinds = self.kinds << 1 | kind;
                    continue;
                }
                if self.kinds == CLOSED {
                    self.kinds = outer.pop().unwrap_or(CLOSED);
                }
                if self.kinds & 1 != kind {
                    return Err(Mismatch);
                }
                self.kinds >>= 1;
                if self.kinds == CLOSED && outer.is_empty() {
                    index.advance(taken);
                    return Ok(Some(at + 1));
                }
            }
            let all = brackets.len();
            index.advance(all);
        }
    }

    /// Takes brackets up to the one that closes the value or is too deep, and returns its index.
    /// That one is the only branch that depends on the text.
    #[inline(always)]
    fn take_all(&mut self, text: &[u8], brackets: &[u16]) -> Option<usize> {
        // Copies, which stay in registers.
        let Self { mut kinds, too_deep, mut mismatch, .. } = *self;
        let last = brackets.iter().position(|offset| {
            let bracket = u64::from(text[usize::from(*offset)]);
            // 2 for a square bracket, 3 for a brace.
            let kind = bracket >> 5;
            // Bit 1 is set only in opening brackets, bit 2 only in closing ones.
            let opens = bracket & 0x02 != 0;
            mismatch |= (kinds ^ kind) & (bracket >> 2);
            kinds =
                if opens { (kinds << 1).wrapping_add(kind.wrapping_sub(2)) } else { kinds >> 1 };
            // One comparison for both: closed is below the range of valid values, too deep above.
            kinds.wrapping_sub(CLOSED + 1) >= too_deep
        });
        (self.kinds, self.mismatch) = (kinds, mismatch);
        last
    }

    fn check(&self) -> Result<(), Mismatch> {
        if self.mismatch & 1 == 0 { Ok(()) } else { Err(Mismatch) }
    }
}
