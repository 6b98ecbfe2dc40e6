//! Finds where a bracketed value ends, and checks that each bracket closes one of its own kind.
//!
//! Together with the gzip CRC, that is the whole structure check of a record that the prefilter
//! skips.

use super::structural_index::StructuralIndex;

/// Deepest nesting that can be checked: one bit a level, one for the end, and one for the level
/// that is too deep.
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
}

/// Why a value has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BracketError {
    /// A bracket closes one of another kind.
    Mismatch,
    /// More brackets are open than the limit allows.
    TooDeep,
}

/// `kinds` after the value's last bracket: none is open.
const CLOSED: u64 = 1;

impl Brackets {
    /// Creates the state before a value's first bracket; at most `limit` may be open at once.
    #[inline]
    pub(super) fn new(limit: u32) -> Self {
        let too_deep = (1 << (limit.min(MAX_DEPTH) + 1)) - 2;
        Self { kinds: CLOSED, too_deep, mismatch: 0 }
    }

    /// Takes the value's brackets from `index` and returns the offset after the last one, or `None`
    /// if the value does not end in the window.
    #[inline]
    pub(super) fn find_end(
        &mut self,
        index: &mut StructuralIndex,
        window: &[u8],
    ) -> Result<Option<usize>, BracketError> {
        loop {
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
                return if self.kinds == CLOSED { Ok(end) } else { Err(BracketError::TooDeep) };
            }
        }
    }

    /// Takes brackets up to the one that closes the value or is too deep, and returns its index.
    /// That one is the only branch that depends on the text.
    #[inline(always)]
    fn take_all(&mut self, text: &[u8], brackets: &[u16]) -> Option<usize> {
        // Copies, which stay in registers.
        let Self { mut kinds, too_deep, mut mismatch } = *self;
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

    fn check(&self) -> Result<(), BracketError> {
        if self.mismatch & 1 == 0 { Ok(()) } else { Err(BracketError::Mismatch) }
    }
}
