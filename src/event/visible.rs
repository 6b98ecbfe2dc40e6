//! Text from records for a terminal or a log line. A name may hold escape sequences that repaint the
//! screen, or marks that reorder what is read; both are shown, never obeyed.

use std::fmt::Write;

/// `text` with control, bidirectional and invisible characters spelled out as `\u{…}`.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_hidden(c) {
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Characters that act instead of being seen. Source: Unicode Standard Annex 9 (bidirectional
/// controls), general categories Cc and Zl/Zp, and the zero-width characters of Cf.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{ad}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_spelled_out_and_what_is_seen_stays() {
        assert_eq!(visible("é 漢 😀 \u{202f}x"), "é 漢 😀 \u{202f}x");
        assert_eq!(visible("a\u{1b}[2Jb\nc\u{9b}d"), r"a\u{1b}[2Jb\u{a}c\u{9b}d");
        assert_eq!(visible("\u{202e}gpj.exe\u{2066}"), r"\u{202e}gpj.exe\u{2066}");
    }
}
