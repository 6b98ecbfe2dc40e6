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
    /// No lane and not `every`: nothing is wanted.
    lanes: Vec<Lane>,
    /// The pair of each lane.
    pairs: Vec<Pair>,
    /// Which digits after `\u00` begin a character of a needle, a bit each.
    digits: u8,
    /// A rule without a needle: every record must be read.
    every: bool,
    texts: Vec<Text>,
    /// A wanted text may hold quotes, slashes or control characters, which have escapes of their
    /// own, or be of any length.
    loose: bool,
}

/// Two bytes after one another: what the document is searched for, all of it.
pub(super) type Pair = [u8; 2];

#[derive(Debug, Clone)]
struct Lane {
    needle: String,
    /// Where in the needle its rarest pair is.
    pair: usize,
}

/// What may stand between the quotes.
#[derive(Debug, Clone)]
enum Text {
    Exactly(String),
    Glob(crate::config::Pattern),
}

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
            every |= !in_source.iter().any(|stretch| stretch.len() >= size_of::<Pair>());
            texts.push(Text::Exactly(rule.source.clone()));
            stretches.push(in_source);
        }
        let needles = if every { Vec::new() } else { needles(&stretches) };
        let digits = needles
            .iter()
            .flat_map(|needle| needle.bytes())
            .fold(0, |digits, byte| digits | 1 << (byte >> 4));
        let lanes: Vec<Lane> = needles.into_iter().map(Lane::new).collect();
        let pairs = lanes.iter().filter_map(Lane::pair).collect();
        let loose = texts.iter().any(Text::is_loose);
        Self { lanes, pairs, digits, every, texts, loose }
    }

    /// A filter that skips nothing.
    pub(super) fn everything() -> Self {
        let (lanes, pairs, texts) = (Vec::new(), Vec::new(), Vec::new());
        Self { lanes, pairs, digits: 0, every: true, texts, loose: false }
    }

    /// Whether no record may be skipped.
    pub(super) fn is_every(&self) -> bool {
        self.every
    }

    /// The pairs that every record which may be wanted has one of, or an escape.
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Whether a backslash can be the first byte of what matters.
    pub(super) fn minds_escapes(&self) -> bool {
        self.digits != 0
    }

    /// Whether a needle or an escape is at the pair or backslash at `at`, or may be, as far as `text`
    /// goes: whether the record that it is in is worth a closer look.
    pub(super) fn may_hit(&self, text: &[u8], at: usize) -> bool {
        if text[at] == b'\\' {
            return text.len() < at + ESCAPE || self.hides(&text[at..]);
        }
        self.lanes.iter().any(|lane| {
            let Some(start) = at.checked_sub(lane.pair) else { return false };
            text.get(start..start + lane.needle.len())
                .is_none_or(|there| there == lane.needle.as_bytes())
        })
    }

    /// Whether what is at the pair or backslash at `at` makes `record` one that must be read.
    pub(super) fn hits(&self, record: &[u8], at: usize) -> bool {
        if record[at] == b'\\' {
            return self.hides(&record[at..]);
        }
        self.lanes.iter().any(|lane| {
            let Some(start) = at.checked_sub(lane.pair) else { return false };
            record[start..].starts_with(lane.needle.as_bytes()) && self.fits(lane, record, start)
        })
    }

    /// Whether text goes on as an escape that could hide a character of a needle.
    fn hides(&self, text: &[u8]) -> bool {
        match text {
            [b'\\', b'u', b'0', b'0', digit @ b'0'..=b'7', ..] => {
                self.digits & 1 << (digit - b'0') != 0
            }
            _ => false,
        }
    }

    /// Whether the needle at `at` may make `record` a wanted one.
    fn fits(&self, lane: &Lane, record: &[u8], at: usize) -> bool {
        let after = at + lane.needle.len();
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

/// Bytes of an escape that tell whether it could hide a character of a needle.
const ESCAPE: usize = br"\u000".len();

impl Lane {
    fn new(needle: String) -> Self {
        let rarity = |pair: &[u8]| pair.iter().map(|byte| frequency(*byte)).sum::<u32>();
        let pairs = needle.as_bytes().windows(size_of::<Pair>()).enumerate();
        let pair = pairs.min_by_key(|(_, pair)| rarity(pair)).map_or(0, |(at, _)| at);
        Self { needle, pair }
    }

    fn pair(&self) -> Option<Pair> {
        self.needle.as_bytes().get(self.pair..)?.first_chunk().copied()
    }
}

/// How often a byte occurs in log files, roughly: what a pair must not be made of.
fn frequency(byte: u8) -> u32 {
    match byte {
        b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' => 5,
        b'0'..=b'9' | b'.' | b'-' | b':' => 4,
        b'c' | b'd' | b'l' | b'm' | b'p' | b'u' => 3,
        b'a'..=b'z' => 2,
        _ => 1,
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
