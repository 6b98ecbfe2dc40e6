//! Properties of any JSON object.

use certrelay::config::{EventOptions, OcsfVersion, OutputFormat};
use certrelay::event::{Event, explain};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::event_fixtures::{FORMATS, OPERATIONS, PEM, read_with, rendered};

/// Names that the code reads, so that unusual values reach it.
const NAMES: [&str; 28] = [
    "userIdentity",
    "type",
    "arn",
    "principalId",
    "accountId",
    "userName",
    "accessKeyId",
    "sessionContext",
    "attributes",
    "mfaAuthenticated",
    "creationDate",
    "sessionIssuer",
    "eventTime",
    "eventID",
    "requestParameters",
    "responseElements",
    "certificateBody",
    "certificateChain",
    "privateKey",
    "tags",
    "key",
    "value",
    "errorCode",
    "errorMessage",
    "resources",
    "sourceIPAddress",
    "tlsDetails",
    "certificate",
];

const TEXTS: [&str; 12] = [
    "Root",
    "IAMUser",
    "AssumedRole",
    "2026-02-22T16:11:47Z",
    "203.0.113.9",
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:sts::111122223333:assumed-role/r/s",
    "AccessDenied",
    "x on resource: user bob because y",
    PEM,
    "true",
    "",
];

const SECRET: &str = "s3cretBytes";

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS.to_vec()).prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Records with random values and a private key.
fn records() -> impl Strategy<Value = Value> {
    let operations = prop::sample::select(OPERATIONS.to_vec());
    let key = prop::sample::select(vec!["privateKey", "PRIVATEKEY", "Private_Key", "private-key"]);
    (operations, prop::collection::vec((name(), value()), 0..10), key, value()).prop_map(|(operation, members, key, holder)| {
        let mut record: Map<String, Value> = members.into_iter().collect();
        record.insert("eventName".to_owned(), operation.into());
        record.insert("eventSource".to_owned(), "iam.amazonaws.com".into());
        record.insert("eventID".to_owned(), "11111111-2222-3333-4444-555555555555".into());
        let secret = json!({ key: { "deep": [SECRET, holder] }, "text": format!("{{\"{key}\": \"{SECRET}\"}}") });
        record.insert("additionalEventData".to_owned(), secret);
        Value::Object(record)
    })
}

fn read(text: &str, options: EventOptions) -> Event {
    read_with(text, options).expect("a record")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_object_becomes_bounded_valid_json_that_leaks_nothing(record in records(), old in any::<bool>()) {
        let text = record.to_string();
        let options = || EventOptions { ocsf: if old { OcsfVersion::V1_5 } else { OcsfVersion::V1_8 }, ..EventOptions::default() };
        let event = read(&text, options());
        prop_assert_eq!(&event.id, "11111111-2222-3333-4444-555555555555");
        for format in FORMATS {
            let out = rendered(&event, format);
            let parsed: Value = serde_json::from_str(&out).expect("valid JSON");
            prop_assert!(parsed.is_object());
            prop_assert!(!out.contains(SECRET) && !out.contains("-----BEGIN"), "{:?}: {}", format, out);
            prop_assert!(out.len() < 60 * text.len() + 20_000, "{} from {}", out.len(), text.len());
            prop_assert_eq!(&out, &rendered(&read(&text, options()), format));
            prop_assert!(out.contains(&event.id) , "{:?} keeps the id", format);
        }
        prop_assert!(!explain(&event).contains(SECRET));
    }

    #[test]
    fn any_bytes_are_a_record_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = read_with(text, EventOptions::default());
        }
    }

    #[test]
    fn kept_pem_never_keeps_a_private_key(record in records()) {
        let options = EventOptions { keep_pem: true, ..EventOptions::default() };
        let event = read(&record.to_string(), options);
        for format in FORMATS {
            prop_assert!(!rendered(&event, format).contains(SECRET));
        }
    }
}

#[test]
fn long_names_and_many_leaves_do_not_multiply() {
    let long = "n".repeat(100_000);
    let many: Map<String, Value> = (0..5_000).map(|at| (format!("k{at}"), json!(at))).collect();
    let deep = (0..90)
        .fold(json!({ "x": many.clone() }), |inner, _| json!({ long[..50].to_owned(): inner }));
    let record = json!({ "eventName": "x", "eventSource": "y", long: { "a": many }, "deep": deep });
    let text = record.to_string();
    let event = read(&text, EventOptions::default());
    for format in [OutputFormat::Ocsf, OutputFormat::Ecs, OutputFormat::Cim] {
        let out = rendered(&event, format);
        assert!(out.len() < 3 * text.len(), "{format:?}: {} from {}", out.len(), text.len());
    }
}
