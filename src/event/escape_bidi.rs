//! Text from records for a terminal or a log line. A name may contain escape sequences that repaint
//! the screen, or bidirectional controls that reorder the text; both are escaped.

use std::fmt::Write;

/// Returns `text` with control, bidirectional and invisible characters escaped as `\u{…}`.
#[must_use]
pub fn escape_bidi(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        if is_invisible(c) {
            let _ = write!(escaped, "{}", c.escape_unicode());
        } else {
            escaped.push(c);
        }
        escaped
    })
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
        assert_eq!(escape_bidi("é 漢 😀 \u{202f}x"), "é 漢 😀 \u{202f}x");
        assert_eq!(escape_bidi("a\u{1b}[2Jb\nc\u{9b}d"), r"a\u{1b}[2Jb\u{a}c\u{9b}d");
        assert_eq!(escape_bidi("\u{202e}gpj.exe\u{2066}"), r"\u{202e}gpj.exe\u{2066}");
    }
}
