//! The outline of a document: where its brackets are, those in strings left out, and where it may
//! hold what the selection wants.
//!
//! It is drawn 64 bytes at a time, each byte a bit, without a branch that depends on the text but
//! for rare ones. [`Nesting`](super::nesting::Nesting) then only looks at the brackets, a hundredth
//! of all bytes, and [`Picker`](super::picker::Picker) at what is marked, next to nothing.

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use super::Selection;
use super::pen::{AT_ONCE, BLOCK, Block, Masks, Pen};
use super::prefilter::{Pair, Prefilter};
use super::simd;

/// Bytes drawn at a time: they are still in the first cache when the brackets are followed.
pub(super) const STRETCH: usize = 16 << 10;

/// What is searched for if nothing is: no text has it.
const NO_PAIR: Pair = [0xff; 2];

/// What is known of the current window.
pub(super) struct Outline {
    selection: Arc<Selection>,
    /// Places of the brackets of the last stretch, from its start on: `count` of them, those before
    /// `next` taken.
    brackets: Box<[u16; STRETCH + AT_ONCE]>,
    count: usize,
    next: usize,
    /// Where in the window the last stretch started.
    stretch: usize,
    /// Places in the window of pairs and backslashes that may make their record a wanted one; those
    /// before `next_mark` are done with.
    marks: Vec<u32>,
    next_mark: usize,
    /// How much of the window is drawn.
    drawn: usize,
    pen: Pen,
}

impl Outline {
    pub(super) fn new(selection: Arc<Selection>) -> Self {
        Self {
            selection,
            brackets: Box::new([0; STRETCH + AT_ONCE]),
            count: 0,
            next: 0,
            stretch: 0,
            marks: Vec::new(),
            next_mark: 0,
            drawn: 0,
            pen: Pen::default(),
        }
    }

    /// Forgets the document.
    pub(super) fn reset(&mut self) {
        (self.count, self.next, self.next_mark) = (0, 0, 0);
        (self.stretch, self.drawn) = (0, 0);
        self.marks.clear();
        self.pen = Pen::default();
    }

    /// The first `by` bytes of the window are gone.
    pub(super) fn shift(&mut self, by: usize) {
        // As a rule every bracket is taken, and nothing is marked.
        let gone = by.saturating_sub(self.stretch);
        for place in &mut self.brackets[self.next..self.count] {
            if usize::from(*place) < gone {
                self.next += 1;
            }
            *place = place.saturating_sub(gone as u16);
        }
        self.stretch = self.stretch.saturating_sub(by);
        self.marks.drain(..self.next_mark);
        self.next_mark = 0;
        self.marks.retain_mut(|place| {
            let stays = *place as usize >= by;
            *place = place.saturating_sub(by as u32);
            stays
        });
        self.drawn = self.drawn.saturating_sub(by);
    }

    /// Goes to the bracket at `place`, and says whether there is one: there is none if a quote
    /// before it has no partner.
    #[inline]
    pub(super) fn seek(&mut self, window: &[u8], place: usize) -> bool {
        loop {
            let (stretch, brackets) = self.brackets(window);
            match brackets.first() {
                Some(bracket) if stretch + usize::from(*bracket) < place => self.next += 1,
                found => return found.is_some_and(|at| stretch + usize::from(*at) == place),
            }
        }
    }

    /// The brackets from here on that are drawn, as places after the one that is answered, too;
    /// draws more if there are none.
    #[inline]
    pub(super) fn brackets(&mut self, window: &[u8]) -> (usize, &[u16]) {
        while self.next == self.count && self.drawn < window.len() {
            self.draw(window);
        }
        (self.stretch, &self.brackets[self.next..self.count])
    }

    /// So many brackets have been taken.
    #[inline]
    pub(super) fn advance(&mut self, by: usize) {
        self.next += by;
    }

    /// Whether the record at `start..end` may be a wanted one. Records come in order.
    #[inline]
    pub(super) fn hit_within(&mut self, window: &[u8], start: usize, end: usize) -> bool {
        // A value that was read key by key may not be drawn yet; its brackets are done with.
        while self.drawn < end {
            self.next = self.count;
            self.draw(window);
        }
        self.mark_before(end).is_some() && self.look(window, start, end)
    }

    /// What is marked next, if that is before `end`, up to where the outline is drawn.
    #[inline]
    pub(super) fn mark_before(&self, end: usize) -> Option<usize> {
        self.marks.get(self.next_mark).map(|place| *place as usize).filter(|place| *place < end)
    }

    /// What is marked before `end` is done with.
    pub(super) fn pass_marks(&mut self, end: usize) {
        while self.mark_before(end).is_some() {
            self.next_mark += 1;
        }
    }

    #[cold]
    fn look(&mut self, window: &[u8], start: usize, end: usize) -> bool {
        while let Some(&place) = self.marks.get(self.next_mark) {
            let place = place as usize;
            if place >= end {
                return false;
            }
            let filter = self.selection.prefilter();
            if place >= start && filter.hits(&window[start..end], place - start) {
                return true;
            }
            self.next_mark += 1;
        }
        false
    }

    /// Draws the next stretch.
    fn draw(&mut self, window: &[u8]) {
        let end = window.len().min(self.drawn + STRETCH);
        self.draw_with(&window[..end], &simd::draw);
    }

    pub(super) fn draw_with(&mut self, text: &[u8], draw: &dyn Fn(&mut Self, &[u8])) {
        (self.count, self.next) = (0, 0);
        self.stretch = self.drawn;
        self.marks.drain(..self.next_mark);
        self.next_mark = 0;
        // A pair that the last stretch held one half of.
        if let Some(before) = self.drawn.checked_sub(1)
            && text
                .get(before..)
                .and_then(<[u8]>::first_chunk)
                .is_some_and(|both| self.selection.prefilter().pairs().contains(both))
        {
            mark(&mut self.marks, self.selection.prefilter(), text, before, 1);
        }
        draw(self, text);
        self.drawn = text.len();
    }

    /// Draws from where the outline ends to the end of `text`: `plain` draws on through blocks without
    /// backslashes and pairs, and says where it stopped; `any` draws one block.
    pub(super) fn draw_by(
        &mut self,
        text: &[u8],
        plain: &impl Fn(&mut Self, &[u8], usize) -> usize,
        any: &impl Fn(&mut Self, &[u8], usize),
    ) {
        let mut at = self.drawn;
        loop {
            if self.pen.is_unescaped() {
                at = plain(self, text, at);
            }
            any(self, text, at);
            if text.len() - at <= BLOCK {
                return;
            }
            at += BLOCK;
        }
    }

    /// Draws through blocks without backslashes and pairs, by these ways to find the bytes that matter,
    /// to see what lies between quotes and to note places. Inlined, to be compiled for the
    /// instructions that they use; by itself, so that what nearly every block needs stays in
    /// registers.
    #[inline(always)]
    pub(super) fn draw_plain_by(
        &mut self,
        text: &[u8],
        at: usize,
        masks: &impl Fn(&Block, Pair, &[Pair]) -> Masks,
        between: &impl Fn(u64) -> u64,
        note: &impl Fn(&mut [u16; AT_ONCE], u64, u16),
    ) -> usize {
        let (first, others) = pairs(self.selection.prefilter());
        let slots = &mut self.brackets[..];
        let (mut pen, mut count) = (self.pen, self.count);
        let mut place = (at - self.stretch) as u16;
        let mut rest = &text[at..];
        while let Some(block) = rest.first_chunk() {
            let masks = masks(block, first, others);
            if !masks.plain {
                break;
            }
            let brackets = pen.brackets(masks.brackets, masks.quotes, between);
            count += note_all(slots, count, brackets, place, note);
            rest = &rest[BLOCK..];
            place += BLOCK as u16;
        }
        (self.pen, self.count) = (pen, count);
        text.len() - rest.len()
    }

    /// Draws one block, whatever it holds, or what is left of the text. Likewise.
    #[inline(always)]
    pub(super) fn draw_any_by(
        &mut self,
        text: &[u8],
        at: usize,
        masks: &impl Fn(&Block, Pair, &[Pair]) -> Masks,
        between: &impl Fn(u64) -> u64,
        note: &impl Fn(&mut [u16; AT_ONCE], u64, u16),
    ) {
        let filter = self.selection.prefilter();
        let (first, others) = pairs(filter);
        let rest = &text[at..];
        let mut padded = [b' '; BLOCK + 1];
        let (block, length) = match rest.first_chunk() {
            Some(block) => (block, BLOCK),
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                (&padded, rest.len())
            }
        };
        let masks = masks(block, first, others);
        let quotes = masks.quotes & !self.pen.escapes(masks.backslashes, length);
        let escapes = if filter.minds_escapes() { masks.backslashes } else { 0 };
        mark(&mut self.marks, filter, text, at, escapes | masks.pairs);
        let brackets = self.pen.brackets(masks.brackets, quotes, between);
        let place = (at - self.stretch) as u16;
        self.count += note_all(&mut self.brackets[..], self.count, brackets, place, note);
    }

    /// What the last stretch named.
    #[cfg(test)]
    pub(super) fn taken(&self) -> Vec<usize> {
        self.brackets[..self.count].iter().map(|place| self.stretch + usize::from(*place)).collect()
    }

    /// What is marked.
    #[cfg(test)]
    pub(super) fn marks(&self) -> impl Iterator<Item = usize> {
        self.marks.iter().map(|place| *place as usize)
    }
}

/// The first pair to look for, and the others.
fn pairs(filter: &Prefilter) -> (Pair, &[Pair]) {
    filter.pairs().split_first().map_or((NO_PAIR, &[]), |(first, others)| (*first, others))
}

/// Marks those of a block's pairs and backslashes that may matter.
#[inline(never)]
fn mark(marks: &mut Vec<u32>, filter: &Prefilter, text: &[u8], block: usize, mut suspects: u64) {
    while suspects != 0 {
        let at = block + suspects.trailing_zeros() as usize;
        suspects &= suspects - 1;
        if filter.may_hit(text, at) {
            marks.push(at as u32);
        }
    }
}

/// Writes the places of a block's brackets to `slots` from `first` on and says how many there are.
#[inline(always)]
fn note_all(
    slots: &mut [u16],
    first: usize,
    mut brackets: u64,
    place: u16,
    note: &impl Fn(&mut [u16; AT_ONCE], u64, u16),
) -> usize {
    let count = brackets.count_ones() as usize;
    if let Some(slots) =
        slots.get_mut(first..first + AT_ONCE).and_then(|slots| slots.first_chunk_mut())
    {
        note(slots, brackets, place);
    }
    if count > AT_ONCE {
        for slot in &mut slots[first..first + count] {
            *slot = place + brackets.trailing_zeros() as u16;
            brackets &= brackets - 1;
        }
    }
    count
}
