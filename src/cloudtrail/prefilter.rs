//! Skips records that cannot match the selection, without parsing them.
//!
//! A record of a selected event contains the event's name (or, if a rule takes every name, its
//! source) in quotes: either literally, or with a character written as `\u00XX`. No other escape
//! stands for a letter, a digit or one of `. _ - :`. So each rule yields a *needle*, a sequence of
//! such characters that must occur, and a record is skipped if it contains neither a needle between
//! matching quotes nor an escape that could hide one. All other records are parsed, and their
//! decoded fields decide.

use memchr::memmem;

use crate::config::EventRule;

/// Least length of a needle that several rules share: shorter ones occur everywhere.
const SHARED: usize = 8;

/// Longest text in quotes that is compared; a longer one counts as a match.
const LONGEST: usize = 512;

/// The compiled prefilter of a selection.
#[derive(Debug, Clone)]
pub(super) struct Prefilter {
    /// If empty and not `every`, nothing is selected.
    needles: Vec<Needle>,
    /// The pair of each needle.
    pairs: Vec<Pair>,
    /// Which digits after `\u00` begin a character of a needle, one bit each.
    digits: u8,
    /// Whether a rule has no needle: every record must be parsed.
    every: bool,
    texts: Vec<Text>,
    /// Whether a selected text may contain quotes, slashes or control characters, which have
    /// escapes of their own, or be of any length.
    loose: bool,
}

/// Two adjacent bytes, for which all of the document is searched.
pub(super) type Pair = [u8; 2];

#[derive(Debug, Clone)]
struct Needle {
    text: String,
    /// Offset of its rarest pair.
    pair: usize,
}

/// A text that a rule selects.
#[derive(Debug, Clone)]
enum Text {
    Exactly(String),
    Glob(crate::config::Pattern),
}

impl Prefilter {
    /// Compiles the rules.
    pub(super) fn new(rules: &[EventRule]) -> Self {
        let mut texts = Vec::new();
        let mut literals: Vec<Vec<String>> = Vec::new();
        let mut every = false;
        for rule in rules {
            let in_name = literals_of(rule.name.as_str(), is_letter);
            if in_name.iter().any(|literal| literal.len() >= 3) {
                texts.push(match rule.name.literal() {
                    Some(name) => Text::Exactly(name.to_owned()),
                    None => Text::Glob(rule.name.clone()),
                });
                literals.push(in_name);
                continue;
            }
            let in_source = literals_of(&rule.source, is_plain);
            every |= !in_source.iter().any(|literal| literal.len() >= size_of::<Pair>());
            texts.push(Text::Exactly(rule.source.clone()));
            literals.push(in_source);
        }
        let needles = if every { Vec::new() } else { common_needles(&literals) };
        let digits = needles
            .iter()
            .flat_map(|needle| needle.bytes())
            .fold(0, |digits, byte| digits | 1 << (byte >> 4));
        let needles: Vec<Needle> = needles.into_iter().map(Needle::new).collect();
        let pairs = needles.iter().filter_map(Needle::pair).collect();
        let loose = texts.iter().any(Text::is_loose);
        Self { needles, pairs, digits, every, texts, loose }
    }

    /// Creates a prefilter that skips nothing.
    pub(super) fn everything() -> Self {
        let (needles, pairs, texts) = (Vec::new(), Vec::new(), Vec::new());
        Self { needles, pairs, digits: 0, every: true, texts, loose: false }
    }

    /// Returns whether no record may be skipped.
    pub(super) fn is_every(&self) -> bool {
        self.every
    }

    /// Returns the pairs, of which a record has at least one unless it is skipped or has an escape.
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Returns whether an escape can hide a character of a needle.
    pub(super) fn searches_escapes(&self) -> bool {
        self.digits != 0
    }

    /// Returns whether the pair or backslash at `at` is part of a needle or an escape, or may be
    /// one: `text` may end before it does.
    pub(super) fn may_hit(&self, text: &[u8], at: usize) -> bool {
        if text[at] == b'\\' {
            return text.len() < at + ESCAPE || self.hides(&text[at..]);
        }
        self.needles.iter().any(|needle| {
            let Some(start) = at.checked_sub(needle.pair) else { return false };
            text.get(start..start + needle.text.len())
                .is_none_or(|there| there == needle.text.as_bytes())
        })
    }

    /// Returns whether `record` must be parsed because of its pair or backslash at `at`.
    pub(super) fn hits(&self, record: &[u8], at: usize) -> bool {
        if record[at] == b'\\' {
            return self.hides(&record[at..]);
        }
        self.needles.iter().any(|needle| {
            let Some(start) = at.checked_sub(needle.pair) else { return false };
            record[start..].starts_with(needle.text.as_bytes()) && self.fits(needle, record, start)
        })
    }

    /// Returns whether `text` starts with an escape that could hide a character of a needle.
    fn hides(&self, text: &[u8]) -> bool {
        match text {
            [b'\\', b'u', b'0', b'0', digit @ b'0'..=b'7', ..] => {
                self.digits & 1 << (digit - b'0') != 0
            }
            _ => false,
        }
    }

    /// Returns whether `record` may be selected because of the needle at `at`.
    fn fits(&self, needle: &Needle, record: &[u8], at: usize) -> bool {
        let after = at + needle.text.len();
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

    /// Returns whether the text between two quotes may be the encoding of a selected text.
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

/// Bytes of an escape that decide whether it could hide a character of a needle.
const ESCAPE: usize = br"\u000".len();

impl Needle {
    fn new(text: String) -> Self {
        let rarity = |pair: &[u8]| pair.iter().map(|byte| frequency(*byte)).sum::<u32>();
        let pairs = text.as_bytes().windows(size_of::<Pair>()).enumerate();
        let pair = pairs.min_by_key(|(_, pair)| rarity(pair)).map_or(0, |(at, _)| at);
        Self { text, pair }
    }

    fn pair(&self) -> Option<Pair> {
        self.text.as_bytes().get(self.pair..)?.first_chunk().copied()
    }
}

/// Returns roughly how often a byte occurs in log files; pairs are made of rare ones.
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
            // Written in `\u00XX` only, it is six times as long.
            Self::Exactly(text) => {
                let odd = |byte: u8| matches!(byte, b'"' | b'/' | b'\\') || byte < b' ';
                text.len() * 6 >= LONGEST || text.bytes().any(odd)
            }
            Self::Glob(_) => true,
        }
    }
}

/// Returns whether a byte is part of needles from names: letters, whose escapes are rare.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// Returns whether a byte is part of needles from sources. `\u00XX` is its only escape.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
}

/// Returns the literal parts of a pattern that consist of such characters only. Everything between
/// the first and the last character of a class or an alternative is left out.
fn literals_of(pattern: &str, plain: fn(u8) -> bool) -> Vec<String> {
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

/// Returns as few needles as cover all rules: a literal that many share is searched once.
fn common_needles(rules: &[Vec<String>]) -> Vec<String> {
    let mut open: Vec<&Vec<String>> = rules.iter().collect();
    let mut needles = Vec::new();
    while let Some(longest) = open.first().and_then(|first| first.iter().max_by_key(|s| s.len())) {
        let holds = |rule: &[String], text: &str| rule.iter().any(|literal| literal.contains(text));
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
