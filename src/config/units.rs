//! Sizes and durations as text with a unit: `"64 MiB"`, `"100 s"`. A bare number is refused, because
//! nobody remembers whether it meant seconds or milliseconds.

use std::time::Duration;

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

/// Reads `100 s`, `500 ms`, `5 min`, `1 h`, `1 d`; the space may be left out.
pub(super) fn duration(text: &str) -> Option<Duration> {
    scaled(text, &DURATIONS).map(Duration::from_millis)
}

/// Reads `64 MiB`, `1 MB`, `512 B`; the space may be left out.
pub(super) fn size(text: &str) -> Option<u64> {
    scaled(text, &SIZES)
}

/// Longest text that stands in every event: a label, a part of an account.
const MAX_PLAIN: usize = 256;

/// What is wrong with a text that is to stand in every event, if anything.
pub(super) fn plain_text_fault(text: &str) -> Option<&'static str> {
    if text.chars().count() > MAX_PLAIN {
        Some("must have at most 256 characters")
    } else if text.chars().any(char::is_control) {
        Some("must not have control characters")
    } else {
        None
    }
}

/// Writes a duration as [`duration`] reads it.
pub(super) fn show_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    show(millis, &DURATIONS)
}

/// Writes a size as [`size`] reads it.
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

/// The largest unit that leaves a whole number.
fn show(value: u64, units: &[(&str, u64)]) -> String {
    units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor)).map_or_else(
        || format!("0 {}", units[units.len() - 1].0),
        |(unit, factor)| format!("{} {unit}", value / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_value() {
        assert_eq!(duration("100 s"), Some(Duration::from_secs(100)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("5 min"), Some(Duration::from_secs(300)));
        assert_eq!(size("64 MiB"), Some(64 << 20));
        assert_eq!(size("1 MB"), Some(1_000_000));
    }

    #[test]
    fn what_has_no_unit_or_overflows_is_refused() {
        for text in ["100", "", "s", "1.5 h", "-1 s", "1 sec", "18446744073709551615 d", "1 S"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(size("64 mib"), None);
    }

    #[test]
    fn a_value_is_written_as_it_is_read() {
        for text in ["90 s", "2 min", "1 h", "1 ms", "1 d"] {
            assert_eq!(duration(text).map(show_duration).as_deref(), Some(text));
        }
        for text in ["64 MiB", "1 MB", "2 GiB", "7 B"] {
            assert_eq!(size(text).map(show_size).as_deref(), Some(text));
        }
    }
}
