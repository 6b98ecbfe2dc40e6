//! Classifies the bytes of a 64-byte block, one bit a byte, as simdjson does in its first stage.
//!
//! The vectors are those of `fearless_simd`: the same code is compiled for AVX-512, AVX2, SSE4.2
//! and SSE2 on x86-64, of which the widest that the processor has is chosen at run time, and for
//! NEON on arm64. Every byte of a document passes through here; in scalar code, that would take
//! longer than decompressing it (figures in `docs/performance.md`).

use fearless_simd::{Simd, prelude::*, u8x64};

use super::prefilter::Pair;

/// Bytes classified at a time.
pub(super) const BLOCK: usize = 64;

/// A block, and the byte after it: a pair may begin with the block's last byte.
pub(super) type Block = [u8; BLOCK + 1];

/// The classes of a block's bytes.
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// Square brackets and braces, opening and closing.
    pub(super) brackets: u64,
    /// The first bytes of the prefilter's pairs.
    pub(super) pairs: u64,
}

impl Masks {
    /// Classifies the bytes of a block; `first` and `others` are the prefilter's pairs.
    #[inline(always)]
    pub(super) fn of<S: Simd>(simd: S, block: &Block, first: Pair, others: &[Pair]) -> Self {
        let bytes = u8x64::from_slice(simd, &block[..BLOCK]);
        let next = u8x64::from_slice(simd, &block[1..]);
        let is_pair = |[byte, after]: Pair| bytes.simd_eq(byte) & next.simd_eq(after);
        let pairs = others.iter().fold(is_pair(first), |pairs, other| pairs | is_pair(*other));
        // Bit 5 is all that a brace and the square bracket of its side differ in.
        let folded = bytes | 0x20;
        let brackets = folded.simd_eq(b'{') | folded.simd_eq(b'}');
        Self {
            quotes: bytes.simd_eq(b'"').to_bitmask(),
            backslashes: bytes.simd_eq(b'\\').to_bitmask(),
            brackets: brackets.to_bitmask(),
            pairs: pairs.to_bitmask(),
        }
    }

    /// Returns whether there are neither backslashes nor pairs, as in nearly every block.
    #[inline(always)]
    pub(super) fn is_common(&self) -> bool {
        self.backslashes | self.pairs == 0
    }
}

/// Whether a block begins inside a string or after a backslash: carried from block to block.
#[derive(Default, Clone, Copy)]
pub(super) struct StringState {
    /// All ones inside a string, else 0.
    in_string: u64,
    /// 1 if the next byte is escaped by a backslash, else 0.
    escaped: u64,
}

impl StringState {
    /// Returns whether a backslash escapes the next byte.
    pub(super) fn is_escaped(&self) -> bool {
        self.escaped != 0
    }

    /// Returns the brackets outside strings, given the quotes that are not escaped.
    #[inline(always)]
    pub(super) fn structural<S: Simd>(&mut self, simd: S, brackets: u64, quotes: u64) -> u64 {
        let inside = prefix_xor(simd, quotes) ^ self.in_string;
        self.in_string = (inside.cast_signed() >> 63).cast_unsigned();
        brackets & !inside
    }

    /// Returns which bytes of a block are escaped, given its backslashes. Only the first `length`
    /// bytes count: the next block begins after them.
    ///
    /// A sequence of backslashes escapes the byte after it if its length is odd. Adding a
    /// sequence's first bit to the sequence carries into the bit after it: sequences that start at
    /// even positions end at odd ones if their length is odd, and the reverse.
    pub(super) fn escapes(&mut self, backslashes: u64, length: usize) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let first = self.escaped;
        // A backslash that is itself escaped starts no sequence.
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

/// Sets each bit to the parity of itself and the bits below it: turns quotes into the bytes from an
/// opening quote to the one before its closing quote.
#[inline(always)]
fn prefix_xor<S: Simd>(simd: S, mut bits: u64) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx512) = simd.level().as_avx512() {
        return carry_less_prefix_xor(avx512, bits);
    }
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

// A carry-less multiplication by all ones. It is not part of the AVX2 level.
#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    #[inline]
    fn carry_less_prefix_xor(avx512: Avx512, bits: u64) -> u64 {
        use std::arch::x86_64::{
            _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8,
        };
        let bits = _mm_cvtsi64_si128(bits.cast_signed());
        let product = _mm_clmulepi64_si128(bits, _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
);
