//! Which bytes of a block of text matter, and which of those are outside strings.
//!
//! What is here is plain arithmetic; `simd` does the same with wide instructions.

use super::prefilter::Pair;

/// Bytes looked at together.
pub(super) const BLOCK: usize = 64;

/// A block, and the byte after it.
pub(super) type Block = [u8; BLOCK + 1];

/// Places of a block's brackets that are noted without a look at how many there are: as a rule more
/// than there are, as a loop whose end cannot be foreseen costs more.
pub(super) const AT_ONCE: usize = 8;

/// Which bytes of a block are what.
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// Brackets of both kinds: a brace without bit 5 is a square bracket.
    pub(super) brackets: u64,
    /// The first bytes of pairs that the selection wants to see.
    pub(super) pairs: u64,
    /// Whether there are neither backslashes nor pairs.
    pub(super) plain: bool,
}

/// What is carried from block to block.
#[derive(Default, Clone, Copy)]
pub(super) struct Pen {
    /// All ones while inside a string.
    in_string: u64,
    /// 1 if the next byte is escaped by a backslash.
    escaped: u64,
}

impl Pen {
    /// Whether the next byte is one that no backslash escapes.
    pub(super) fn is_unescaped(&self) -> bool {
        self.escaped == 0
    }

    /// The brackets outside strings, given the quotes that are not escaped.
    #[inline(always)]
    pub(super) fn brackets(
        &mut self,
        brackets: u64,
        quotes: u64,
        between: &impl Fn(u64) -> u64,
    ) -> u64 {
        let inside = between(quotes) ^ self.in_string;
        self.in_string = (inside.cast_signed() >> 63).cast_unsigned();
        brackets & !inside
    }

    /// Which bytes of a block are escaped, given its backslashes; `length` of its bytes count. Keeps
    /// what reaches into the next block.
    ///
    /// A run of backslashes escapes what follows it if it is of odd length. Adding a run's first bit
    /// to the run carries to the bit after it: runs that start at even places end at odd ones if
    /// their length is odd, and the other way round.
    pub(super) fn escapes(&mut self, backslashes: u64, length: usize) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let first = self.escaped;
        // A backslash that is itself escaped starts nothing.
        let backslashes = backslashes & !first;
        let starts = backslashes & !(backslashes << 1);
        let after_even = backslashes.wrapping_add(starts & EVEN) & !backslashes;
        let after_odd = backslashes.wrapping_add(starts & !EVEN) & !backslashes;
        let escaped = first | (after_even & !EVEN) | (after_odd & EVEN);
        self.escaped = match length {
            BLOCK => u64::from(backslashes.leading_ones() & 1),
            _ => escaped >> length & 1,
        };
        escaped
    }
}

/// The masks of a block, eight bytes at a time.
pub(super) fn masks(block: &Block, first: Pair, others: &[Pair]) -> Masks {
    let mut masks = Masks { quotes: 0, backslashes: 0, brackets: 0, pairs: 0, plain: false };
    let (words, _) = block.as_chunks::<8>();
    let (nexts, _) = block[1..].as_chunks::<8>();
    for (number, (&word, &next)) in words.iter().zip(nexts).enumerate() {
        let (word, next) = (u64::from_le_bytes(word), u64::from_le_bytes(next));
        let shift = number * 8;
        masks.quotes |= equal(word, b'"') << shift;
        masks.backslashes |= equal(word, b'\\') << shift;
        let folded = word | repeat(0x20);
        masks.brackets |= (equal(folded, b'{') | equal(folded, b'}')) << shift;
        for pair in [first].iter().chain(others) {
            masks.pairs |= (equal(word, pair[0]) & equal(next, pair[1])) << shift;
        }
    }
    masks.plain = masks.backslashes | masks.pairs == 0;
    masks
}

/// Writes the places of the first brackets, and anything after them.
#[inline(always)]
pub(super) fn note(slots: &mut [u16; AT_ONCE], mut brackets: u64, place: u16) {
    for slot in slots {
        if brackets == 0 {
            return;
        }
        *slot = place + brackets.trailing_zeros() as u16;
        brackets &= brackets - 1;
    }
}

/// Each bit becomes the parity of itself and the bits below: from quotes to what is between them.
pub(super) fn between(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
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
