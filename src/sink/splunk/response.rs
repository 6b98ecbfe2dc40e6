//! The meaning of a response of the HTTP Event Collector. Pure: status, headers and body in, a
//! class out.
//!
//! The codes are Splunk's (Getting Data In, "Troubleshoot HTTP Event Collector", codes 0–22), with
//! 23–28 as Splunk 9.4 and 10 return them. Load balancers and proxies respond too, often in HTML:
//! then the HTTP status decides.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::error::Code;

/// Maximum delay of a `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(180);
/// Maximum bytes of a body in an error text.
const SNIPPET: usize = 200;

/// A response as received.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// `Retry-After` as a duration.
    pub(super) retry_after: Option<Duration>,
    /// `Set-Cookie`, by name.
    pub(super) cookies: Vec<(String, String)>,
    /// At most the first 64 KiB.
    pub(super) body: Vec<u8>,
}

/// The result of an accepted request: all events are or will be indexed and must not be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The collector is close to its limits.
    pub(super) slow_down: bool,
    /// The `ackId` of a token with indexer acknowledgement.
    pub(super) ack_id: Option<u64>,
}

/// The result of a request that was not accepted as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What follows.
    pub(super) class: HecClass,
    /// Our code.
    pub(super) code: Code,
    /// HEC's own code, if the body is HEC's.
    pub(super) hec_code: Option<i64>,
    /// `HTTP 400, code 6 "Invalid data format"`.
    pub(super) text: String,
}

/// What follows from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HecClass {
    /// One event is bad. Those before it are indexed, it and those after it are not.
    BadEvent {
        /// 0-based, if the response names one.
        number: Option<usize>,
        /// The `ackId` of those before it.
        ack_id: Option<u64>,
    },
    /// The token may not write to the `index` of an event.
    WrongIndex {
        /// 0-based, if the response names one.
        number: Option<usize>,
        /// The `ackId` of those before it.
        ack_id: Option<u64>,
    },
    /// The request as a whole is too large.
    TooLarge,
    /// Nothing is wrong with the request: retry later.
    Busy,
    /// An operator has to act.
    Setting,
}

/// Reads an integer of a response: gateways that rewrite JSON return it as text.
fn integer<T: FromStr + TryFrom<u64>>(value: &Value) -> Option<T> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => T::try_from(value.as_u64()?).ok(),
    }
}

/// Classifies the response to a POST of events.
///
/// # Errors
/// Why the request was not accepted as a whole.
pub(super) fn classify(reply: &Reply) -> Result<Accepted, Failure> {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match integer(&body["code"]) {
        Some(code) => by_code(reply.status, code, &body),
        None => {
            let (class, code) = by_status(reply.status);
            let text = format!("HTTP {}, \"{}\"", reply.status, snippet(&reply.body));
            Err(Failure { class, code, hec_code: None, text })
        }
    }
}

fn by_code(status: u16, hec_code: i64, body: &Value) -> Result<Accepted, Failure> {
    let ack_id = integer(&body["ackId"]);
    let number: Option<usize> = integer(&body["invalid-event-number"]);
    let ok = (200..300).contains(&status);
    let (class, code) = match hec_code {
        0 if ok => return Ok(Accepted { slow_down: false, ack_id }),
        24 | 25 if ok => return Ok(Accepted { slow_down: true, ack_id }),
        1..=4 | 21 | 22 => (HecClass::Setting, Code::SplunkToken),
        5 => (HecClass::BadEvent { number: None, ack_id: None }, Code::SplunkNoData),
        6 => (HecClass::BadEvent { number, ack_id }, Code::SplunkDataFormat),
        // Code 7 counts from one: 2 if object 1 is bad.
        7 => {
            let number = number.and_then(|number| number.checked_sub(1));
            (HecClass::WrongIndex { number, ack_id }, Code::SplunkIndex)
        }
        12 | 13 => (HecClass::BadEvent { number, ack_id }, Code::SplunkEventMissing),
        15 => (HecClass::BadEvent { number, ack_id }, Code::SplunkIndexedFields),
        8 => (HecClass::Busy, Code::SplunkInternal),
        9 | 26 | 27 => (HecClass::Busy, Code::SplunkBusy),
        18..=20 => (HecClass::Busy, Code::SplunkUnhealthy),
        23 => (HecClass::Busy, Code::SplunkShuttingDown),
        10 | 11 | 28 => (HecClass::Setting, Code::SplunkChannel),
        14 => (HecClass::Setting, Code::SplunkAckDisabled),
        16 => (HecClass::Setting, Code::SplunkQueryAuth),
        // 17 is the response of the health endpoint: one that returns it for events does not accept
        // events.
        17 => (HecClass::Setting, Code::SplunkEndpoint),
        _ => by_status(status),
    };
    let snippet = snippet(body["text"].as_str().unwrap_or_default().as_bytes());
    let text = format!("HTTP {status}, code {hec_code} \"{snippet}\"");
    Err(Failure { class, code, hec_code: Some(hec_code), text })
}

/// Classifies a response without a code of HEC. A 2xx proves nothing then: some other page was
/// returned.
fn by_status(status: u16) -> (HecClass, Code) {
    match status {
        401 | 403 => (HecClass::Setting, Code::SplunkToken),
        413 => (HecClass::TooLarge, Code::SplunkTooLarge),
        408 | 425 | 429 => (HecClass::Busy, Code::SplunkBusy),
        500.. => (HecClass::Busy, Code::SplunkUnavailable),
        300..=399 => (HecClass::Setting, Code::SplunkRedirect),
        _ => (HecClass::Setting, Code::SplunkEndpoint),
    }
}

/// Returns the start of a body, on one line, without control characters.
fn snippet(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SNIPPET)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Parses `Retry-After`: seconds, or an HTTP date relative to `now` in seconds since the epoch.
pub(crate) fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    let seconds = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let format = &time::format_description::well_known::Rfc2822;
            let date = time::OffsetDateTime::parse(&value.replace("GMT", "+0000"), format).ok()?;
            u64::try_from(date.unix_timestamp() - now).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() }
    }

    fn of(status: u16, code: i64) -> Result<Accepted, (HecClass, Code)> {
        let body = format!(r#"{{"text":"t","code":{code},"invalid-event-number":3}}"#);
        classify(&reply(status, &body)).map_err(|failure| {
            assert_eq!(failure.hec_code, Some(code));
            (failure.class, failure.code)
        })
    }

    #[test]
    fn every_code_has_its_class() {
        let bad = |number| HecClass::BadEvent { number, ack_id: None };
        let failures = [
            (403, 1, HecClass::Setting, Code::SplunkToken),
            (401, 2, HecClass::Setting, Code::SplunkToken),
            (401, 3, HecClass::Setting, Code::SplunkToken),
            (403, 4, HecClass::Setting, Code::SplunkToken),
            (400, 5, bad(None), Code::SplunkNoData),
            (400, 6, bad(Some(3)), Code::SplunkDataFormat),
            (400, 7, HecClass::WrongIndex { number: Some(2), ack_id: None }, Code::SplunkIndex),
            (500, 8, HecClass::Busy, Code::SplunkInternal),
            (503, 9, HecClass::Busy, Code::SplunkBusy),
            (400, 10, HecClass::Setting, Code::SplunkChannel),
            (400, 11, HecClass::Setting, Code::SplunkChannel),
            (400, 12, bad(Some(3)), Code::SplunkEventMissing),
            (400, 13, bad(Some(3)), Code::SplunkEventMissing),
            (400, 14, HecClass::Setting, Code::SplunkAckDisabled),
            (400, 15, bad(Some(3)), Code::SplunkIndexedFields),
            (400, 16, HecClass::Setting, Code::SplunkQueryAuth),
            (200, 17, HecClass::Setting, Code::SplunkEndpoint),
            (503, 18, HecClass::Busy, Code::SplunkUnhealthy),
            (503, 19, HecClass::Busy, Code::SplunkUnhealthy),
            (503, 20, HecClass::Busy, Code::SplunkUnhealthy),
            (400, 21, HecClass::Setting, Code::SplunkToken),
            (400, 22, HecClass::Setting, Code::SplunkToken),
            (503, 23, HecClass::Busy, Code::SplunkShuttingDown),
            (429, 26, HecClass::Busy, Code::SplunkBusy),
            (429, 27, HecClass::Busy, Code::SplunkBusy),
            (400, 28, HecClass::Setting, Code::SplunkChannel),
            (404, 404, HecClass::Setting, Code::SplunkEndpoint),
            (405, 405, HecClass::Setting, Code::SplunkEndpoint),
        ];
        for (status, hec_code, class, code) in failures {
            assert_eq!(of(status, hec_code), Err((class, code)), "code {hec_code}");
        }
        for (hec_code, slow_down) in [(0, false), (24, true), (25, true)] {
            assert_eq!(of(200, hec_code), Ok(Accepted { slow_down, ack_id: None }));
        }
    }

    #[test]
    fn a_success_code_with_an_error_status_is_not_success() {
        assert_eq!(of(500, 0), Err((HecClass::Busy, Code::SplunkUnavailable)));
        assert_eq!(of(404, 24), Err((HecClass::Setting, Code::SplunkEndpoint)));
    }

    #[test]
    fn proxy_pages_are_classified_by_status() {
        let page = "<html>\r\n<title>no</title>";
        let failure = |status| classify(&reply(status, page)).unwrap_err();
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(failure(status).class, HecClass::Busy, "{status}");
        }
        for status in [200, 204, 301, 303, 400, 404, 405, 415] {
            assert_eq!(failure(status).class, HecClass::Setting, "{status}");
            assert_ne!(failure(status).code, Code::SplunkToken, "{status}");
        }
        for status in [401, 403] {
            let Failure { class, code, .. } = failure(status);
            assert_eq!((class, code), (HecClass::Setting, Code::SplunkToken));
        }
        assert_eq!(failure(413).class, HecClass::TooLarge);
        assert_eq!(failure(303).text, r#"HTTP 303, "<html>  <title>no</title>""#);
    }

    #[test]
    fn operator_classes_have_operator_codes() {
        let codes = (0..=28).chain([404, 405]).map(|code| of(400, code));
        for (class, code) in codes.filter_map(Result::err) {
            let operator = matches!(class, HecClass::Setting | HecClass::WrongIndex { .. });
            assert_eq!(code.needs_operator(), operator, "{class:?} {code}");
        }
    }

    #[test]
    fn ack_ids_are_read_from_success_and_from_the_prefix_of_a_failure() {
        let ok = classify(&reply(200, r#"{"text":"Success","code":0,"ackId":7}"#));
        assert_eq!(ok, Ok(Accepted { slow_down: false, ack_id: Some(7) }));
        let body = r#"{"text":"x","code":13,"invalid-event-number":0,"ackId":8}"#;
        let bad = classify(&reply(400, body)).unwrap_err().class;
        assert_eq!(bad, HecClass::BadEvent { number: Some(0), ack_id: Some(8) });
    }

    #[test]
    fn numbers_written_as_text_are_read() {
        let ok = classify(&reply(200, r#"{"text":"Success","code":"0","ackId":"7"}"#));
        assert_eq!(ok, Ok(Accepted { slow_down: false, ack_id: Some(7) }));
        for (number, expected) in [(r#"" 2 ""#, Some(1)), ("2", Some(1)), (r#""two""#, None)] {
            let body = format!(r#"{{"code":"7","invalid-event-number":{number},"ackId":"x"}}"#);
            let failure = classify(&reply(400, &body)).unwrap_err();
            assert_eq!(failure.hec_code, Some(7));
            assert_eq!(failure.class, HecClass::WrongIndex { number: expected, ack_id: None });
        }
        for body in [r#"{"code":"none"}"#, r#"{"code":null}"#, r#"{"code":-1}"#, "[]", "0"] {
            assert_eq!(classify(&reply(200, body)).unwrap_err().hec_code, None, "{body}");
        }
    }

    #[test]
    fn number_zero_of_code_7_names_no_event() {
        let body = r#"{"code":7,"invalid-event-number":0}"#;
        let class = classify(&reply(400, body)).unwrap_err().class;
        assert_eq!(class, HecClass::WrongIndex { number: None, ack_id: None });
    }

    #[test]
    fn quotes_are_short() {
        let long = classify(&reply(500, &"x".repeat(10_000))).unwrap_err();
        assert!(long.text.len() < SNIPPET + 20);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_three_minutes() {
        let seconds = |value, now| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 7 ", 0), Some(7));
        assert_eq!(seconds("86400", 0), Some(180));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(seconds(date, 1_445_412_450), Some(30));
        assert_eq!(seconds(date, 1_445_412_999), Some(0));
        assert_eq!(seconds("soon", 0), None);
    }
}
