//! The short cuts hide what looking at everything hides: nothing more, nothing less. Records are random, and made of
//! what the search looks for, in any case, escape and spacing, under names that are there twice.

mod plain;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use time::OffsetDateTime;

use super::super::json::parse;
use super::super::{Arrival, Channel, Event, render};
use super::*;
use crate::cloudtrail::{Origin, Record};
use crate::config::{EventOptions, OutputFormat};

/// What names and texts are put together from.
const PIECES: [&str; 44] = [
    "private",
    "\\u0070rivate",
    "\\\\u0070riv",
    "Key",
    "privateKey",
    "Priv_ate-Key",
    "priv.ate key",
    "PRIVATEKEY",
    "Private_Key",
    "private-key",
    "priv",
    "ate",
    "vate",
    "key",
    "name",
    "TagKey",
    "value",
    "valueOf",
    "certificateBody",
    "Certificate_Chain",
    "x509CertificateData",
    "Arn",
    "id",
    "type",
    "-----BEGIN",
    "-----END",
    "-----",
    " PRIVATE KEY",
    " CERTIFICATE-----",
    "MIIB",
    "' at '",
    ":",
    "=",
    "\"",
    "\\",
    "'",
    " ",
    "_",
    "-",
    "\n",
    "\u{212a}ey",
    "\u{130}",
    "é",
    "[redacted private key]",
];

/// A record that can be read, around what is to be found.
const HEAD: &str = r#"{"eventName":"UploadServerCertificate","eventSource":"iam.amazonaws.com","requestParameters":"#;

fn text() -> impl Strategy<Value = String> {
    let piece =
        (prop::sample::select(PIECES.to_vec()), 0..3_u8).prop_map(|(piece, case)| match case {
            0 => piece.to_owned(),
            1 => piece.to_uppercase(),
            _ => piece.to_lowercase(),
        });
    prop_oneof![
        8 => prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat()),
        1 => Just(format!("[redacted certificate: sha256 {}, 12 characters]", "0a".repeat(32))),
    ]
}

/// `text` as JSON, with some characters escaped that need not be.
pub(super) fn written(text: &str, escapes: u64) -> String {
    let letter = |(at, letter): (usize, char)| {
        let escaped = escapes >> (at % 64) & 1 == 1 && escapes >> 63 == 1;
        match letter {
            '"' if !escaped => "\\\"".to_owned(),
            '\\' if !escaped => "\\\\".to_owned(),
            '\n' if !escaped => "\\n".to_owned(),
            letter if escaped => {
                let mut units = [0; 2];
                letter
                    .encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04X}"))
                    .collect()
            }
            letter => letter.to_string(),
        }
    };
    format!("\"{}\"", text.chars().enumerate().map(letter).collect::<String>())
}

fn string() -> impl Strategy<Value = String> {
    (text(), any::<u64>()).prop_map(|(text, escapes)| written(&text, escapes))
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n\t", "\r\n  "])
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => string(),
        1 => prop::sample::select(vec!["null", "true", "1.50", "{}", "[ ]"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let item = (space(), inner.clone()).prop_map(|(space, item)| format!("{space}{item}{space}"));
        let member = (string(), space(), inner)
            .prop_map(|(name, space, value)| format!("{space}{name}{space}:{space}{value}"));
        prop_oneof![
            1 => prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            3 => prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Records, with up to twenty times as much to hide as an event keeps.
fn records() -> impl Strategy<Value = String> {
    prop::collection::vec(value(), 1..8)
        .prop_map(|values| format!("{HEAD}[{}]}}", values.join(", ")))
}

fn event(record: &str, keep_pem: bool) -> Event {
    let origin = Origin::Inline { message_id: "m".to_owned() };
    let seen = OffsetDateTime::UNIX_EPOCH;
    let arrival = Arrival { origin, lane: Channel::EventBridge, seen, delivered: None };
    let record = Record { bytes: Bytes::from(record.to_owned()), index: 0, offset: 0 };
    let options = Arc::new(EventOptions { keep_pem, ..EventOptions::default() });
    Event::read_with(record, arrival, &options).expect("a record")
}

fn rendered(event: &Event, format: OutputFormat) -> String {
    let mut out = Vec::new();
    render(event, format, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_search_finds_what_looking_at_every_text_in_full_finds(record in records()) {
        let root = parse(record.as_bytes()).expect("valid");
        let found = find(&root, record.as_bytes());
        let expected = plain::find(&root, record.as_bytes());
        prop_assert_eq!(found.len(), expected.len(), "{}", record);
        for (found, (expected, text)) in found.iter().zip(&expected) {
            prop_assert_eq!(found, expected, "{}", record);
            let again = found.certificate(record.as_bytes());
            prop_assert_eq!(again.as_deref(), text.as_deref());
        }
    }

    #[test]
    fn an_event_renders_as_if_its_record_were_searched_again(record in records(), keep_pem in any::<bool>()) {
        let kept = event(&record, keep_pem);
        let root = parse(record.as_bytes()).expect("valid");
        let redactions = plain::find(&root, record.as_bytes());
        let redactions: Vec<Redaction> = redactions.into_iter().map(|(redaction, _)| redaction).collect();
        let expected = apply(record.as_bytes(), &redactions, keep_pem).into_owned();
        prop_assert_eq!(rendered(&kept, OutputFormat::Raw).into_bytes(), expected);
        let again = Event { redactions: Kept::TooMany, ..kept.clone() };
        for format in [OutputFormat::Raw, OutputFormat::Cim, OutputFormat::Ecs, OutputFormat::Ocsf] {
            prop_assert_eq!(rendered(&kept, format), rendered(&again, format), "{}", record);
        }
    }
}

#[test]
fn the_random_records_hide_things_and_some_hide_more_than_is_kept() {
    let records = records();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut nothing, mut some, mut many, mut keys) = (0, 0, 0, 0);
    for _ in 0..400 {
        let record = records.new_tree(&mut runner).expect("a record").current();
        let event = event(&record, false);
        let found = event.redactions.of(record.as_bytes());
        keys += found.iter().filter(|one| one.reason == Reason::PrivateKey).count();
        match &event.redactions {
            Kept::All(all) if all.is_empty() => nothing += 1,
            Kept::All(_) => some += 1,
            Kept::TooMany => many += 1,
        }
    }
    assert!(nothing > 20 && some > 100 && many > 5, "{nothing} {some} {many}");
    assert!(keys > 200, "{keys}");
}

#[test]
fn no_other_letter_becomes_one_that_the_quick_look_is_for() {
    for letter in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let becomes = letter.to_lowercase().any(|lower| matches!(lower, 'v' | 'a'));
        assert_eq!(becomes, matches!(letter, 'v' | 'V' | 'a' | 'A'), "{letter:?}");
    }
}
