//! What an answer of the HTTP Event Collector means. Pure: status, headers and body in, a class out.
//!
//! The codes are Splunk's (Getting Data In, "Troubleshoot HTTP Event Collector", codes 0–22), with
//! 23–28 as Splunk 9.4 and 10 answer them. Balancers and proxies answer too, often in HTML: then the HTTP status decides.

use crate::error::Code;
use std::time::Duration;

use serde::Deserialize;

/// Longest wait that a `Retry-After` may ask for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(180);
/// Most of a body that an error text quotes.
const SNIPPET: usize = 200;

/// An answer as it came over the wire.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// `Retry-After`, already a duration.
    pub(super) retry_after: Option<Duration>,
    /// Cookies that it sets, by name.
    pub(super) cookies: Vec<(String, String)>,
    /// At most the first 64 KiB.
    pub(super) body: Vec<u8>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// All events are indexed, or will be: never send them again.
    Accepted {
        /// The collector is close to its limits.
        slow_down: bool,
        /// The receipt of a token with indexer acknowledgement.
        ack_id: Option<u64>,
    },
    /// One event is bad. Those before it are indexed, it and those after it are not.
    BadEvent {
        /// 0-based, where the answer named one.
        number: Option<usize>,
        /// The receipt of those before it.
        ack_id: Option<u64>,
    },
    /// The `index` of an event is not one this token may write to.
    WrongIndex {
        /// 0-based, where the answer named one.
        number: Option<usize>,
        /// The receipt of those before it.
        ack_id: Option<u64>,
    },
    /// The request is too large as a whole.
    TooLarge,
    /// Nothing is wrong with the request: again later.
    Busy,
    /// An operator has to act. `token`: the token was refused, so read the secret again.
    Setting {
        /// It is about the token.
        token: bool,
    },
}

/// A class and what to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What to do.
    pub(super) class: Class,
    /// Stable reason.
    pub(super) reason: Option<Code>,
    /// HEC's own code, where the body was HEC's.
    pub(super) code: Option<i64>,
    /// `HTTP 400, code 6 "Invalid data format"`.
    pub(super) text: String,
}

/// The body that Splunk answers.
#[derive(Debug, Deserialize)]
struct Body {
    code: i64,
    #[serde(default)]
    text: String,
    #[serde(default, rename = "invalid-event-number")]
    invalid_event_number: Option<usize>,
    #[serde(default, rename = "ackId")]
    ack_id: Option<u64>,
}

/// Classifies an answer to a POST of events.
pub(super) fn classify(reply: &Reply) -> Verdict {
    match serde_json::from_slice::<Body>(&reply.body) {
        Ok(body) => of_code(reply.status, &body),
        Err(_) => of_status(reply),
    }
}

fn of_code(status: u16, body: &Body) -> Verdict {
    let ack_id = body.ack_id;
    let number = body.invalid_event_number;
    let ok = (200..300).contains(&status);
    let (class, reason) = match (body.code, ok) {
        (0, true) => (Class::Accepted { slow_down: false, ack_id }, None),
        (24 | 25, true) => (Class::Accepted { slow_down: true, ack_id }, None),
        (1 | 2 | 3 | 4 | 21 | 22, _) => (Class::Setting { token: true }, Some(Code::SplunkToken)),
        (5, _) => (Class::BadEvent { number: None, ack_id: None }, Some(Code::SplunkNoData)),
        (6, _) => (Class::BadEvent { number, ack_id }, Some(Code::SplunkDataFormat)),
        // Code 7 counts from one: object 1 bad reads as 2.
        (7, _) => {
            let number = number.and_then(|number| number.checked_sub(1));
            (Class::WrongIndex { number, ack_id }, Some(Code::SplunkIndex))
        }
        (12 | 13, _) => (Class::BadEvent { number, ack_id }, Some(Code::SplunkEventMissing)),
        (15, _) => (Class::BadEvent { number, ack_id }, Some(Code::SplunkIndexedFields)),
        (8, _) => (Class::Busy, Some(Code::SplunkInternal)),
        (9 | 26 | 27, _) => (Class::Busy, Some(Code::SplunkBusy)),
        (18..=20, _) => (Class::Busy, Some(Code::SplunkUnhealthy)),
        (23, _) => (Class::Busy, Some(Code::SplunkShuttingDown)),
        (10 | 11 | 28, _) => (Class::Setting { token: false }, Some(Code::SplunkChannel)),
        (14, _) => (Class::Setting { token: false }, Some(Code::SplunkAckDisabled)),
        (16, _) => (Class::Setting { token: false }, Some(Code::SplunkQueryAuth)),
        // 17 answers a health check: an endpoint that answers it to events is not one for events.
        (17, _) => (Class::Setting { token: false }, Some(Code::SplunkEndpoint)),
        _ => by_status(status),
    };
    let text = format!("HTTP {status}, code {} \"{}\"", body.code, snippet(body.text.as_bytes()));
    Verdict { class, reason, code: Some(body.code), text }
}

fn of_status(reply: &Reply) -> Verdict {
    let (class, reason) = by_status(reply.status);
    let text = format!("HTTP {}, \"{}\"", reply.status, snippet(&reply.body));
    Verdict { class, reason, code: None, text }
}

/// Without a code of HEC's own. A 2xx is no proof of anything then: some page answered.
fn by_status(status: u16) -> (Class, Option<Code>) {
    match status {
        401 | 403 => (Class::Setting { token: true }, Some(Code::SplunkToken)),
        413 => (Class::TooLarge, Some(Code::SplunkTooLarge)),
        408 | 425 | 429 => (Class::Busy, Some(Code::SplunkBusy)),
        500.. => (Class::Busy, Some(Code::SplunkUnavailable)),
        300..=399 => (Class::Setting { token: false }, Some(Code::SplunkRedirect)),
        _ => (Class::Setting { token: false }, Some(Code::SplunkEndpoint)),
    }
}

/// The start of a body, on one line, without control characters.
fn snippet(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SNIPPET)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Reads `Retry-After`: seconds, or an HTTP date against `now` in seconds since the epoch.
pub(super) fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    let seconds = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let format = &time::format_description::well_known::Rfc2822;
            let date = time::OffsetDateTime::parse(&value.replace("GMT", "+0000"), format).ok()?;
            u64::try_from(date.unix_timestamp() - now).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() }
    }

    fn of(status: u16, code: i64) -> (Class, Option<Code>) {
        let body = format!(r#"{{"text":"t","code":{code},"invalid-event-number":3}}"#);
        let verdict = classify(&reply(status, &body));
        assert_eq!(verdict.code, Some(code));
        (verdict.class, verdict.reason)
    }

    #[test]
    fn every_code_has_its_class() {
        let token = || Class::Setting { token: true };
        let setting = || Class::Setting { token: false };
        let bad = |number| Class::BadEvent { number, ack_id: None };
        let accepted = |slow_down| Class::Accepted { slow_down, ack_id: None };
        let table = [
            (200, 0, accepted(false), None),
            (403, 1, token(), Some(Code::SplunkToken)),
            (401, 2, token(), Some(Code::SplunkToken)),
            (401, 3, token(), Some(Code::SplunkToken)),
            (403, 4, token(), Some(Code::SplunkToken)),
            (400, 5, bad(None), Some(Code::SplunkNoData)),
            (400, 6, bad(Some(3)), Some(Code::SplunkDataFormat)),
            (400, 7, Class::WrongIndex { number: Some(2), ack_id: None }, Some(Code::SplunkIndex)),
            (500, 8, Class::Busy, Some(Code::SplunkInternal)),
            (503, 9, Class::Busy, Some(Code::SplunkBusy)),
            (400, 10, setting(), Some(Code::SplunkChannel)),
            (400, 11, setting(), Some(Code::SplunkChannel)),
            (400, 12, bad(Some(3)), Some(Code::SplunkEventMissing)),
            (400, 13, bad(Some(3)), Some(Code::SplunkEventMissing)),
            (400, 14, setting(), Some(Code::SplunkAckDisabled)),
            (400, 15, bad(Some(3)), Some(Code::SplunkIndexedFields)),
            (400, 16, setting(), Some(Code::SplunkQueryAuth)),
            (200, 17, setting(), Some(Code::SplunkEndpoint)),
            (503, 18, Class::Busy, Some(Code::SplunkUnhealthy)),
            (503, 19, Class::Busy, Some(Code::SplunkUnhealthy)),
            (503, 20, Class::Busy, Some(Code::SplunkUnhealthy)),
            (400, 21, token(), Some(Code::SplunkToken)),
            (400, 22, token(), Some(Code::SplunkToken)),
            (503, 23, Class::Busy, Some(Code::SplunkShuttingDown)),
            (200, 24, accepted(true), None),
            (200, 25, accepted(true), None),
            (429, 26, Class::Busy, Some(Code::SplunkBusy)),
            (429, 27, Class::Busy, Some(Code::SplunkBusy)),
            (400, 28, setting(), Some(Code::SplunkChannel)),
            (404, 404, setting(), Some(Code::SplunkEndpoint)),
            (405, 405, setting(), Some(Code::SplunkEndpoint)),
        ];
        for (status, code, class, reason) in table {
            assert_eq!(of(status, code), (class, reason), "code {code}");
        }
    }

    #[test]
    fn a_success_code_under_an_error_status_is_not_success() {
        assert_eq!(of(500, 0), (Class::Busy, Some(Code::SplunkUnavailable)));
        assert_eq!(of(404, 24).0, Class::Setting { token: false });
    }

    #[test]
    fn pages_of_balancers_are_judged_by_their_status() {
        let page = "<html>\r\n<title>no</title>";
        let class = |status| classify(&reply(status, page)).class;
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(class(status), Class::Busy, "{status}");
        }
        for status in [200, 204, 301, 303, 400, 404, 405, 415] {
            assert_eq!(class(status), Class::Setting { token: false }, "{status}");
        }
        assert_eq!(
            (class(401), class(403)),
            (Class::Setting { token: true }, Class::Setting { token: true })
        );
        assert_eq!(class(413), Class::TooLarge);
        assert_eq!(classify(&reply(303, page)).text, r#"HTTP 303, "<html>  <title>no</title>""#);
    }

    #[test]
    fn receipts_are_read_from_success_and_from_the_prefix_of_a_failure() {
        let ok = classify(&reply(200, r#"{"text":"Success","code":0,"ackId":7}"#));
        assert_eq!(ok.class, Class::Accepted { slow_down: false, ack_id: Some(7) });
        let body = r#"{"text":"x","code":13,"invalid-event-number":0,"ackId":8}"#;
        let bad = classify(&reply(400, body)).class;
        assert_eq!(bad, Class::BadEvent { number: Some(0), ack_id: Some(8) });
    }

    #[test]
    fn an_off_by_one_number_of_zero_resolves_to_nothing() {
        let verdict = classify(&reply(400, r#"{"code":7,"invalid-event-number":0}"#));
        assert_eq!(verdict.class, Class::WrongIndex { number: None, ack_id: None });
    }

    #[test]
    fn quotes_are_short() {
        let long = classify(&reply(500, &"x".repeat(10_000)));
        assert!(long.text.len() < SNIPPET + 20);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_longer_than_three_minutes() {
        let seconds = |value, now| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 7 ", 0), Some(7));
        assert_eq!(seconds("86400", 0), Some(180));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(seconds(date, 1_445_412_450), Some(30));
        assert_eq!(seconds(date, 1_445_412_999), Some(0));
        assert_eq!(seconds("soon", 0), None);
    }
}
