//! Finds the few records that may be wanted, without reading the others: the skip rule.
//!
//! A record of a wanted event holds its name (or, for a rule that takes every name, its source) in
//! quotes: either literally, or with a character written as `\u00XX`. No other escape stands for a
//! letter, a digit or one of `. _ - :`. So each rule yields a *needle*, a stretch of such characters
//! that must occur, and a record is skipped if it holds neither a needle within fitting quotes nor
//! an escape that could hide one. What is not skipped is read as JSON, and that decides.

use memchr::memmem;

use crate::config::EventRule;

/// Shared needles are at least this long: shorter ones occur everywhere.
const SHARED: usize = 8;

/// Longest text in quotes that is compared; a longer one counts as fitting.
const LONGEST: usize = 512;

/// The compiled rule: what to search for.
#[derive(Debug, Clone)]
pub(super) struct Prefilter {
    /// No rule: nothing is wanted. Or a rule without a needle: everything must be read.
    lanes: Vec<Lane>,
    /// Which digits after `\u00` begin a character of a needle, a bit each.
    digits: u8,
    every: bool,
    texts: Vec<Text>,
    /// A wanted text may hold quotes, slashes or control characters, which have escapes of their
    /// own, or be of any length.
    loose: bool,
}

#[derive(Debug, Clone)]
struct Lane {
    finder: memmem::Finder<'static>,
}

/// What may stand between the quotes.
#[derive(Debug, Clone)]
enum Text {
    Exactly(String),
    Glob(crate::config::Pattern),
}

/// How far a decoder has searched its window, a place for each lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    lanes: Vec<Reached>,
}

/// Nothing starts before `at`; something does there, if `hit`.
#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    at: usize,
    hit: bool,
}

/// How far a search runs ahead: what it touches must still be in the cache when records are split.
const AHEAD: usize = 128 << 10;

impl Prefilter {
    /// Compiles the rules.
    pub(super) fn new(rules: &[EventRule]) -> Self {
        let mut texts = Vec::new();
        let mut stretches: Vec<Vec<String>> = Vec::new();
        let mut every = false;
        for rule in rules {
            let in_name = stretches_of(rule.name.as_str(), is_letter);
            if in_name.iter().any(|stretch| stretch.len() >= 3) {
                texts.push(match rule.name.literal() {
                    Some(name) => Text::Exactly(name.to_owned()),
                    None => Text::Glob(rule.name.clone()),
                });
                stretches.push(in_name);
                continue;
            }
            let in_source = stretches_of(&rule.source, is_plain);
            every |= in_source.is_empty();
            texts.push(Text::Exactly(rule.source.clone()));
            stretches.push(in_source);
        }
        let needles = if every { Vec::new() } else { needles(&stretches) };
        let digits = needles
            .iter()
            .flat_map(|needle| needle.bytes())
            .fold(0, |digits, byte| digits | 1 << (byte >> 4));
        let lane = |needle: &String| Lane { finder: memmem::Finder::new(needle).into_owned() };
        let lanes = needles.iter().map(lane).collect();
        let loose = texts.iter().any(Text::is_loose);
        Self { lanes, digits, every, texts, loose }
    }

    /// A filter that skips nothing.
    pub(super) fn everything() -> Self {
        Self { lanes: Vec::new(), digits: 0, every: true, texts: Vec::new(), loose: false }
    }

    /// Which escapes could hide a needle: the digits after `\u00`, a bit each.
    pub(super) fn digits(&self) -> u8 {
        self.digits
    }

    /// Whether what is found at `at` may make `record` a wanted one.
    fn fits(&self, lane: &Lane, record: &[u8], at: usize) -> bool {
        let after = at + lane.finder.needle().len();
        let front = &record[at.saturating_sub(LONGEST)..at];
        let back = &record[after..record.len().min(after + LONGEST)];
        let (Some(open), Some(close)) = (memchr::memrchr(b'"', front), memchr::memchr(b'"', back))
        else {
            return self.loose;
        };
        let written = &record[at - (front.len() - open - 1)..after + close];
        let escaped_quote = open > 0 && front[open - 1] == b'\\';
        (self.loose && escaped_quote) || self.may_be(written)
    }

    /// Whether a wanted text may be written like this between quotes.
    fn may_be(&self, written: &[u8]) -> bool {
        let escaped = if self.loose {
            memchr::memchr(b'\\', written).is_some()
        } else {
            memmem::find(written, b"\\u").is_some()
        };
        escaped
            || self.texts.iter().any(|text| match text {
                Text::Exactly(text) => text.as_bytes() == written,
                Text::Glob(glob) => str::from_utf8(written).is_ok_and(|text| glob.matches(text)),
            })
    }
}

impl Text {
    fn is_loose(&self) -> bool {
        match self {
            // Written with nothing but `\u00XX` it is six times as long.
            Self::Exactly(text) => {
                let odd = |byte: u8| matches!(byte, b'"' | b'/' | b'\\') || byte < b' ';
                text.len() * 6 >= LONGEST || text.bytes().any(odd)
            }
            Self::Glob(_) => true,
        }
    }
}

impl Search {
    /// Forgets what was found, for another document.
    pub(super) fn reset(&mut self, filter: &Prefilter) {
        self.lanes.clear();
        self.lanes.resize(filter.lanes.len(), Reached::default());
    }

    /// The first `by` bytes of the window are gone.
    pub(super) fn shift(&mut self, by: usize) {
        for lane in &mut self.lanes {
            lane.hit &= lane.at >= by;
            lane.at = lane.at.saturating_sub(by);
        }
    }

    /// Whether the record at `start..end` of the window must be read. Records come in order.
    #[inline]
    pub(super) fn candidate(
        &mut self,
        filter: &Prefilter,
        window: &[u8],
        start: usize,
        end: usize,
    ) -> bool {
        let mut lanes = filter.lanes.iter().zip(&mut self.lanes);
        filter.every
            || lanes.any(|(lane, reached)| reached.within(filter, lane, window, start, end))
    }
}

impl Reached {
    #[inline]
    fn within(
        &mut self,
        filter: &Prefilter,
        lane: &Lane,
        window: &[u8],
        start: usize,
        end: usize,
    ) -> bool {
        if self.at + lane.finder.needle().len() > end {
            return false;
        }
        self.look(filter, lane, window, start, end)
    }

    #[cold]
    fn look(
        &mut self,
        filter: &Prefilter,
        lane: &Lane,
        window: &[u8],
        start: usize,
        end: usize,
    ) -> bool {
        let length = lane.finder.needle().len();
        if self.at < start {
            *self = Self { at: start, hit: false };
        }
        while self.at + length <= end {
            if self.hit {
                if filter.fits(lane, &window[start..end], self.at - start) {
                    return true;
                }
                *self = Self { at: self.at + 1, hit: false };
                continue;
            }
            let until = window.len().min(end.max(self.at + AHEAD));
            *self = match lane.finder.find(&window[self.at..until]) {
                Some(found) => Self { at: self.at + found, hit: true },
                None => Self { at: until + 1 - length, hit: false },
            };
        }
        false
    }
}

/// Characters that only `\u00XX` can stand for; in names, letters (so that one escape is rare).
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// The same, with what occurs in sources.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
}

/// The stretches of a pattern that stand for themselves and hold nothing but such characters.
/// What lies between the first and the last sign of a class or an alternative is left out.
fn stretches_of(pattern: &str, plain: fn(u8) -> bool) -> Vec<String> {
    let signs = ['[', ']', '{', '}', '\\'];
    let front = pattern.split(signs).next().unwrap_or_default();
    let back = match pattern.rsplit_once(signs) {
        Some((_, back)) if !pattern.contains('\\') => back,
        _ => "",
    };
    let parts = [front, back]
        .into_iter()
        .flat_map(|part| part.split(|c: char| !(c.is_ascii() && plain(c as u8))));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// As few needles as cover all rules: a stretch that many share is searched once.
fn needles(rules: &[Vec<String>]) -> Vec<String> {
    let mut open: Vec<&Vec<String>> = rules.iter().collect();
    let mut needles = Vec::new();
    while let Some(longest) = open.first().and_then(|first| first.iter().max_by_key(|s| s.len())) {
        let holds = |rule: &[String], text: &str| rule.iter().any(|stretch| stretch.contains(text));
        let parts = (0..longest.len())
            .flat_map(|from| (from + SHARED..=longest.len()).map(move |to| &longest[from..to]));
        let shared = parts
            .map(|part| (open.iter().filter(|rule| holds(rule, part)).count(), part.len(), part))
            .max();
        let needle = match shared {
            Some((count, _, part)) if count > 1 => part,
            _ => longest.as_str(),
        };
        open.retain(|rule| !holds(rule, needle));
        needles.push(needle.to_owned());
    }
    needles
}
