//! Closes records many at a time: the fast way through what CloudTrail writes, records that follow one
//! another with nothing but a comma between.

use super::nesting::Nesting;
use super::outline::{Outline, STRETCH};
use super::picker::Span;

/// What stands between two records as CloudTrail writes them, and the bracket of the second one.
const NEXT: &[u8] = b",{";

/// Records that follow one another.
pub(super) struct Run {
    /// Where in the window their stretch starts.
    stretch: usize,
    /// The places in it after each record: `count` of them.
    ends: Box<[u16; STRETCH]>,
    count: usize,
    /// Where in the window the first one starts.
    start: usize,
    longest: usize,
    /// Something else stands between the records of this document: it would be found again and again.
    gives_up: bool,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            stretch: 0,
            ends: Box::new([0; STRETCH]),
            count: 0,
            start: 0,
            longest: 0,
            gives_up: false,
        }
    }

    /// Forgets the document.
    pub(super) fn reset(&mut self) {
        self.gives_up = false;
    }

    /// Closes the record from `start` on, that `nesting` follows, and those after it, as long as one
    /// follows another at once, through the brackets that are drawn. Answers whether one is open
    /// after the last of them. Where something is amiss it closes none.
    pub(super) fn close(
        &mut self,
        nesting: &mut Nesting,
        outline: &mut Outline,
        window: &[u8],
        start: usize,
    ) -> bool {
        self.count = 0;
        if self.gives_up {
            return true;
        }
        let (stretch, brackets) = outline.brackets(window);
        (self.stretch, self.start, self.longest) = (stretch, start, 0);
        let text = &window[stretch..];
        let Some((closed, taken)) = nesting.follow_on(text, brackets, &mut self.ends[..]) else {
            self.gives_up = true;
            return true;
        };
        let mut start = start;
        for slot in &mut self.ends[..closed] {
            let next = usize::from(*slot) + 1;
            let end = usize::from(brackets[next - 1]) + 1;
            *slot = end as u16;
            self.longest = self.longest.max(stretch + end - start);
            start = stretch + end + 1;
            self.count += 1;
            if next == taken || !text[end..].starts_with(NEXT) {
                self.gives_up = next < taken;
                nesting.close_all();
                outline.advance(next);
                return false;
            }
        }
        outline.advance(taken);
        true
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Length of the longest, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The place in the window after the last one; none if there is no record.
    pub(super) fn end(&self) -> Option<usize> {
        self.ends[..self.count].last().map(|end| self.stretch + usize::from(*end))
    }

    /// Where they are.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        (0..self.count).map(|number| self.span(number))
    }

    /// The one that `place` in the window is in or before, and how many there are before it. There
    /// must be one.
    pub(super) fn around(&self, place: usize) -> (usize, Span) {
        let ends = &self.ends[..self.count];
        let number = ends.partition_point(|end| self.stretch + usize::from(*end) <= place);
        (number, self.span(number))
    }

    fn span(&self, number: usize) -> Span {
        let end = |number: usize| self.stretch + usize::from(self.ends[number]);
        let start = number.checked_sub(1).map_or(self.start, |before| end(before) + 1);
        Span { start, end: end(number) }
    }
}
