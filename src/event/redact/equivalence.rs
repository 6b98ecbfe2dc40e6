//! The search's shortcuts redact exactly what a search without them redacts. Records are random,
//! made of what the search looks for, in any case, escape and spacing, under duplicate names.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use time::OffsetDateTime;

use super::super::json::parse;
use super::super::{Arrival, Channel, Event};
use super::*;
use crate::cloudtrail::{Origin, Record};
use crate::config::{EventOptions, OutputFormat};
use crate::format::render;

/// Pieces of random names and texts, separated by `|`.
const PIECES: &str = concat!(
    "private|\\u0070rivate|\\\\u0070riv|Key|privateKey|Priv_ate-Key|priv.ate key|",
    "PRIVATEKEY|Private_Key|private-key|priv|ate|vate|key|name|TagKey|value|valueOf|",
    "certificateBody|Certificate_Chain|x509CertificateData|Arn|id|type|-----BEGIN|",
    "-----END|-----| PRIVATE KEY| CERTIFICATE-----|MIIB|' at '|:|=|\"|\\|'| |_|-|\n|",
    "\u{212a}ey|\u{130}|é|[redacted private key]",
);

/// The start of a valid record; random values follow.
const HEAD: &str = r#"{"eventName":"UploadServerCertificate","eventSource":"iam.amazonaws.com","requestParameters":"#;

fn text() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(PIECES.split('|').collect::<Vec<_>>()), 0..3_u8).prop_map(
        |(piece, case)| match case {
            0 => piece.to_owned(),
            1 => piece.to_uppercase(),
            _ => piece.to_lowercase(),
        },
    );
    prop_oneof![
        8 => prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat()),
        1 => Just(format!("[redacted certificate: sha256 {}, 12 characters]", "0a".repeat(32))),
    ]
}

/// Returns `text` as a JSON string, with some characters escaped that need not be.
pub(super) fn json_string(text: &str, escapes: u64) -> String {
    let character = |(at, character): (usize, char)| {
        let escaped = escapes >> (at % 64) & 1 == 1 && escapes >> 63 == 1;
        match character {
            '"' if !escaped => "\\\"".to_owned(),
            '\\' if !escaped => "\\\\".to_owned(),
            '\n' if !escaped => "\\n".to_owned(),
            character if escaped => {
                let mut units = [0; 2];
                character
                    .encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04X}"))
                    .collect()
            }
            character => character.to_string(),
        }
    };
    format!("\"{}\"", text.chars().enumerate().map(character).collect::<String>())
}

fn string() -> impl Strategy<Value = String> {
    (text(), any::<u64>()).prop_map(|(text, escapes)| json_string(&text, escapes))
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

/// Records with up to twenty times as many redactions as an event stores.
fn records() -> impl Strategy<Value = String> {
    prop::collection::vec(value(), 1..8)
        .prop_map(|values| format!("{HEAD}[{}]}}", values.join(", ")))
}

fn event(record: &str, keep_pem: bool) -> Event {
    let origin = Origin::Message { message_id: "m".to_owned() };
    let seen = OffsetDateTime::UNIX_EPOCH;
    let arrival = Arrival { origin, channel: Channel::EventBridge, seen, delivered: None };
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
    fn the_search_finds_what_the_reference_finds(record in records()) {
        let root = parse(record.as_bytes()).expect("valid");
        let found = find(&root, record.as_bytes());
        let expected = reference::find(&root, record.as_bytes());
        prop_assert_eq!(found.len(), expected.len(), "{}", record);
        for (found, (expected, text)) in found.iter().zip(&expected) {
            prop_assert_eq!(found, expected, "{}", record);
            // A text with a private key may have certificates' facts, but nothing else.
            let again = found
                .certificate(record.as_bytes())
                .filter(|_| found.reason == Reason::Certificate);
            prop_assert_eq!(again.as_deref(), text.as_deref());
        }
    }

    #[test]
    fn stored_redactions_render_like_a_new_search(record in records(), keep_pem in any::<bool>()) {
        let kept = event(&record, keep_pem);
        let root = parse(record.as_bytes()).expect("valid");
        let redactions = reference::find(&root, record.as_bytes());
        let redactions: Vec<Redaction> = redactions.into_iter().map(|(redaction, _)| redaction).collect();
        let expected = apply(record.as_bytes(), &redactions, keep_pem).into_owned();
        prop_assert_eq!(rendered(&kept, OutputFormat::Raw).into_bytes(), expected);
        let mut again = kept.clone();
        again.redactions = Redactions::TooMany;
        for format in [OutputFormat::Raw, OutputFormat::Cim, OutputFormat::Ecs, OutputFormat::Ocsf] {
            prop_assert_eq!(rendered(&kept, format), rendered(&again, format), "{}", record);
        }
    }
}

#[test]
fn random_records_have_redactions_and_some_more_than_are_stored() {
    let records = records();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut nothing, mut some, mut many, mut keys) = (0, 0, 0, 0);
    for _ in 0..400 {
        let record = records.new_tree(&mut runner).expect("a record").current();
        let event = event(&record, false);
        let found = event.redactions.of(record.as_bytes());
        keys += found.iter().filter(|one| one.reason == Reason::PrivateKey).count();
        match &event.redactions {
            Redactions::All(all) if all.is_empty() => nothing += 1,
            Redactions::All(_) => some += 1,
            Redactions::TooMany => many += 1,
        }
    }
    assert!(nothing > 20 && some > 100 && many > 5, "{nothing} {some} {many}");
    assert!(keys > 200, "{keys}");
}

#[test]
fn no_other_character_becomes_one_that_the_cheap_check_looks_for() {
    for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let becomes = character.to_lowercase().any(|lower| matches!(lower, 'v' | 'a'));
        assert_eq!(becomes, matches!(character, 'v' | 'V' | 'a' | 'A'), "{character:?}");
    }
}

mod reference {
    //! The search in its plainest form: every name and every text is examined in full, every path
    //! is formatted. Only the shortcuts differ.

    use std::ops::Range;

    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};

    use super::super::super::json::{Node, Value};
    use super::super::patterns::{in_any_layer, is_placeholder, quotes_private_key};
    use super::super::{Reason, Redaction};

    const MAX_PATH: usize = 256;

    /// Names of members whose value is a certificate or a chain of them, in lower case.
    const CERTIFICATE_NAMES: [&str; 3] =
        ["certificatebody", "certificatechain", "x509certificatedata"];

    /// Returns every redaction, with the text of a certificate.
    pub(super) fn find(root: &Node<'_>, bytes: &[u8]) -> Vec<(Redaction, Option<String>)> {
        let mut found = Vec::new();
        Reference { bytes, found: &mut found }.visit(root, &mut String::new());
        found
    }

    struct Reference<'w> {
        bytes: &'w [u8],
        found: &'w mut Vec<(Redaction, Option<String>)>,
    }

    impl Reference<'_> {
        fn visit(&mut self, node: &Node<'_>, path: &mut String) {
            match &node.value {
                Value::Text(text) => {
                    if let Some(reason) = reason_to_redact(text) {
                        self.redact(path, node.span.clone(), reason, text);
                    }
                }
                Value::Array(items) => {
                    let (mut index, mut last) = (0, 0);
                    while let Some(item) = items.get(index) {
                        while last + 1 < items.len()
                            && in_key(&items[index..=last], &items[last + 1..])
                        {
                            last += 1;
                        }
                        self.below(path, &index.to_string(), |walk, path| match begins_key(item) {
                            true => walk.lines(path, item.span.start..items[last].span.end),
                            false => walk.visit(item, path),
                        });
                        last += 1;
                        index = last;
                    }
                }
                Value::Object(members) => {
                    let labelled = is_labelled_private_key(node);
                    for member in members {
                        self.below(path, &member.name, |walk, path| {
                            if let Some(reason) = reason_to_redact(&member.name) {
                                "(name)".clone_into(path);
                                walk.redact(path, member.name_span.clone(), reason, &member.name);
                            }
                            walk.member(&member.name, labelled, &member.node, path);
                        });
                    }
                }
                _ => {}
            }
        }

        fn lines(&mut self, path: &str, span: Range<usize>) {
            let text = String::from_utf8_lossy(&self.bytes[span.clone()]).into_owned();
            self.redact(path, span, Reason::PrivateKey, &text);
        }

        fn member(&mut self, name: &str, labelled: bool, node: &Node<'_>, path: &mut String) {
            let name = squash(name);
            if node.is_empty() || node.as_text().is_some_and(is_placeholder) {
                return;
            }
            let raw = || String::from_utf8_lossy(&self.bytes[node.span.clone()]).into_owned();
            let text = || node.as_text().map_or_else(raw, str::to_owned);
            if names_private_key(&name) || (labelled && name.starts_with("value")) {
                let text = text();
                self.redact(path, node.span.clone(), Reason::PrivateKey, &text);
            } else if CERTIFICATE_NAMES.contains(&name.as_str()) {
                let text = text();
                let reason = reason_to_redact(&text).unwrap_or(Reason::Certificate);
                self.redact(path, node.span.clone(), reason, &text);
            } else {
                self.visit(node, path);
            }
        }

        fn below(
            &mut self,
            path: &mut String,
            name: &str,
            then: impl FnOnce(&mut Self, &mut String),
        ) {
            let before = path.clone();
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
            if path.len() > MAX_PATH {
                path.truncate(path.floor_char_boundary(MAX_PATH));
                path.push('…');
            }
            then(self, path);
            *path = before;
        }

        fn redact(&mut self, path: &str, span: Range<usize>, reason: Reason, text: &str) {
            let shown = (reason == Reason::Certificate).then_some(text);
            let redaction = Redaction {
                path: path.to_owned(),
                span,
                reason,
                sha256: shown.map(|text| HEXLOWER.encode(&Sha256::digest(text.as_bytes()))),
                characters: text.chars().count(),
            };
            self.found.push((redaction, shown.map(str::to_owned)));
        }
    }

    /// Returns whether this is a text that begins a private key and does not end it.
    fn begins_key(item: &Node<'_>) -> bool {
        let begins = |text: &str| match text.rsplit_once("-----BEGIN") {
            Some((_, rest)) => rest.contains("PRIVATE KEY") && !rest.contains("-----END"),
            None => false,
        };
        item.as_text().is_some_and(|text| in_any_layer(text, begins))
    }

    /// Returns whether a key that the first of these lines begins continues below them.
    fn in_key(lines: &[Node<'_>], below: &[Node<'_>]) -> bool {
        let ends = |line: &Node<'_>| {
            line.as_text().is_some_and(|text| in_any_layer(text, |text| text.contains("-----END")))
        };
        begins_key(&lines[0])
            && !lines[1..].iter().any(ends)
            && below.iter().any(|item| item.as_text().is_some())
    }

    /// Returns a name in lower case without separators.
    fn squash(name: &str) -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    }

    /// Returns whether a member of this (squashed) name contains a private key, and not its ARN or
    /// type.
    fn names_private_key(name: &str) -> bool {
        name.contains("privatekey")
            && !["arn", "id", "name", "type"].iter().any(|suffix| name.ends_with(suffix))
    }

    /// Returns whether this is `{"key": "privateKey", "value": …}`.
    fn is_labelled_private_key(node: &Node<'_>) -> bool {
        node.members().iter().any(|member| {
            matches!(squash(&member.name).as_str(), "key" | "name" | "tagkey")
                && member.node.as_text().is_some_and(|text| names_private_key(&squash(text)))
        })
    }

    /// Returns why a text must be redacted: PEM anywhere in it, or `privateKey` followed by a
    /// value; in any layer of JSON with letters written as `\u00XX`.
    fn reason_to_redact(text: &str) -> Option<Reason> {
        let reason = |text: &str| {
            let pem = text.contains("-----BEGIN") || text.contains("-----END");
            let key = quotes_private_key(text);
            let certificate = pem && !text.contains("PRIVATE KEY") && !key;
            let found = if certificate { Reason::Certificate } else { Reason::PrivateKey };
            (pem || key).then_some(found)
        };
        if !text.contains("\\u") {
            return reason(text);
        }
        let has = |reason_| in_any_layer(text, |layer| reason(layer) == Some(reason_));
        [Reason::PrivateKey, Reason::Certificate].into_iter().find(|reason| has(*reason))
    }
}
