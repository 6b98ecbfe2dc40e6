//! The one file with `unsafe` in it: drawing an [`Outline`] with wide instructions.
//!
//! Every byte goes through it, and plain arithmetic is no faster than unpacking itself: it would
//! halve the decoder's throughput (figures in `docs/performance.md`). Nothing here is unsafe but the
//! calls into code that is compiled for instructions which the processor has been asked for; there
//! are no pointers. Other processors use the plain twin; a test proves all of them equal.

use super::outline::{self, Outline};

/// Draws on to the end of `text`, by the widest instructions there are.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "calls into code for instructions that the processor has")]
pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
    if !is_x86_feature_detected!("pclmulqdq") || !is_x86_feature_detected!("bmi2") {
        outline.draw_by(text, &outline::masks, &outline::between, &outline::note);
    } else if is_x86_feature_detected!("avx512vbmi2") {
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
    outline.draw_by(text, &outline::masks, &outline::between, &outline::note);
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
        _mm_set1_epi16, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_maskz_compress_epi8,
        _mm512_or_si512, _mm512_set_epi64, _mm512_set1_epi8, _mm512_sub_epi8,
        _mm512_testn_epi8_mask,
    };

    use super::super::outline::{AT_ONCE, BLOCK, Masks, Outline};
    use super::avx2::between;

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
        outline.draw_by(
            text,
            &|block| masks(block),
            &|quotes| between(quotes),
            &|slots, brackets, place| note(slots, brackets, place),
        );
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let block = load(block);
        // Of what folds to a brace, the difference to the first one is 0 or 2.
        let difference = _mm512_sub_epi8(_mm512_or_si512(block, all(0x20)), all(b'{'));
        Masks {
            quotes: _mm512_cmpeq_epi8_mask(block, all(b'"')),
            backslashes: _mm512_cmpeq_epi8_mask(block, all(b'\\')),
            brackets: _mm512_testn_epi8_mask(difference, all(!2)),
        }
    }

    /// The places in the block, moved together, and widened.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2")]
    fn note(slots: &mut [u16; AT_ONCE], brackets: u64, place: u16) {
        const PLACES: [u8; BLOCK] = {
            let mut places = [0; BLOCK];
            let mut place = 0;
            while place < BLOCK {
                places[place] = place as u8;
                place += 1;
            }
            places
        };
        let places = _mm512_maskz_compress_epi8(brackets, load(&PLACES));
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
    fn load(b: &[u8; BLOCK]) -> __m512i {
        let [w0, w1, w2, w3] = [word!(b, 0), word!(b, 8), word!(b, 16), word!(b, 24)];
        let [w4, w5, w6, w7] = [word!(b, 32), word!(b, 40), word!(b, 48), word!(b, 56)];
        _mm512_set_epi64(w7, w6, w5, w4, w3, w2, w1, w0)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi8,
    };

    use super::super::outline::{self, BLOCK, Masks, Outline};

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    pub(super) fn draw(outline: &mut Outline, text: &[u8]) {
        outline.draw_by(text, &|block| masks(block), &|quotes| between(quotes), &outline::note);
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let (low, high) = (load(block, 0), load(block, 32));
        Masks {
            quotes: bits(equal(low, b'"'), equal(high, b'"')),
            backslashes: bits(equal(low, b'\\'), equal(high, b'\\')),
            brackets: bits(brackets(low), brackets(high)),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn brackets(half: __m256i) -> __m256i {
        let folded = _mm256_or_si256(half, all(0x20));
        _mm256_or_si256(equal(folded, b'{'), equal(folded, b'}'))
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
    fn load(b: &[u8; BLOCK], from: usize) -> __m256i {
        let [w0, w1] = [word!(b, from), word!(b, from + 8)];
        let [w2, w3] = [word!(b, from + 16), word!(b, from + 24)];
        _mm256_set_epi64x(w3, w2, w1, w0)
    }

    /// The prefix parity: a carry-less product with all ones.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn between(quotes: u64) -> u64 {
        let quotes = _mm_set_epi64x(0, quotes.cast_signed());
        let product = _mm_clmulepi64_si128(quotes, _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_oneof};
    use proptest::sample::select;
    use proptest::test_runner::{Config, TestRunner};

    use super::super::outline::{self, Outline};

    /// Every place that an outline names, drawn piece by piece.
    fn drawn(text: &[u8], piece: usize, draw: &dyn Fn(&mut Outline, &[u8])) -> Vec<usize> {
        let mut outline = Outline::default();
        outline.reset(0xff);
        let mut places = Vec::new();
        for end in (0..text.len()).step_by(piece).skip(1).chain([text.len()]) {
            outline.draw_with(&text[..end], draw);
            places.extend(outline.taken());
        }
        places.push(usize::MAX);
        places.extend(outline.escapes());
        places
    }

    #[test]
    #[expect(unsafe_code, reason = "calls the code for each set of instructions by itself")]
    fn wide_and_plain_instructions_draw_the_same() {
        let text = vec(prop_oneof![select(br#""\\"{}[]Yy_u0"#.to_vec()), any::<u8>()], 0..400);
        let mut runner =
            TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
        let (mut compared, features) = (0, features());
        runner
            .run(&(text, 1..130_usize), |(text, piece)| {
                let plain = drawn(&text, piece, &|outline, text| {
                    outline.draw_by(text, &outline::masks, &outline::between, &outline::note);
                });
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

    #[test]
    fn strings_hide_brackets_and_backslashes_hide_quotes() {
        let text = br#"{"a\"]":"\\","b":[1]}"#;
        let places = drawn(text, 64, &super::draw);
        let found: Vec<u8> = places.iter().map_while(|place| text.get(*place)).copied().collect();
        assert_eq!(found, b"{[]}");
    }
}
