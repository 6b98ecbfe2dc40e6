//! The times that CloudTrail writes: RFC 3339 and other forms of ISO 8601, seconds and milliseconds
//! since 1970, `Mon Nov 30 09:15:00 UTC 2026`, and the dates of IAM's `responseElements`. Those are
//! in Java's localised style and changed in 2026: `Mar 2, 2021 9:18:24 PM`, then
//! `Feb 22, 2026, 4:11:47<U+202F>PM`.

use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use super::json::{Node, Value};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses an RFC 3339 time; returns it in UTC. `None` if it is invalid, or beyond the year 9999 in
/// UTC: a hostile record may have the last hour of 9999 with an offset.
pub(crate) fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

/// Returns the time of a string or a number.
pub(crate) fn of(node: &Node<'_>) -> Option<OffsetDateTime> {
    match &node.value {
        Value::Text(text) => parse(text),
        Value::Number(text) => since_1970(text),
        _ => None,
    }
}

/// Parses every form; `None` for anything else. A time without an offset is in UTC.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    instant(text)
        .or_else(|| iso_8601(text))
        .or_else(|| since_1970(text))
        .or_else(|| in_words(text))
        .filter(|time| (0..=9999).contains(&time.year()))
}

fn iso_8601(text: &str) -> Option<OffsetDateTime> {
    if let Some((day, rest)) = text.split_once("T24:00:00") {
        return instant(&format!("{day}T00:00:00{rest}"))?.checked_add(Duration::DAY);
    }
    let text = text.trim().replacen(' ', "T", 1);
    let local =
        || PrimitiveDateTime::parse(&text, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc);
    let time = OffsetDateTime::parse(&text, &Iso8601::PARSING).or_else(|_| local()).ok()?;
    time.checked_to_offset(UtcOffset::UTC)
}

/// Parses the ten digits of seconds since 1970, or the thirteen of milliseconds.
fn since_1970(text: &str) -> Option<OffsetDateTime> {
    let number: i64 =
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    let milliseconds = match text.len() {
        10 => number.checked_mul(1_000)?,
        13 => number,
        _ => return None,
    };
    OffsetDateTime::UNIX_EPOCH.checked_add(Duration::milliseconds(milliseconds))
}

/// Parses Java's styles: `Feb 22, 2026, 4:11:47 PM` and `Mon Nov 30 09:15:00 UTC 2026`.
fn in_words(text: &str) -> Option<OffsetDateTime> {
    let words: Vec<&str> = text
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    let (month, day, year, clock, half) = match words[..] {
        [month, day, year, clock, half @ ("AM" | "PM")] => (month, day, year, clock, Some(half)),
        [_, month, day, clock, "UTC" | "GMT", year] => (month, day, year, clock, None),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let hour = match (hour, half) {
        (_, None) => hour,
        (12, Some("AM")) => 0,
        (12, _) | (1..12, Some("AM")) => hour,
        (1..12, _) => hour + 12,
        _ => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
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
    fn every_form_is_parsed() {
        for (text, expected) in [
            ("Mar 2, 2021 9:18:24 PM", "2021-03-02T21:18:24Z"),
            ("Feb 22, 2026, 4:11:47\u{202f}PM", "2026-02-22T16:11:47Z"),
            ("Feb 22, 2026, 12:00:00\u{202f}AM", "2026-02-22T00:00:00Z"),
            ("Feb 22, 2026, 12:00:01\u{202f}PM", "2026-02-22T12:00:01Z"),
            ("2026-02-22T16:11:47Z", "2026-02-22T16:11:47Z"),
            ("2026-02-22T17:11:47+01:00", "2026-02-22T16:11:47Z"),
            ("2026-02-22 17:11:47+01:00", "2026-02-22T16:11:47Z"),
            ("2026-02-22T16:11", "2026-02-22T16:11:00Z"),
            ("20260222T161147Z", "2026-02-22T16:11:47Z"),
            ("2026-02-28T24:00:00Z", "2026-03-01T00:00:00Z"),
            ("Sun Feb 22 16:11:47 UTC 2026", "2026-02-22T16:11:47Z"),
            ("Sun Feb 22 00:11:47 GMT 2026", "2026-02-22T00:11:47Z"),
            ("1771776707", "2026-02-22T16:11:47Z"),
            ("1771776707123", "2026-02-22T16:11:47.123Z"),
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
            "17717767",
            "17717767071",
            "-177177670",
            "1771776707.5",
            "2026-02-22",
            "Sun Feb 22 24:11:47 UTC 2026",
            "Sun Feb 22 16:11:47 CET 2026",
            "9999-12-31T23:59:59-01:00",
            "9999-12-31 23:59:59-01:00",
            "9999-12-31T24:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
