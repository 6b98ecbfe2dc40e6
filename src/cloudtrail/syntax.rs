//! Validates the syntax of a JSON value (RFC 8259), for `strict`, which validates every record.
//!
//! With serde_json alone, `strict` is a tenth slower; it is used only to describe what is rejected
//! here. Two of three bytes are in strings, which are scanned eight bytes at a time.

/// Deepest nesting that is validated here, one bit a level; serde_json validates deeper values.
const MAX_DEPTH: u32 = u64::BITS - 1;

/// Returns whether `value` is UTF-8 and one JSON value, optionally surrounded by white space.
pub(super) fn is_valid(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok() && Syntax { text: value, at: 0 }.document().is_some()
}

/// The position in the text. Each method returns `None` if the text is invalid.
struct Syntax<'a> {
    text: &'a [u8],
    at: usize,
}

impl Syntax<'_> {
    fn document(&mut self) -> Option<()> {
        // The kind of each open bracket, the innermost in the lowest bit; 1 is a brace. Above them
        // a 1.
        let mut kinds = 1_u64;
        loop {
            match self.token()? {
                b'"' => self.string()?,
                bracket @ (b'{' | b'[') => {
                    let is_object = bracket == b'{';
                    let end = if is_object { b'}' } else { b']' };
                    if self.peek()? != end {
                        if kinds >> MAX_DEPTH != 0 {
                            return None;
                        }
                        kinds = kinds << 1 | u64::from(is_object);
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' => {
                    let first = self.next()?;
                    self.number(first)?;
                }
                first => self.number(first)?,
            }
            loop {
                if kinds == 1 {
                    return self.peek().is_none().then_some(());
                }
                match (self.token()?, kinds & 1) {
                    (b',', 0) => break,
                    (b',', _) => {
                        self.peek()?;
                        self.key()?;
                        break;
                    }
                    (b'}', 1) | (b']', 0) => kinds >>= 1,
                    _ => return None,
                }
            }
        }
    }

    /// A key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Option<()> {
        if self.next()? != b'"' {
            return None;
        }
        self.string()?;
        (self.token()? == b':').then_some(())
    }

    /// Returns the next byte that is not white space, without consuming it.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Consumes the next byte that is not white space.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(rest).then(|| self.at += rest.len())
    }

    /// A number after its first digit.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then(|| self.digits())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// A string after its first quote.
    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        loop {
            while let Some(word) = self.text.get(self.at..).and_then(<[u8]>::first_chunk) {
                let stops = stops(u64::from_le_bytes(*word));
                if stops != 0 {
                    self.at += stops.trailing_zeros() as usize / 8;
                    break;
                }
                self.at += size_of::<u64>();
            }
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..b' ' => return None,
                _ => {}
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits: &[u8; 4] = self.text.get(self.at..)?.first_chunk()?;
                self.at += digits.len();
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }
}

/// Returns a word whose lowest bit that is set is in the first byte that is a quote, a backslash or
/// a control character. Bits above it mean nothing.
#[inline(always)]
fn stops(word: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // Below a bound, the highest bit of a byte is borrowed; borrows only spoil what is above.
    let below = |word: u64, bound: u8| word.wrapping_sub(each(bound)) & !word;
    let quote = below(word ^ each(b'"'), 1);
    let backslash = below(word ^ each(b'\\'), 1);
    (quote | backslash | below(word, b' ')) & each(0x80)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::sample::select;
    use proptest::test_runner::{Config, TestRunner};
    use serde::de::IgnoredAny;

    use super::is_valid;

    fn agrees(text: &[u8]) -> bool {
        let valid =
            serde_json::from_slice::<IgnoredAny>(text).is_ok() && std::str::from_utf8(text).is_ok();
        assert_eq!(is_valid(text), valid, "{}", String::from_utf8_lossy(text));
        valid
    }

    #[test]
    fn validation_agrees_with_serde_json() {
        let pieces = concat!(
            r#"{ } [ ] , : " \ \u00e9 \u12 \n \x "a": "key": "plain_text_of_some_length" "é" "#,
            r#"1 - 0 01 1.5 1. .5 1e9 1E+ -0.1e-7 true false null nul [] {} [1,2] {"a":[{"b":null}]}"#,
        );
        let pieces: Vec<&str> = pieces.split(' ').chain([" ", "\n", "\u{1}"]).collect();
        let mut runner = TestRunner::new(Config {
            cases: 20_000,
            failure_persistence: None,
            ..Config::default()
        });
        let valid = Cell::new(0);
        runner
            .run(&(vec(select(pieces), 0..12), any::<u8>(), 0..400_usize), |(parts, byte, at)| {
                let mut text = parts.concat().into_bytes();
                valid.set(valid.get() + u32::from(agrees(&text)));
                let object = [&b"{\"a\":["[..], parts.join(",").as_bytes(), b"]}"].concat();
                valid.set(valid.get() + u32::from(agrees(&object)));
                if let Some(there) = text.get_mut(at) {
                    *there = byte;
                    agrees(&text);
                }
                Ok(())
            })
            .expect("they agree");
        assert!(valid.get() > 1000, "{valid:?}");
    }

    #[test]
    fn every_byte_in_a_string_is_judged_as_by_serde_json() {
        for (byte, at) in (0..=255_u8).flat_map(|byte| (1..20).map(move |at| (byte, at))) {
            let mut text = b"\"0123456789abcdefghijklmnop\"".to_vec();
            text[at] = byte;
            agrees(&text);
        }
    }

    #[test]
    fn values_nested_too_deep_are_left_to_serde_json() {
        for depth in [60, 62, 63, 64, 100] {
            let text = ["[".repeat(depth), "]".repeat(depth)].concat();
            assert_eq!(is_valid(text.as_bytes()), depth <= 64, "{depth}");
        }
    }
}
