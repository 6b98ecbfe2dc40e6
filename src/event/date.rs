//! RFC 3339 times, and the dates that IAM writes into `responseElements`. Those are in Java's
//! localised style, not ISO 8601, and changed in 2026: `Mar 2, 2021 9:18:24 PM`, then
//! `Feb 22, 2026, 4:11:47<U+202F>PM`.

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses an RFC 3339 time; returns it in UTC. `None` if it is invalid, or beyond the year 9999 in
/// UTC: a hostile record may have the last hour of 9999 with an offset.
pub(crate) fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

/// Parses both styles and RFC 3339; `None` for anything else. IAM's dates are in UTC.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    if let Some(time) = instant(text) {
        return Some(time);
    }
    let mut words =
        text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let day = words.next()?.parse().ok()?;
    let year = words.next()?.parse().ok()?;
    let clock = words.next()?;
    let afternoon = match words.next()? {
        "AM" => false,
        "PM" => true,
        _ => return None,
    };
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let hour = match (hour, afternoon) {
        (12, false) => 0,
        (12, true) => 12,
        (1..12, afternoon) => hour + if afternoon { 12 } else { 0 },
        _ => return None,
    };
    if words.next().is_some() || parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    Some(date.with_time(Time::from_hms(hour, minute, second).ok()?).assume_utc())
}

/// Formats a time as RFC 3339 in UTC.
pub(crate) fn rfc3339(time: OffsetDateTime) -> Option<String> {
    time.checked_to_offset(UtcOffset::UTC)?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_and_rfc_3339_are_parsed() {
        for (text, expected) in [
            ("Mar 2, 2021 9:18:24 PM", "2021-03-02T21:18:24Z"),
            ("Feb 22, 2026, 4:11:47\u{202f}PM", "2026-02-22T16:11:47Z"),
            ("Feb 22, 2026, 12:00:00\u{202f}AM", "2026-02-22T00:00:00Z"),
            ("Feb 22, 2026, 12:00:01\u{202f}PM", "2026-02-22T12:00:01Z"),
            ("2026-02-22T16:11:47Z", "2026-02-22T16:11:47Z"),
            ("2026-02-22T17:11:47+01:00", "2026-02-22T16:11:47Z"),
        ] {
            assert_eq!(parse(text).and_then(rfc3339).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_rejected() {
        for text in [
            "",
            "Feb 30, 2026, 4:11:47 PM",
            "Feb 22, 2026, 13:11:47 PM",
            "Feb 22, 2026, 0:11:47 AM",
            "Feb 22, 2026",
            "22 février 2026 à 16:11:47",
            "Feb 22, 2026, 4:11:47 PM UTC",
            "1771776707",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
