//! The one file with `unsafe` in it: drawing an [`Outline`] with wide instructions.
//!
//! Every byte goes through it, and plain arithmetic is no faster than unpacking itself: it would
//! halve the decoder's throughput (figures in `docs/performance.md`). Nothing here is unsafe but the
//! calls into code that is compiled for instructions which the processor has been asked for; there
//! are no pointers. Other processors use the plain twin; a test proves all of them equal.

use super::outline::Outline;
use super::pen;

/// Draws on to the end of `text`, by the widest instructions there are.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "calls into code for instructions that the processor has")]
pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
    if !is_x86_feature_detected!("pclmulqdq") || !is_x86_feature_detected!("bmi2") {
        draw_plain(outline, text);
    } else if is_x86_feature_detected!("avx512vbmi2") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has what `avx512::draw` is compiled for.
        unsafe { avx512::draw(outline, text) }
    } else {
        // SAFETY: the processor has what `avx2::draw` is compiled for.
        unsafe { avx2::draw(outline, text) }
    }
}

/// Draws on to the end of `text`.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
    draw_plain(outline, text);
}

/// The plain twin.
pub(super) fn draw_plain(outline: &mut Outline, text: &[u8]) {
    outline.draw_by(
        text,
        &|outline, text, at| {
            outline.draw_plain_by(text, at, &pen::masks, &pen::between, &pen::note)
        },
        &|outline, text, at| {
            outline.draw_any_by(text, at, &pen::masks, &pen::between, &pen::note);
        },
    );
}

/// A vector of a block's bytes from `from` on: becomes one load.
#[cfg(target_arch = "x86_64")]
macro_rules! word {
    ($block:expr, $from:expr) => {{
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&$block[$from..$from + 8]);
        i64::from_le_bytes(bytes)
    }};
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm_add_epi16, _mm_cvtepu8_epi16, _mm_cvtsi128_si64, _mm_extract_epi64,
        _mm_set1_epi16, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask,
        _mm512_mask_cmpeq_epi8_mask, _mm512_maskz_compress_epi8, _mm512_or_si512, _mm512_set_epi64,
        _mm512_set1_epi8, _mm512_sub_epi8, _mm512_testn_epi8_mask,
    };

    use super::super::outline::Outline;
    use super::super::pen::{AT_ONCE, BLOCK, Block, Masks};
    use super::super::prefilter::Pair;
    use super::avx2::between;

    #[target_feature(
        enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq"
    )]
    pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
        outline.draw_by(
            text,
            &|outline, text, at| plain(outline, text, at),
            &|outline, text, at| {
                any(outline, text, at);
            },
        );
    }

    #[target_feature(
        enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq"
    )]
    fn plain(outline: &mut Outline, text: &[u8], at: usize) -> usize {
        outline.draw_plain_by(
            text,
            at,
            &|block, first, others| masks(block, first, others),
            &|quotes| between(quotes),
            &|slots, brackets, place| note(slots, brackets, place),
        )
    }

    #[target_feature(
        enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq"
    )]
    fn any(outline: &mut Outline, text: &[u8], at: usize) {
        outline.draw_any_by(
            text,
            at,
            &|block, first, others| masks(block, first, others),
            &|quotes| between(quotes),
            &|slots, brackets, place| note(slots, brackets, place),
        );
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn masks(block: &Block, first: Pair, others: &[Pair]) -> Masks {
        let (bytes, next) = (load(block, 0), load(block, 1));
        // Of what folds to a brace, the difference to the first one is 0 or 2.
        let difference = _mm512_sub_epi8(_mm512_or_si512(bytes, all(0x20)), all(b'{'));
        let pair = |pair: Pair| {
            let first = _mm512_cmpeq_epi8_mask(bytes, all(pair[0]));
            _mm512_mask_cmpeq_epi8_mask(first, next, all(pair[1]))
        };
        let backslashes = _mm512_cmpeq_epi8_mask(bytes, all(b'\\'));
        let pairs = others.iter().fold(pair(first), |pairs, other| pairs | pair(*other));
        Masks {
            quotes: _mm512_cmpeq_epi8_mask(bytes, all(b'"')),
            backslashes,
            brackets: _mm512_testn_epi8_mask(difference, all(!2)),
            pairs,
            plain: backslashes | pairs == 0,
        }
    }

    /// The places in the block, moved together, and widened.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2")]
    fn note(slots: &mut [u16; AT_ONCE], brackets: u64, place: u16) {
        const PLACES: Block = {
            let mut places = [0; BLOCK + 1];
            let mut place = 0;
            while place < BLOCK {
                places[place] = place as u8;
                place += 1;
            }
            places
        };
        let places = _mm512_maskz_compress_epi8(brackets, load(&PLACES, 0));
        let places = _mm_cvtepu8_epi16(_mm512_castsi512_si128(places));
        let places = _mm_add_epi16(places, _mm_set1_epi16(place.cast_signed()));
        let (low, high) = (_mm_cvtsi128_si64(places), _mm_extract_epi64(places, 1));
        let part = |word: i64, number: i64| (word >> (16 * number)) as u16;
        *slots = [
            part(low, 0),
            part(low, 1),
            part(low, 2),
            part(low, 3),
            part(high, 0),
            part(high, 1),
            part(high, 2),
            part(high, 3),
        ];
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn all(byte: u8) -> __m512i {
        _mm512_set1_epi8(byte.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(b: &Block, at: usize) -> __m512i {
        let [w0, w1, w2, w3] =
            [word!(b, at), word!(b, at + 8), word!(b, at + 16), word!(b, at + 24)];
        let at = at + 32;
        let [w4, w5, w6, w7] =
            [word!(b, at), word!(b, at + 8), word!(b, at + 16), word!(b, at + 24)];
        _mm512_set_epi64(w7, w6, w5, w4, w3, w2, w1, w0)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8,
        _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set_epi64x, _mm256_set1_epi8, _mm256_setr_epi8, _mm256_shuffle_epi8,
        _mm256_testz_si256,
    };

    use super::super::outline::Outline;
    use super::super::pen::{self, Block, Masks};
    use super::super::prefilter::Pair;

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
        outline.draw_by(
            text,
            &|outline, text, at| plain(outline, text, at),
            &|outline, text, at| {
                any(outline, text, at);
            },
        );
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    fn plain(outline: &mut Outline, text: &[u8], at: usize) -> usize {
        outline.draw_plain_by(
            text,
            at,
            &|block, first, others| masks(block, first, others),
            &|quotes| between(quotes),
            &pen::note,
        )
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    fn any(outline: &mut Outline, text: &[u8], at: usize) {
        outline.draw_any_by(
            text,
            at,
            &|block, first, others| masks(block, first, others),
            &|quotes| between(quotes),
            &pen::note,
        );
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn masks(block: &Block, first: Pair, others: &[Pair]) -> Masks {
        let (low, high) = (load(block, 0), load(block, 32));
        let (low_next, high_next) = (load(block, 1), load(block, 33));
        let (mut in_low, mut in_high) = (pair(low, low_next, first), pair(high, high_next, first));
        for other in others {
            in_low = _mm256_or_si256(in_low, pair(low, low_next, *other));
            in_high = _mm256_or_si256(in_high, pair(high, high_next, *other));
        }
        let (low_back, high_back) = (equal(low, b'\\'), equal(high, b'\\'));
        let rare =
            _mm256_or_si256(_mm256_or_si256(low_back, high_back), _mm256_or_si256(in_low, in_high));
        Masks {
            quotes: bits(equal(low, b'"'), equal(high, b'"')),
            backslashes: bits(low_back, high_back),
            brackets: bits(brackets(low), brackets(high)),
            pairs: bits(in_low, in_high),
            plain: _mm256_testz_si256(rare, rare) == 1,
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn pair(half: __m256i, next: __m256i, pair: Pair) -> __m256i {
        _mm256_and_si256(equal(half, pair[0]), equal(next, pair[1]))
    }

    /// Folded, a bracket is the brace that the lowest four bits name; nothing else is.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn brackets(half: __m256i) -> __m256i {
        const O: i8 = b'{'.cast_signed();
        const C: i8 = b'}'.cast_signed();
        let braces = _mm256_setr_epi8(
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, O, 0, C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, O, 0,
            C, 0, 0,
        );
        let folded = _mm256_or_si256(half, all(0x20));
        _mm256_cmpeq_epi8(_mm256_shuffle_epi8(braces, half), folded)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(half: __m256i, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(half, all(byte))
    }

    /// A bit for each byte.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(low: __m256i, high: __m256i) -> u64 {
        let low = _mm256_movemask_epi8(low).cast_unsigned();
        let high = _mm256_movemask_epi8(high).cast_unsigned();
        u64::from(high) << 32 | u64::from(low)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn all(byte: u8) -> __m256i {
        _mm256_set1_epi8(byte.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(b: &Block, from: usize) -> __m256i {
        let [w0, w1] = [word!(b, from), word!(b, from + 8)];
        let [w2, w3] = [word!(b, from + 16), word!(b, from + 24)];
        _mm256_set_epi64x(w3, w2, w1, w0)
    }

    /// The prefix parity: a carry-less product with all ones.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn between(quotes: u64) -> u64 {
        let quotes = _mm_cvtsi64_si128(quotes.cast_signed());
        let product = _mm_clmulepi64_si128(quotes, _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::test_runner::{Config, TestRunner};

    use super::super::outline::Outline;
    use super::super::outline::tests::{drawn, text};

    #[test]
    #[expect(unsafe_code, reason = "calls the code for each set of instructions by itself")]
    fn wide_and_plain_instructions_draw_the_same() {
        let mut runner =
            TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
        let (mut compared, features) = (0, features());
        runner
            .run(&(text(), 1..130_usize), |(text, piece)| {
                let plain = drawn(&text, piece, &super::draw_plain);
                if features.0 {
                    // SAFETY: the processor has the instructions.
                    let draw = |outline: &mut Outline, text: &[u8]| unsafe {
                        super::avx2::draw(outline, text)
                    };
                    assert_eq!(drawn(&text, piece, &draw), plain);
                }
                if features.1 {
                    // SAFETY: the processor has the instructions.
                    let draw = |outline: &mut Outline, text: &[u8]| unsafe {
                        super::avx512::draw(outline, text)
                    };
                    assert_eq!(drawn(&text, piece, &draw), plain);
                }
                Ok(())
            })
            .expect("they are equal");
        compared += u32::from(features.0) + u32::from(features.1);
        eprintln!("{compared} sets of wide instructions compared");
    }

    fn features() -> (bool, bool) {
        let wide = is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("bmi2");
        let avx2 = wide && is_x86_feature_detected!("avx2");
        (avx2, avx2 && is_x86_feature_detected!("avx512vbmi2"))
    }
}
