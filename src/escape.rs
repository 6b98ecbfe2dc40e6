//! Text from outside (records, keys, responses, file names) for a terminal or a log. It may contain
//! escape sequences that repaint the screen, line ends that forge a line, or bidirectional controls
//! that reorder the text.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns `text` with control, bidirectional and invisible characters escaped as `\u{…}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    replace(text, |escaped, c| {
        let _ = write!(escaped, "{}", c.escape_unicode());
    })
}

/// Returns the same JSON value with those characters escaped as `\uXXXX`. Between tokens, the only
/// place where sound JSON has them, they are white space.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    replace(json, |escaped, c| match c {
        '\n' | '\r' | '\t' => escaped.push(' '),
        // JSON escapes characters beyond 16 bits as two units.
        c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
            let _ = write!(escaped, "\\u{unit:04x}");
        }),
    })
}

fn replace(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        if is_invisible(c) {
            write(&mut escaped, c);
        } else {
            escaped.push(c);
        }
        escaped
    });
    Cow::Owned(escaped)
}

/// Returns whether a character controls the output instead of being visible. Source: Unicode
/// Standard Annex 9 (bidirectional controls), general categories Cc and Zl/Zp, and the zero-width
/// characters of Cf.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{ad}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped_and_visible_ones_are_not() {
        assert_eq!(escape("é 漢 😀 \u{202f}x"), "é 漢 😀 \u{202f}x");
        assert_eq!(escape("a\u{1b}[2Jb\nc\u{9b}d"), r"a\u{1b}[2Jb\u{a}c\u{9b}d");
        assert_eq!(escape("\u{202e}gpj.exe\u{2066}"), r"\u{202e}gpj.exe\u{2066}");
    }

    #[test]
    fn escaped_json_is_the_same_value_without_control_characters() {
        let payload = "{\"name\":\"a\u{202e}b\u{7f}\u{9b}\u{e0041}é\",\n\t\"n\": 1}";
        let text = escape_json(payload);
        assert_eq!(text, r#"{"name":"a\u202eb\u007f\u009b\udb40\udc41é",  "n": 1}"#);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&text), value(payload));
    }
}
