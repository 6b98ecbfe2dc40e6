//! Exact quoting: names come from the record and may contain anything.

/// Formats `aws` and its arguments for a POSIX shell.
pub(super) fn shell(arguments: &[String]) -> String {
    let words = arguments.iter().map(|argument| word(argument));
    std::iter::once("aws".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Quotes one argument: bare if every character is harmless, else in single quotes, where only the
/// single quote itself is special. NUL cannot be in an argument and is dropped.
fn word(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\0', "").replace('\'', "'\\''"))
}

/// Formats a Python string literal. JSON's escapes are Python's too.
pub(super) fn python(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Formats a JMESPath literal: JSON between backticks, which are escaped in it.
pub(super) fn jmespath(text: &str) -> String {
    format!("`{}`", python(text).replace('`', "\\u0060"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_arguments_are_bare() {
        let line = |text: &str| shell(&[text.to_owned()]);
        assert_eq!(line("--user-name=alice"), "aws --user-name=alice");
        assert_eq!(line(""), "aws ''");
        assert_eq!(line("--user-name=$(id)"), "aws '--user-name=$(id)'");
        assert_eq!(line("it's"), r"aws 'it'\''s'");
        assert_eq!(line("~/x"), "aws '~/x'");
    }

    #[test]
    fn literals_stay_one_literal() {
        assert_eq!(python("a\"b\n\\"), r#""a\"b\n\\""#);
        assert_eq!(jmespath("a`b"), r#"`"a\u0060b"`"#);
    }
}
