//! Finds where a bracketed JSON value ends, without reading what is in it.
//!
//! Each bracket outside strings is checked against the one that it closes. That, with the gzip CRC,
//! is the whole of the structure check that a record gets which nobody asked for.

use super::simd;

/// 64 bytes at a time: one bit of a `u64` for each.
pub(super) const BLOCK: usize = 64;

/// Deepest nesting that can be followed: the bits of [`Nesting::kinds`], with room to spare.
pub(super) const DEEPEST: u32 = 120;

/// An open value, followed from window to window.
pub(super) struct Nesting {
    /// The kind of each open bracket, the innermost in the lowest bit; 1 is a brace.
    kinds: u128,
    depth: u32,
    limit: u32,
    /// All ones while inside a string.
    in_string: u64,
    /// 1 if the next byte is escaped by a backslash.
    escaped: u64,
}

/// Why a value cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// A bracket closes one of another kind.
    Mismatch,
    /// Deeper than the limit.
    TooDeep,
}

/// Which bytes of a block are what.
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// Brackets of both kinds.
    pub(super) brackets: u64,
}

impl Nesting {
    pub(super) fn new() -> Self {
        Self { kinds: 0, depth: 0, limit: 0, in_string: 0, escaped: 0 }
    }

    /// Starts a value in which at most `limit` brackets may be open.
    pub(super) fn begin(&mut self, limit: u32) {
        *self = Self { limit: limit.min(DEEPEST), ..Self::new() };
    }

    /// Follows the value through `bytes`, which start with its first byte or go on where the last
    /// call stopped. Answers the index after its last bracket, or none if it goes on after `bytes`.
    #[inline]
    pub(super) fn close(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        match simd::close(self, bytes) {
            Some(closed) => closed,
            None => self.close_by(bytes, &masks, &prefix_xor),
        }
    }

    /// [`close`](Self::close), by these ways to find the bytes that matter and to see what lies
    /// between quotes. Inlined, so that it is compiled for the instructions that they use.
    #[inline(always)]
    pub(super) fn close_by(
        &mut self,
        bytes: &[u8],
        masks: &impl Fn(&[u8; BLOCK]) -> Masks,
        between: &impl Fn(u64) -> u64,
    ) -> Result<Option<usize>, Broken> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            if let Some(end) = self.step(block, BLOCK, &masks(block), between)? {
                return Ok(Some(number * BLOCK + end));
            }
        }
        if rest.is_empty() {
            return Ok(None);
        }
        let mut block = [b' '; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let end = self.step(&block, rest.len(), &masks(&block), between)?;
        Ok(end.map(|end| blocks.len() * BLOCK + end))
    }

    /// Follows the value through a block, of which `length` bytes count and the others are spaces.
    #[inline(always)]
    fn step(
        &mut self,
        block: &[u8; BLOCK],
        length: usize,
        masks: &Masks,
        between: &impl Fn(u64) -> u64,
    ) -> Result<Option<usize>, Broken> {
        let escaped = self.escapes(masks.backslashes);
        if length < BLOCK {
            self.escaped = (escaped >> length) & 1;
        }
        let inside = between(masks.quotes & !escaped) ^ self.in_string;
        self.in_string = (inside.cast_signed() >> 63).cast_unsigned();
        let mut brackets = masks.brackets & !inside;
        while brackets != 0 {
            let at = brackets.trailing_zeros() as usize;
            brackets &= brackets - 1;
            if self.bracket(block[at])? {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    /// Which bytes are escaped, given the backslashes; keeps what reaches into the next block.
    ///
    /// A run of backslashes escapes what follows it if it is of odd length. Adding a run's first bit
    /// to the run carries to the bit after it: runs that start at even places end at odd ones if
    /// their length is odd, and the other way round.
    #[inline(always)]
    fn escapes(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let first = self.escaped;
        if backslashes == 0 {
            self.escaped = 0;
            return first;
        }
        // A backslash that is itself escaped starts nothing.
        let backslashes = backslashes & !first;
        let starts = backslashes & !(backslashes << 1);
        let after_even = backslashes.wrapping_add(starts & EVEN) & !backslashes;
        let after_odd = backslashes.wrapping_add(starts & !EVEN) & !backslashes;
        self.escaped = u64::from(backslashes.leading_ones() & 1);
        first | (after_even & !EVEN) | (after_odd & EVEN)
    }

    /// Takes a bracket outside strings and says whether it closes the value.
    #[inline(always)]
    fn bracket(&mut self, byte: u8) -> Result<bool, Broken> {
        let kind = u128::from(byte >> 5 & 1);
        match byte {
            b'{' | b'[' => {
                self.kinds = self.kinds << 1 | kind;
                self.depth += 1;
                if self.depth > self.limit {
                    return Err(Broken::TooDeep);
                }
                Ok(false)
            }
            _ => {
                if self.kinds & 1 != kind {
                    return Err(Broken::Mismatch);
                }
                self.kinds >>= 1;
                self.depth -= 1;
                Ok(self.depth == 0)
            }
        }
    }
}

/// Each bit becomes the parity of itself and the bits below: from quotes to what is between them.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The masks of a block, eight bytes at a time in plain arithmetic.
fn masks(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks { quotes: 0, backslashes: 0, brackets: 0 };
    let (words, _) = block.as_chunks::<8>();
    for (number, &word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(word);
        let shift = number * 8;
        masks.quotes |= equal(word, b'"') << shift;
        masks.backslashes |= equal(word, b'\\') << shift;
        let folded = word | repeat(0x20);
        masks.brackets |= (equal(folded, b'{') | equal(folded, b'}')) << shift;
    }
    masks
}

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The lowest eight bits say which of the eight bytes equal `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = repeat(0x7f);
    let differing = word ^ repeat(byte);
    // The highest bit of each byte: set where the byte is zero, with no carry between bytes.
    let zero = !(((differing & LOW) + LOW) | differing | LOW);
    (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
