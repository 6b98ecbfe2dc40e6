//! Finds where a bracketed value ends, and checks that each bracket closes one of its own kind.
//!
//! That, with the gzip CRC, is the whole of the structure check that a record gets which nobody
//! asked for.

use super::outline::Outline;

/// Deepest nesting that can be followed: a bit each, one for the end and one for what is too deep.
pub(super) const DEEPEST: u32 = u64::BITS - 2;

/// An open value, followed from window to window.
pub(super) struct Nesting {
    /// The kind of each open bracket, the innermost in the lowest bit; 1 is a brace. Above them a 1.
    kinds: u64,
    /// The bits of `kinds` that must never be set.
    beyond: u64,
    /// Anything but 0 once nesting went deeper.
    too_deep: u64,
    /// 1 in the lowest bit once a bracket closed one of another kind.
    mismatch: u64,
}

/// Why a value cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// A bracket closes one of another kind.
    Mismatch,
    /// Deeper than the limit.
    TooDeep,
}

impl Nesting {
    /// A value in which at most `limit` brackets may be open, before its first bracket.
    #[inline]
    pub(super) fn new(limit: u32) -> Self {
        let beyond = u64::MAX << (limit.min(DEEPEST) + 1);
        Self { kinds: 1, beyond, too_deep: 0, mismatch: 0 }
    }

    /// Follows the value through its brackets in `outline`. Answers the place after its last one, or
    /// none if it goes on after the window.
    #[inline]
    pub(super) fn close(
        &mut self,
        outline: &mut Outline,
        window: &[u8],
    ) -> Result<Option<usize>, Broken> {
        loop {
            let (stretch, brackets) = outline.brackets(window);
            if brackets.is_empty() {
                return self.check().map(|()| None);
            }
            let at = |place: &u16| stretch.wrapping_add(usize::from(*place));
            let closing = brackets.iter().position(|place| self.take(window[at(place)]));
            let taken = closing.map_or(brackets.len(), |closing| closing + 1);
            let end = closing.map(|closing| at(&brackets[closing]) + 1);
            outline.advance(taken);
            if end.is_some() {
                return self.check().map(|()| end);
            }
        }
    }

    /// Takes a bracket and says whether it closes the value. Without branches on the text.
    #[inline(always)]
    fn take(&mut self, byte: u8) -> bool {
        let kind = u64::from(byte >> 5 & 1);
        // Of both kinds, the one that opens has bit 1 set, and the one that closes has not.
        let opens = byte & 0x02 != 0;
        let pushed = self.kinds << 1 | kind;
        self.mismatch |= (self.kinds ^ kind) & u64::from(!opens);
        self.kinds = if opens { pushed } else { self.kinds >> 1 };
        self.too_deep |= self.kinds & self.beyond;
        self.kinds == 1
    }

    fn check(&self) -> Result<(), Broken> {
        if self.too_deep != 0 {
            return Err(Broken::TooDeep);
        }
        if self.mismatch & 1 != 0 {
            return Err(Broken::Mismatch);
        }
        Ok(())
    }
}
