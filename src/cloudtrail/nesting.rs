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
    /// Where `kinds` starts to be too deep, less two.
    beyond: u64,
    /// 1 in the lowest bit once a bracket closed one of another kind. The other bits mean nothing.
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

/// `kinds` of a closed value: nothing is open.
const CLOSED: u64 = 1;

impl Nesting {
    /// A value in which at most `limit` brackets may be open, before its first bracket.
    #[inline]
    pub(super) fn new(limit: u32) -> Self {
        let beyond = (1 << (limit.min(DEEPEST) + 1)) - 2;
        Self { kinds: CLOSED, beyond, mismatch: 0 }
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
            let stop = self.follow(&window[stretch..], brackets);
            let taken = stop.map_or(brackets.len(), |stop| stop + 1);
            let end = stop.map(|stop| stretch + usize::from(brackets[stop]) + 1);
            outline.advance(taken);
            if end.is_some() {
                self.check()?;
                return if self.kinds == CLOSED { Ok(end) } else { Err(Broken::TooDeep) };
            }
        }
    }

    /// Follows the brackets to the one that closes the value, or is too deep: answers which.
    /// Without branches on the text but for that.
    #[inline(always)]
    fn follow(&mut self, text: &[u8], brackets: &[u16]) -> Option<usize> {
        brackets.iter().position(|place| {
            self.turn(text.get(usize::from(*place)).copied().unwrap_or_default());
            // Closed is below, too deep is beyond: one comparison.
            self.kinds.wrapping_sub(CLOSED + 1) >= self.beyond
        })
    }

    /// Follows the value, and those after it, to the end of `brackets` or to the bracket that
    /// closes what they are in. `closing` gets which brackets close a value. Answers how many do,
    /// and how many brackets were taken; none, with nothing changed, if something is amiss, which
    /// [`close`](Self::close) then finds again.
    ///
    /// The end of a value is no branch here: it cannot be foreseen, and to guess it wrong costs as
    /// much as following all of a record's brackets.
    #[inline(never)]
    pub(super) fn follow_on(
        &mut self,
        text: &[u8],
        brackets: &[u16],
        closing: &mut [u16],
    ) -> Option<(usize, usize)> {
        let mut next = Self { ..*self };
        let mut count = 0;
        let stop = brackets.iter().zip(0..).position(|(place, number)| {
            let mismatch = next.mismatch;
            next.turn(text.get(usize::from(*place)).copied().unwrap_or_default());
            // What they are in is below, too deep is beyond.
            if next.kinds.wrapping_sub(CLOSED) > next.beyond {
                if next.kinds < CLOSED {
                    (next.kinds, next.mismatch) = (CLOSED, mismatch);
                }
                return true;
            }
            closing[count] = number;
            count += usize::from(next.kinds == CLOSED);
            false
        });
        let sound = next.check().is_ok() && next.kinds.wrapping_sub(CLOSED) <= next.beyond;
        sound.then(|| {
            *self = next;
            (count, stop.unwrap_or(brackets.len()))
        })
    }

    /// Forgets what is open.
    pub(super) fn close_all(&mut self) {
        (self.kinds, self.mismatch) = (CLOSED, 0);
    }

    /// Takes a bracket.
    #[inline(always)]
    fn turn(&mut self, byte: u8) {
        let byte = u64::from(byte);
        let kind = byte >> 5;
        // Of both kinds, the one that opens has bit 1 set, and the one that closes has not.
        let opens = byte & 0x02 != 0;
        self.mismatch |= (self.kinds ^ kind) & !(byte >> 1);
        self.kinds = if opens { self.kinds << 1 | kind & 1 } else { self.kinds >> 1 };
    }

    fn check(&self) -> Result<(), Broken> {
        if self.mismatch & 1 == 0 { Ok(()) } else { Err(Broken::Mismatch) }
    }
}
