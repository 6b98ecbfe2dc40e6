//! Strings in values: environment variables, sizes and durations with a unit.
//!
//! `${NAME}` and `${NAME:-default}` are expanded after parsing, so that no value can change the
//! structure; `$$` is a dollar sign. A number without a unit is an error, because nobody remembers
//! whether it meant seconds or milliseconds.

use std::time::Duration;

/// Looks up an environment variable: the real one, or a test's.
pub type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Replaces every `${…}` in `text`.
///
/// # Errors
/// Names the variable that is not set, or says what is wrong with the expression; never a value.
pub(super) fn expand(text: &str, env: Lookup<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some(end) = after.find('}') else {
                return Err("`${` has no closing `}`; a dollar sign is written `$$`".to_owned());
            };
            out.push_str(&variable(&after[..end], env)?);
            rest = &after[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Returns the value of `NAME` or `NAME:-default`. As in a shell, `:-` also replaces an empty
/// value.
fn variable(expression: &str, env: Lookup<'_>) -> Result<String, String> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    if !is_variable_name(name) {
        return Err("the text between `${` and `}` is not a variable's name; \
                    write `${NAME}` or `${NAME:-default}`"
            .to_owned());
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "environment variable {name} is not set; set it, or write `${{{name}:-default}}`"
        )),
    }
}

/// Returns whether a shell can set it: letters, digits and `_`, not starting with a digit.
pub(super) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Units of a duration, in milliseconds, longest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of a size, in bytes, binary ones first.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Parses `100 s`, `500 ms`, `5 min`, `1 h`, `1 d`; the space is optional.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    scaled(text, &DURATIONS)
}

/// Parses `64 MiB`, `1 MB`, `512 B` to bytes; the space is optional.
pub(super) fn size(text: &str) -> Option<u64> {
    scaled(text, &SIZES)
}

/// Formats a duration so that [`milliseconds`] parses it.
pub(super) fn show_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    show(millis, &DURATIONS)
}

/// Formats a size so that [`size`] parses it.
pub(super) fn show_size(value: u64) -> String {
    show(value, &SIZES)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Uses the largest unit that leaves a whole number.
fn show(value: u64, units: &[(&str, u64)]) -> String {
    units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor)).map_or_else(
        || format!("0 {}", units[units.len() - 1].0),
        |(unit, factor)| format!("{} {unit}", value / factor),
    )
}

/// Longest text that every event carries: a label, a field of an account.
const MAX_PLAIN: usize = 256;

/// Returns what is wrong with a text that every event is to carry, if anything.
pub(super) fn plain_text_fault(text: &str) -> Option<&'static str> {
    if text.chars().count() > MAX_PLAIN {
        Some("must have at most 256 characters")
    } else if text.chars().any(char::is_control) {
        Some("must not have control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_alice(text: &str) -> Result<String, String> {
        expand(text, &|name| match name {
            "USER" => Some("alice".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_defaults_and_dollars_are_replaced() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${USER}", "alice"),
            ("a-${USER}-${USER}", "a-alice-alice"),
            ("${NOBODY:-bob}", "bob"),
            ("${USER:-bob}", "alice"),
            ("${EMPTY:-bob}", "bob"),
            ("${EMPTY}", ""),
            ("${NOBODY:-}", ""),
            ("$${USER} costs $5 $", "${USER} costs $5 $"),
        ] {
            assert_eq!(with_alice(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_unset_variable_is_named() {
        let text = with_alice("x${NOBODY}").unwrap_err();
        assert!(text.contains("NOBODY is not set"), "{text}");
    }

    #[test]
    fn an_invalid_expression_is_an_error_without_its_text() {
        for text in ["${USER", "${}", "${1A}", "${a-b}"] {
            let error = with_alice(text).unwrap_err();
            assert!(!error.contains("a-b") && !error.contains("1A"), "{error}");
        }
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let text = expand("${A}", &|_| Some("${B}".to_owned()));
        assert_eq!(text.as_deref(), Ok("${B}"));
    }

    #[test]
    fn a_number_and_a_unit_make_a_value() {
        assert_eq!(milliseconds("100 s"), Some(100_000));
        assert_eq!(milliseconds("500ms"), Some(500));
        assert_eq!(milliseconds("5 min"), Some(300_000));
        assert_eq!(size("64 MiB"), Some(64 << 20));
        assert_eq!(size("1 MB"), Some(1_000_000));
    }

    #[test]
    fn a_value_without_a_unit_or_beyond_64_bits_is_an_error() {
        for text in ["100", "", "s", "1.5 h", "-1 s", "1 sec", "18446744073709551615 d", "1 S"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
        assert_eq!(size("64 mib"), None);
    }

    #[test]
    fn a_value_is_formatted_as_it_is_parsed() {
        for text in ["90 s", "2 min", "1 h", "1 ms", "1 d"] {
            let value = milliseconds(text).map(Duration::from_millis);
            assert_eq!(value.map(show_duration).as_deref(), Some(text));
        }
        for text in ["64 MiB", "1 MB", "2 GiB", "7 B"] {
            assert_eq!(size(text).map(show_size).as_deref(), Some(text));
        }
    }
}
