//! A record's JSON with the byte span of every value. serde_json keeps neither spans nor the digits
//! of a number; redaction needs the first, evidence the second.
//!
//! The whole document is read strictly (RFC 8259) and once. Values remember whether a format has
//! used them, so that the unused ones can be listed: no leaf is lost.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

/// Deepest nesting of a record. CloudTrail's own stay below 20; hostile ones must not exhaust the
/// stack.
const MAX_DEPTH: usize = 100;

/// One value and its position.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Its bytes in the document.
    pub(crate) span: Range<usize>,
    /// The value itself.
    pub(crate) value: Value<'a>,
    used: Cell<bool>,
}

/// A JSON value.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A string, decoded. A lone surrogate reads as U+FFFD.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object, members in order, duplicates kept.
    Object(Vec<Member<'a>>),
}

/// One member of an object.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// The name, decoded.
    pub(crate) name: Cow<'a, str>,
    /// The name's bytes, quotes included.
    pub(crate) name_span: Range<usize>,
    /// The value.
    pub(crate) node: Node<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(span: Range<usize>, value: Value<'a>) -> Self {
        Self { span, value, used: Cell::new(false) }
    }

    /// Returns the members, if this is an object.
    pub(crate) fn members(&self) -> &[Member<'a>] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns the items, if this is an array.
    pub(crate) fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// Returns the member of this name. Duplicate names: the last one wins, as in most parsers.
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.members().iter().rev().find(|member| member.name == name).map(|member| &member.node)
    }

    /// Returns the value at `a.b.c`.
    pub(crate) fn at(&self, path: &str) -> Option<&Node<'a>> {
        path.split('.').try_fold(self, |node, name| node.get(name))
    }

    /// Returns the string, if this is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the non-empty string at `path`.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_text().filter(|text| !text.is_empty())
    }

    /// Returns the boolean at `path`, also in CloudTrail's frequent form `"true"`, `"false"`.
    pub(crate) fn flag(&self, path: &str) -> Option<bool> {
        match &self.at(path)?.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns [`Node::text`] and marks it as used.
    pub(crate) fn take_text(&self, path: &str) -> Option<&str> {
        let node = self.at(path)?;
        let text = node.as_text().filter(|text| !text.is_empty())?;
        node.mark_used();
        Some(text)
    }

    /// Returns [`Node::flag`] and marks it as used.
    pub(crate) fn take_flag(&self, path: &str) -> Option<bool> {
        let flag = self.flag(path)?;
        self.at(path)?.mark_used();
        Some(flag)
    }

    /// Marks this value, and everything below it, as written to the output.
    pub(crate) fn mark_used(&self) {
        self.used.set(true);
    }

    /// Returns whether a format has used it.
    pub(crate) fn is_used(&self) -> bool {
        self.used.get()
    }

    /// Returns whether it is `null`, `{}` or `[]`.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        }
    }
}

/// Parses one JSON document.
///
/// # Errors
/// The syntax error and its byte offset.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node<'_>, String> {
    parse_within(bytes, usize::MAX)
}

/// Parses one JSON document of at most `max_values` values: each takes 56 bytes of memory, a member
/// 96, and `[[1],[2],…]` has two in four bytes of text.
///
/// # Errors
/// The syntax error and its byte offset, or the limit.
pub(crate) fn parse_within(bytes: &[u8], max_values: usize) -> Result<Node<'_>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|cause| format!("not UTF-8 at byte {}", cause.valid_up_to()))?;
    let mut parser = Parser { text, bytes, at: 0, values: 0, max_values };
    let node = parser.value(0)?;
    parser.skip_space();
    if parser.at == bytes.len() { Ok(node) } else { Err(parser.error("expected the end")) }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: usize,
    max_values: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        self.skip_space();
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(&format!("expected '{}'", char::from(byte))))
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, String> {
        if depth > MAX_DEPTH {
            return Err(self.error(&format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.values += 1;
        if self.values > self.max_values {
            let max = self.max_values;
            return Err(self.error(&format!("more than {max} values ([decode] max_values)")));
        }
        self.skip_space();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(self.error("expected a value")),
        };
        Ok(Node::new(start..self.at, value))
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, String> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, String> {
        let mut members = Vec::new();
        self.list(b'}', |parser| {
            parser.skip_space();
            let start = parser.at;
            if parser.peek() != Some(b'"') {
                return Err(parser.error("expected a name"));
            }
            let name = parser.string()?;
            let name_span = start..parser.at;
            parser.expect(b':')?;
            let node = parser.value(depth + 1)?;
            members.push(Member { name, name_span, node });
            Ok(())
        })?;
        members.shrink_to_fit();
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, String> {
        let mut items = Vec::new();
        self.list(b']', |parser| {
            items.push(parser.value(depth + 1)?);
            Ok(())
        })?;
        items.shrink_to_fit();
        Ok(Value::Array(items))
    }

    /// Parses comma-separated items up to `close`.
    fn list(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => break,
                _ => return Err(self.error(&format!("expected ',' or '{}'", char::from(close)))),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'a str, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        self.at += 1;
        let start = self.at;
        let mut decoded: Option<String> = None;
        let mut plain = start;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let text = decoded.get_or_insert_default();
                    text.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    let character = self.escape()?;
                    decoded.get_or_insert_default().push(character);
                    plain = self.at;
                }
                Some(0..=0x1f) => return Err(self.error("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.error("a string without end")),
            }
        }
        let rest = &self.text[plain..self.at];
        self.at += 1;
        Ok(match decoded {
            None => Cow::Borrowed(rest),
            Some(mut text) => {
                text.push_str(rest);
                Cow::Owned(text)
            }
        })
    }

    fn escape(&mut self) -> Result<char, String> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.error("an unknown escape")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char, String> {
        let high = self.hex()?;
        if (0xd800..0xdc00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, String> {
        let code = self
            .bytes
            .get(self.at..self.at + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.error("expected four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Asserts that we and serde_json both accept or both reject `text`.
    fn agrees(text: &str) {
        let serde = serde_json::from_str::<&serde_json::value::RawValue>(text);
        match parse(text.as_bytes()) {
            Ok(_) => assert!(serde.is_ok(), "only we accept {text:?}"),
            Err(error) => assert!(serde.is_err(), "only we reject {text:?}: {error}"),
        }
    }

    fn as_serde(node: &Node<'_>) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(text) => serde_json::from_str(text).expect("a number"),
            Value::Text(text) => text.as_ref().into(),
            Value::Array(items) => items.iter().map(as_serde).collect(),
            Value::Object(members) => serde_json::Value::Object(
                members.iter().map(|m| (m.name.to_string(), as_serde(&m.node))).collect(),
            ),
        }
    }

    #[test]
    fn numbers_keep_their_digits_and_spans_are_exact() {
        let text = r#" {"a": 12345678901234567890.10, "b": ["é\n", -0e+1]} "#;
        let root = parse(text.as_bytes()).expect("valid");
        let a = root.get("a").expect("a");
        assert!(matches!(a.value, Value::Number("12345678901234567890.10")));
        assert_eq!(&text[a.span.clone()], "12345678901234567890.10");
        assert_eq!(root.get("b").expect("b").items()[0].as_text(), Some("é\n"));
    }

    #[test]
    fn the_last_duplicate_name_wins() {
        let root = parse(br#"{"a":1,"a":2}"#).expect("valid");
        assert!(matches!(root.get("a").expect("a").value, Value::Number("2")));
    }

    #[test]
    fn surrogate_pairs_decode_and_lone_ones_become_the_replacement_character() {
        let root =
            parse(br#"["\ud83d\ude00", "\ud83dx", "\ude00", "\ud83d\u0041"]"#).expect("valid");
        let texts: Vec<_> = root.items().iter().filter_map(Node::as_text).collect();
        assert_eq!(texts, ["😀", "\u{fffd}x", "\u{fffd}", "\u{fffd}A"]);
    }

    /// Invalid and unusual documents, the first of them empty.
    const TEXTS: &str = "| |{|}|[1,]|{\"a\":1,}|{\"a\"}|01|1.|.5|-|1e|tru|nul|\"\\x\"|\"\\u12\"|\"\\u+123\"|\"a\nb\"|[1 2]|1 1|{\"a\":1 \"b\":2}|\"|{1:2}|NaN|[]|{}|null|-0|0.0e-0|\"\\/\"";

    #[test]
    fn invalid_json_is_rejected_as_by_serde_json() {
        for text in TEXTS.split('|') {
            agrees(text);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(
            parse(deep(MAX_DEPTH + 2).as_bytes()).expect_err("too deep").contains("nested deeper")
        );
        assert!(parse(deep(1_000_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_or_rejected_as_by_serde_json(text in r#"[\[\]{}:,"\\u0-9eE+.\-a-c \n]{0,24}"#) {
            agrees(&text);
        }

        #[test]
        fn any_document_has_the_values_that_serde_json_reads(words in prop::collection::vec(any::<String>(), 0..8), number in any::<i64>()) {
            let value = serde_json::json!({ "words": words, "n": number, "nested": { "again": [words, null, true] } });
            let text = value.to_string();
            prop_assert_eq!(as_serde(&parse(text.as_bytes()).expect("valid")), value);
        }
    }
}
