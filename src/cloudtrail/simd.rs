//! The one file with `unsafe` in it: [`Nesting::close`](super::nesting::Nesting::close) with AVX2.
//!
//! Every selected and every skipped byte goes through it, and plain arithmetic follows structure at
//! about the speed of unpacking itself: it would halve the decoder's throughput (figures in
//! `docs/performance.md`). Nothing here is unsafe but the one call into code that is compiled for
//! instructions which the processor has been asked for; there are no pointers. Elsewhere, and on
//! other processors, the plain twin does the same; a test proves them equal.

use super::nesting::{Broken, Nesting};

/// [`Nesting::close`] by wide instructions, where there are any.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "a call into code for AVX2, after asking the processor for it")]
pub(super) fn close(nesting: &mut Nesting, bytes: &[u8]) -> Option<Result<Option<usize>, Broken>> {
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the processor has the features that `avx2::close` is compiled for.
        return Some(unsafe { avx2::close(nesting, bytes) });
    }
    None
}

/// There are none.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn close(_: &mut Nesting, _: &[u8]) -> Option<Result<Option<usize>, Broken>> {
    None
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi8,
    };

    use super::super::nesting::{BLOCK, Broken, Masks, Nesting};

    #[target_feature(enable = "avx2,pclmulqdq")]
    pub(super) fn close(nesting: &mut Nesting, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        nesting.close_by(bytes, &|block| masks(block), &|quotes| between(quotes))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let (low, high) = (load(block, 0), load(block, 32));
        let fold = _mm256_set1_epi8(0x20);
        let (low_folded, high_folded) = (_mm256_or_si256(low, fold), _mm256_or_si256(high, fold));
        Masks {
            quotes: equal(low, high, b'"'),
            backslashes: equal(low, high, b'\\'),
            brackets: equal(low_folded, high_folded, b'{') | equal(low_folded, high_folded, b'}'),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(low: __m256i, high: __m256i, byte: u8) -> u64 {
        let sought = _mm256_set1_epi8(byte.cast_signed());
        let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, sought)).cast_unsigned();
        let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, sought)).cast_unsigned();
        u64::from(high) << 32 | u64::from(low)
    }

    /// Becomes one load.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; BLOCK], from: usize) -> __m256i {
        let word = |number: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[from + number * 8..from + number * 8 + 8]);
            i64::from_le_bytes(bytes)
        };
        _mm256_set_epi64x(word(3), word(2), word(1), word(0))
    }

    /// The prefix parity: a carry-less product with all ones.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn between(quotes: u64) -> u64 {
        let quotes = _mm_set_epi64x(0, quotes.cast_signed());
        let product = _mm_clmulepi64_si128(quotes, _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
}
