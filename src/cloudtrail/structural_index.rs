//! Indexes a document's brackets outside strings, and the places where it may match the selection.
//!
//! [`Brackets`](super::brackets::Brackets) then reads only the brackets, a hundredth of all bytes,
//! and [`Selector`](super::selector::Selector) only the candidates, which are next to nothing.

use std::sync::Arc;

use fearless_simd::{Level, Simd, dispatch};

use super::Selection;
use super::block::{BLOCK, Block, Masks, StringState};
use super::prefilter::{Pair, Prefilter};

/// Bytes indexed at a time: they are still in the first-level cache when the brackets are matched.
pub(super) const CHUNK: usize = 16 << 10;

/// Offsets written for a block before its brackets are counted: as many as most blocks have,
/// because a loop whose end the processor cannot predict costs more than a few stores too many.
const AT_ONCE: usize = 3;

/// The pair searched for if the prefilter has none: UTF-8 never contains it.
const NO_PAIR: Pair = [0xff; 2];

/// The index of the current window, built one chunk at a time.
pub(super) struct StructuralIndex {
    selection: Arc<Selection>,
    /// Offsets of the last chunk's brackets from its start: `count` of them, of which `next` have
    /// been taken.
    brackets: Box<[u16; CHUNK + AT_ONCE]>,
    count: usize,
    next: usize,
    /// The last chunk's start in the window.
    chunk: usize,
    /// Offsets in the window of pairs and escapes for which the prefilter may keep their record;
    /// `next_candidate` of them have been taken.
    candidates: Vec<u32>,
    next_candidate: usize,
    /// The end of the last chunk in the window.
    indexed: usize,
    strings: StringState,
}

impl StructuralIndex {
    pub(super) fn new(selection: Arc<Selection>) -> Self {
        Self {
            selection,
            brackets: Box::new([0; CHUNK + AT_ONCE]),
            count: 0,
            next: 0,
            chunk: 0,
            candidates: Vec::new(),
            next_candidate: 0,
            indexed: 0,
            strings: StringState::default(),
        }
    }

    /// Prepares for the next document.
    pub(super) fn reset(&mut self) {
        (self.count, self.next, self.next_candidate) = (0, 0, 0);
        (self.chunk, self.indexed) = (0, 0);
        self.candidates.clear();
        self.strings = StringState::default();
    }

    /// Adjusts all offsets after the first `by` bytes of the window have been removed.
    pub(super) fn shift(&mut self, by: usize) {
        // Usually every bracket has been taken, and there are no candidates.
        let gone = by.saturating_sub(self.chunk);
        for offset in &mut self.brackets[self.next..self.count] {
            if usize::from(*offset) < gone {
                self.next += 1;
            }
            *offset = offset.saturating_sub(gone as u16);
        }
        self.chunk = self.chunk.saturating_sub(by);
        self.candidates.drain(..self.next_candidate);
        self.next_candidate = 0;
        self.candidates.retain_mut(|offset| {
            let stays = *offset as usize >= by;
            *offset = offset.saturating_sub(by as u32);
            stays
        });
        self.indexed = self.indexed.saturating_sub(by);
    }

    /// Skips to the bracket at `at` and returns whether the index has one there. It has none if a
    /// quote before it is unmatched.
    #[inline]
    pub(super) fn seek(&mut self, window: &[u8], at: usize) -> bool {
        loop {
            let (chunk, brackets) = self.brackets(window);
            match brackets.first() {
                Some(offset) if chunk + usize::from(*offset) < at => self.next += 1,
                found => return found.is_some_and(|offset| chunk + usize::from(*offset) == at),
            }
        }
    }

    /// Returns the start of a chunk and the offsets from it of its brackets that have not been
    /// taken. Indexes further chunks as needed: there are no brackets only if the window has no
    /// more.
    #[inline]
    pub(super) fn brackets(&mut self, window: &[u8]) -> (usize, &[u16]) {
        while self.next == self.count && self.indexed < window.len() {
            self.index_chunk(window);
        }
        (self.chunk, &self.brackets[self.next..self.count])
    }

    /// Takes the first `count` of the brackets that [`brackets`](Self::brackets) returned.
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        self.next += count;
    }

    /// Returns whether the record at `start..end` may match the selection. Must be called for
    /// records in their order.
    #[inline]
    pub(super) fn may_match(&mut self, window: &[u8], start: usize, end: usize) -> bool {
        // A record that was read key by key may not be indexed yet. Its brackets are not needed.
        while self.indexed < end {
            self.next = self.count;
            self.index_chunk(window);
        }
        let next = self.candidates.get(self.next_candidate);
        next.is_some_and(|at| (*at as usize) < end) && self.any_candidate_hits(window, start, end)
    }

    #[cold]
    fn any_candidate_hits(&mut self, window: &[u8], start: usize, end: usize) -> bool {
        while let Some(&at) = self.candidates.get(self.next_candidate) {
            let at = at as usize;
            if at >= end {
                return false;
            }
            let filter = self.selection.prefilter();
            if at >= start && filter.hits(&window[start..end], at - start) {
                return true;
            }
            self.next_candidate += 1;
        }
        false
    }

    /// Indexes the next chunk of the window.
    fn index_chunk(&mut self, window: &[u8]) {
        let end = window.len().min(self.indexed + CHUNK);
        self.index_with(Level::new(), &window[..end]);
    }

    /// Indexes the rest of `text` as one chunk, with the given instruction set.
    fn index_with(&mut self, level: Level, text: &[u8]) {
        (self.count, self.next) = (0, 0);
        self.chunk = self.indexed;
        self.candidates.drain(..self.next_candidate);
        self.next_candidate = 0;
        // A pair whose first byte is the previous chunk's last.
        let filter = self.selection.prefilter();
        if let Some(last) = self.indexed.checked_sub(1)
            && let Some(pair) = text[last..].first_chunk()
            && filter.pairs().contains(pair)
        {
            add_candidates(&mut self.candidates, filter, text, last, 1);
        }
        dispatch!(level, simd => self.index_blocks(simd, text));
        self.indexed = text.len();
    }

    /// Indexes from the end of the last chunk to the end of `text`.
    #[inline(always)]
    fn index_blocks<S: Simd>(&mut self, simd: S, text: &[u8]) {
        let mut at = self.indexed;
        loop {
            // Two functions, so that the loop over common blocks keeps all it needs in registers.
            if !self.strings.is_escaped() {
                at = simd.vectorize(
                    #[inline(always)]
                    || self.index_common_blocks(simd, text, at),
                );
            }
            simd.vectorize(
                #[inline(always)]
                || self.index_block(simd, text, at),
            );
            if text.len() - at <= BLOCK {
                return;
            }
            at += BLOCK;
        }
    }

    /// Indexes blocks from `at` on as long as they have neither backslashes nor pairs, and returns
    /// where it stopped.
    #[inline(always)]
    fn index_common_blocks<S: Simd>(&mut self, simd: S, text: &[u8], at: usize) -> usize {
        let (first, others) = pairs(self.selection.prefilter());
        let slots = &mut self.brackets[..];
        let (mut strings, mut count) = (self.strings, self.count);
        let mut offset = (at - self.chunk) as u16;
        let mut rest = &text[at..];
        while let Some(block) = rest.first_chunk() {
            let masks = Masks::of(simd, block, first, others);
            if !masks.is_common() {
                break;
            }
            let brackets = strings.structural(simd, masks.brackets, masks.quotes);
            count += write_offsets(slots, count, brackets, offset);
            rest = &rest[BLOCK..];
            offset += BLOCK as u16;
        }
        (self.strings, self.count) = (strings, count);
        text.len() - rest.len()
    }

    /// Indexes the block at `at`, or what is left of `text`.
    #[inline(always)]
    fn index_block<S: Simd>(&mut self, simd: S, text: &[u8], at: usize) {
        let filter = self.selection.prefilter();
        let (first, others) = pairs(filter);
        let rest = &text[at..];
        let mut padded: Block = [b' '; BLOCK + 1];
        let (block, length) = match rest.first_chunk() {
            Some(block) => (block, BLOCK),
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                (&padded, rest.len())
            }
        };
        let masks = Masks::of(simd, block, first, others);
        let quotes = masks.quotes & !self.strings.escapes(masks.backslashes, length);
        let escapes = if filter.searches_escapes() { masks.backslashes } else { 0 };
        add_candidates(&mut self.candidates, filter, text, at, escapes | masks.pairs);
        let brackets = self.strings.structural(simd, masks.brackets, quotes);
        let offset = (at - self.chunk) as u16;
        self.count += write_offsets(&mut self.brackets[..], self.count, brackets, offset);
    }
}

/// Returns the first pair to search for, and the others.
fn pairs(filter: &Prefilter) -> (Pair, &[Pair]) {
    filter.pairs().split_first().map_or((NO_PAIR, &[]), |(first, others)| (*first, others))
}

/// Adds those pairs and backslashes of the block at `block` that the prefilter does not rule out.
#[inline(never)]
fn add_candidates(
    candidates: &mut Vec<u32>,
    filter: &Prefilter,
    text: &[u8],
    block: usize,
    mut found: u64,
) {
    while found != 0 {
        let at = block + found.trailing_zeros() as usize;
        found &= found - 1;
        if filter.may_hit(text, at) {
            candidates.push(at as u32);
        }
    }
}

/// Writes the offsets of a block's brackets to `slots`, from `first` on, and returns how many there
/// are. `offset` is the block's own.
#[inline(always)]
fn write_offsets(slots: &mut [u16], first: usize, mut brackets: u64, offset: u16) -> usize {
    let count = brackets.count_ones() as usize;
    let mut write = |slots: &mut [u16]| {
        for slot in slots {
            *slot = offset + brackets.trailing_zeros() as u16;
            brackets &= brackets.wrapping_sub(1);
        }
    };
    write(&mut slots[first..first + AT_ONCE]);
    if count > AT_ONCE {
        write(&mut slots[first + AT_ONCE..first + count]);
    }
    count
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_oneof};
    use proptest::sample::select;
    use proptest::test_runner::{Config, TestRunner};

    use super::{Level, StructuralIndex};
    use crate::cloudtrail::Selection;
    use crate::config::{EventRule, Pattern};

    /// An index for two needles.
    fn index() -> StructuralIndex {
        let rule = |name| EventRule {
            source: "iam.amazonaws.com".to_owned(),
            name: Pattern::new(name).expect("a pattern"),
        };
        StructuralIndex::new(Arc::new(Selection::new(vec![rule("Yy_"), rule("Certificate")])))
    }

    /// The brackets outside strings and the candidates of a text that arrives in pieces.
    fn indexed(text: &[u8], piece: usize, level: Level) -> (Vec<usize>, Vec<usize>) {
        let mut index = index();
        let mut brackets = Vec::new();
        for end in (0..text.len()).step_by(piece).skip(1).chain([text.len()]) {
            index.index_with(level, &text[..end]);
            let offsets = index.brackets[..index.count].iter();
            brackets.extend(offsets.map(|offset| index.chunk + usize::from(*offset)));
        }
        (brackets, index.candidates.iter().map(|at| *at as usize).collect())
    }

    /// The same, byte by byte.
    fn expected(text: &[u8], piece: usize) -> (Vec<usize>, Vec<usize>) {
        let index = index();
        let filter = index.selection.prefilter();
        let (mut brackets, mut candidates) = (Vec::new(), Vec::new());
        let (mut in_string, mut escaped) = (false, false);
        for (at, byte) in text.iter().enumerate() {
            // What is known of the text when the byte is classified.
            let known = (at / piece + 1) * piece;
            match byte {
                b'"' if !escaped => in_string = !in_string,
                b'[' | b']' | b'{' | b'}' if !in_string => brackets.push(at),
                _ => {}
            }
            escaped = *byte == b'\\' && !escaped;
            let is_pair =
                text[at..].first_chunk().is_some_and(|pair| filter.pairs().contains(pair));
            // A pair across two pieces is seen with the second one.
            let known = if is_pair && at + 1 == known { known + piece } else { known };
            let text = &text[..known.min(text.len())];
            if (is_pair || *byte == b'\\') && filter.may_hit(text, at) {
                candidates.push(at);
            }
        }
        (brackets, candidates)
    }

    /// The instruction sets that this processor has.
    fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let others = [
            best.as_sse2().map(Level::Sse2),
            best.as_sse4_2().map(Level::Sse4_2),
            best.as_avx2().map(Level::Avx2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let others = [];
        others.into_iter().flatten().chain([best]).collect()
    }

    /// Text full of bytes that matter.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let whole = ["Yy_", "Certificate", r"\u0059", r"\u004", r"\\u0059", "Cer"];
        let part = prop_oneof![
            5 => select(br#""\\"{}[]Yy_u0"#.to_vec()).prop_map(|byte| vec![byte]),
            1 => select(whole.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
            1 => (0..70_usize).prop_map(|length| vec![b' '; length]),
            1 => Just(vec![b'{'; 20]),
        ];
        vec(part, 0..200).prop_map(|parts| parts.concat())
    }

    #[test]
    fn every_instruction_set_indexes_as_byte_by_byte() {
        let mut runner =
            TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
        let levels = levels();
        runner
            .run(&(text(), 1..130_usize), |(text, piece)| {
                let expected = expected(&text, piece);
                for level in &levels {
                    assert_eq!(indexed(&text, piece, *level), expected, "{level:?}");
                }
                Ok(())
            })
            .expect("they are equal");
        eprintln!("compared: {levels:?}");
    }

    #[test]
    fn strings_hide_brackets_and_backslashes_hide_quotes() {
        let text = br#"{"a\"]":"\\","b":[1]}"#;
        let (brackets, _) = indexed(text, 64, Level::new());
        let found: Vec<u8> = brackets.iter().map(|at| text[*at]).collect();
        assert_eq!(found, b"{[]}");
    }

    #[test]
    fn needles_and_escapes_are_candidates_wherever_they_are_cut() {
        for part in ["Certificate", "Yy_", r"\u0059"] {
            for (before, piece) in (0..140).flat_map(|at| [1, 2, 63, 64, 65].map(|cut| (at, cut))) {
                let text = [&vec![b' '; before], part.as_bytes(), b"      "].concat();
                for level in levels() {
                    let (_, candidates) = indexed(&text, piece, level);
                    assert!(candidates.contains(&before), "{part} {before} {piece} {level:?}");
                }
            }
        }
    }
}
