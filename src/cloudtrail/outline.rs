//! The outline of a document: where its brackets are, those in strings left out.
//!
//! It is drawn 64 bytes at a time, each byte a bit, without a branch that depends on the text but
//! for rare ones. [`Nesting`](super::nesting::Nesting) then only looks at the brackets, a hundredth
//! of all bytes. On the way it notes what the skip rule must know about escapes.

use super::simd;

/// Bytes looked at together.
pub(super) const BLOCK: usize = 64;

/// Bytes drawn at a time: they are still in the first cache when the brackets are followed.
const STRETCH: usize = 16 << 10;

/// Places of a block's brackets that are noted without a look at how many there are: as a rule more
/// than there are, as a loop whose end cannot be foreseen costs more.
pub(super) const AT_ONCE: usize = 8;

/// What is known of the current window.
pub(super) struct Outline {
    /// Places of the brackets of the last stretch, from its start on: `count` of them, those before
    /// `next` taken.
    brackets: Box<[u16; STRETCH + AT_ONCE]>,
    count: usize,
    next: usize,
    /// Where the last stretch started in the window; below zero (wrapped) once that has moved on.
    stretch: usize,
    /// Places of escapes that may hide a needle, likewise.
    escapes: Vec<u32>,
    next_escape: usize,
    /// How much of the window is drawn.
    drawn: usize,
    pen: Pen,
    /// Which digits after `\u00` matter, a bit each.
    digits: u8,
}

/// What is carried from block to block.
#[derive(Default, Clone, Copy)]
pub(super) struct Pen {
    /// All ones while inside a string.
    in_string: u64,
    /// 1 if the next byte is escaped by a backslash.
    escaped: u64,
}

/// Which bytes of a block are what.
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// Brackets of both kinds: a brace without bit 5 is a square bracket.
    pub(super) brackets: u64,
}

impl Default for Outline {
    fn default() -> Self {
        Self {
            brackets: Box::new([0; STRETCH + AT_ONCE]),
            count: 0,
            next: 0,
            stretch: 0,
            escapes: Vec::new(),
            next_escape: 0,
            drawn: 0,
            pen: Pen::default(),
            digits: 0,
        }
    }
}

impl Outline {
    /// Forgets the document; `digits` says which escapes matter in the next one.
    pub(super) fn reset(&mut self, digits: u8) {
        (self.count, self.next, self.next_escape, self.drawn) = (0, 0, 0, 0);
        self.escapes.clear();
        self.pen = Pen::default();
        self.digits = digits;
    }

    /// The first `by` bytes of the window are gone.
    pub(super) fn shift(&mut self, by: usize) {
        let gone = |place: &&u16| self.stretch.wrapping_add(usize::from(**place)) < by;
        self.next += self.brackets[self.next..self.count].iter().take_while(gone).count();
        self.stretch = self.stretch.wrapping_sub(by);
        self.escapes.drain(..self.next_escape);
        self.next_escape = 0;
        self.escapes.retain_mut(|place| {
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
            match self.peek(window) {
                Some(bracket) if bracket < place => self.next += 1,
                found => return found == Some(place),
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

    #[inline]
    fn peek(&mut self, window: &[u8]) -> Option<usize> {
        let (stretch, brackets) = self.brackets(window);
        brackets.first().map(|place| stretch.wrapping_add(usize::from(*place)))
    }

    /// Whether an escape that matters is in the value at `start..end`. Values come in order.
    #[inline]
    pub(super) fn escape_within(&mut self, window: &[u8], start: usize, end: usize) -> bool {
        // A value that was read key by key may not be drawn yet; its brackets are done with.
        while self.drawn < end {
            self.next = self.count;
            self.draw(window);
        }
        while let Some(&place) = self.escapes.get(self.next_escape) {
            let place = place as usize;
            if place >= end {
                return false;
            }
            if place >= start && self.hides(&window[place..end]) {
                return true;
            }
            self.next_escape += 1;
        }
        false
    }

    /// Whether text that starts with `\u` goes on as an escape that matters.
    fn hides(&self, text: &[u8]) -> bool {
        match text {
            [_, _, b'0', b'0', digit @ b'0'..=b'7', ..] => self.digits & 1 << (digit - b'0') != 0,
            _ => false,
        }
    }

    /// Draws the next stretch.
    fn draw(&mut self, window: &[u8]) {
        let end = window.len().min(self.drawn + STRETCH);
        self.draw_with(&window[..end], &simd::draw);
    }

    pub(super) fn draw_with(&mut self, text: &[u8], draw: &dyn Fn(&mut Self, &[u8])) {
        (self.count, self.next) = (0, 0);
        self.stretch = self.drawn;
        self.escapes.drain(..self.next_escape);
        self.next_escape = 0;
        draw(self, text);
        self.drawn = text.len();
    }

    /// Draws from where the outline ends to the end of `text`, by these ways to find the bytes that
    /// matter and to see what lies between quotes. Inlined, to be compiled for the instructions
    /// that they use.
    #[inline(always)]
    pub(super) fn draw_by(
        &mut self,
        text: &[u8],
        masks: &impl Fn(&[u8; BLOCK]) -> Masks,
        between: &impl Fn(u64) -> u64,
        note: &impl Fn(&mut [u16; AT_ONCE], u64, u16),
    ) {
        let mut pen = self.pen;
        let mut count = 0;
        let mut place = 0;
        let (blocks, rest) = text[self.drawn..].as_chunks::<BLOCK>();
        for block in blocks {
            let masks = masks(block);
            let brackets = pen.brackets(&masks, between, BLOCK);
            count += note_all(&mut self.brackets[count..], brackets, place, note);
            if masks.backslashes != 0 {
                self.note_escapes(block, masks.backslashes, place);
            }
            place += BLOCK as u16;
        }
        if !rest.is_empty() {
            let mut block = [b' '; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            let masks = masks(&block);
            let brackets = pen.brackets(&masks, between, rest.len());
            count += note_all(&mut self.brackets[count..], brackets, place, note);
            self.note_escapes(&block, masks.backslashes, place);
        }
        self.pen = pen;
        self.count = count;
    }

    /// What the last stretch named.
    #[cfg(test)]
    pub(super) fn taken(&self) -> Vec<usize> {
        self.brackets[..self.count].iter().map(|place| self.stretch + usize::from(*place)).collect()
    }

    /// The escapes that are noted.
    #[cfg(test)]
    pub(super) fn escapes(&self) -> impl Iterator<Item = usize> {
        self.escapes.iter().map(|place| *place as usize)
    }

    /// Notes backslashes that may start an escape that matters. What the block does not show is
    /// looked at when the value is complete.
    #[inline(never)]
    fn note_escapes(&mut self, block: &[u8; BLOCK], mut backslashes: u64, place: u16) {
        if self.digits == 0 {
            return;
        }
        while backslashes != 0 {
            let at = backslashes.trailing_zeros() as usize;
            backslashes &= backslashes - 1;
            if at + 5 > BLOCK || block[at + 1] == b'u' && self.hides(&block[at..]) {
                self.escapes.push((self.drawn + usize::from(place) + at) as u32);
            }
        }
    }
}

/// Writes the places of a block's brackets to the front of `slots` and says how many there are.
#[inline(always)]
fn note_all(
    slots: &mut [u16],
    mut brackets: u64,
    place: u16,
    note: &impl Fn(&mut [u16; AT_ONCE], u64, u16),
) -> usize {
    let count = brackets.count_ones() as usize;
    if let Some(slots) = slots.first_chunk_mut() {
        note(slots, brackets, place);
    }
    if count > AT_ONCE {
        for slot in &mut slots[..count] {
            *slot = place + brackets.trailing_zeros() as u16;
            brackets &= brackets - 1;
        }
    }
    count
}

/// The plain twin of what `simd` does: writes the places of the first brackets, and anything after.
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

impl Pen {
    /// The brackets outside strings of a block, of which `length` bytes count and the others are
    /// spaces.
    #[inline(always)]
    fn brackets(&mut self, masks: &Masks, between: &impl Fn(u64) -> u64, length: usize) -> u64 {
        let escaped = self.escapes(masks.backslashes);
        if length < BLOCK {
            self.escaped = (escaped >> length) & 1;
        }
        let inside = between(masks.quotes & !escaped) ^ self.in_string;
        self.in_string = (inside.cast_signed() >> 63).cast_unsigned();
        masks.brackets & !inside
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
}

/// The plain twin of what `simd` does: the masks of a block, eight bytes at a time in arithmetic.
pub(super) fn masks(block: &[u8; BLOCK]) -> Masks {
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
