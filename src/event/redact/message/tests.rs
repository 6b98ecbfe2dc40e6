use proptest::prelude::*;

use super::super::equal::written;
use super::*;

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[test]
fn private_keys_leave_a_message_that_can_be_read_and_keep_back_one_that_cannot() {
    let plain = r#"{"detail":{"eventName":"UploadServerCertificate","requestParameters":{"certificateBody":"-----BEGIN CERTIFICATE-----"}}}"#;
    assert_eq!(without_private_keys(plain).as_deref(), Some(plain));
    for (text, left) in [
        (
            r#"{"detail":{"requestParameters":{"privateKey":"canary","path":"/"}}}"#,
            Some(
                r#"{"detail":{"requestParameters":{"privateKey":"[redacted private key]","path":"/"}}}"#,
            ),
        ),
        (
            r#"["-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----", "x"]"#,
            Some(r#"["[redacted private key]", "x"]"#),
        ),
        (
            r#"{"lines":["-----BEGIN CERTIFICATE-----","-----BEGIN EC PRIVATE KEY-----","canary","-----END EC PRIVATE KEY-----","x",{"y":"-----BEGIN PRIVATE KEY-----"},"z"]}"#,
            Some(
                r#"{"lines":["-----BEGIN CERTIFICATE-----","[redacted private key]","x",{"y":"[redacted private key]"},"z"]}"#,
            ),
        ),
        (
            r#"{"lines":["a -----BEGIN PRIVATE KEY-----","canary","canary"],"a":["x"]}"#,
            Some(r#"{"lines":["[redacted private key]"],"a":["x"]}"#),
        ),
        (
            r#"{"certificateChain":["-----BEGIN PRIVATE KEY-----","canary"],"a":"/"}"#,
            Some(r#"{"certificateChain":"[redacted private key]","a":"/"}"#),
        ),
        (r#"{"detail":{"privateKey":"canary""#, None),
        (r#"{"Message":"{\"\u005cu0070rivateKey\":\"canary\"}""#, None),
        ("-----BEGIN RSA PRIVATE KEY-----\ncanary", None),
        (r#"{"privateKey":"canary"} {"privateKey":"canary"}"#, None),
    ] {
        assert_eq!(without_private_keys(text).as_deref(), left, "{text}");
    }
}

#[test]
fn in_a_message_in_a_message_only_the_key_is_cut() {
    let record = r#"{"s3":{"bucket":"private-key-logs","key":"a/b.json.gz"},"PrivateKeyBody":CUT,"path":"/"}"#;
    let event = |key: &str| format!(r#"{{"detail":{}}}"#, record.replace("CUT", &quoted(key)));
    let sns = |message: &str| {
        format!(r#"{{ "Type":"Notification", "Message":{}, "Timestamp":1.0 }}"#, quoted(message))
    };
    let layered = |key: &str| [event(key), sns(&event(key)), sns(&sns(&event(key)))];
    let pem = "-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----\n";
    for key in [pem, "canary", &pem.replace('\n', "\\n"), &pem.replace('\n', "\\\\n")] {
        for (text, left) in layered(key).into_iter().zip(layered("[redacted private key]")) {
            assert_eq!(without_private_keys(&text).as_deref(), Some(left.as_str()), "{text}");
            assert_eq!(without_private_keys(&left).as_deref(), Some(left.as_str()));
        }
    }
}

#[test]
fn a_name_that_is_escaped_in_the_inner_message_gives_the_key_away_all_the_same() {
    for inner in [
        r#"{"\u0070rivateKey":"canary"}"#,
        r#"{"p\u005cu0072ivateKey":"canary"}"#,
        r#"{"p\\rivateKey":"canary"}"#,
    ] {
        for inner in [inner.to_owned(), quoted(inner), inner.replace('}', r#","a":"#)] {
            let text = format!(r#"{{"Message":{}}}"#, quoted(&inner));
            let left = without_private_keys(&text).unwrap();
            assert!(!left.contains("canary"), "{text} became {left}");
        }
    }
}

#[test]
fn what_stands_deeper_than_is_read_goes_if_it_may_hold_a_key() {
    let deep = |inner: &str| {
        (0..=MOST_LAYERS).fold(inner.to_owned(), |text, _| {
            format!("[\"{}\"]", text.replace('\\', r"\u005c").replace('"', r"\u0022"))
        })
    };
    let left =
        without_private_keys(&deep(r#"{"privateKey":"canary","a":"kept"}"#)).unwrap().into_owned();
    assert!(!left.contains("canary") && left.contains("[redacted private key]"), "{left}");
    let harmless = deep(r#"{"key":"private"}"#);
    assert!(without_private_keys(&harmless).is_some_and(|left| !left.contains("canary")));
}

/// What a message may hold, with `n` where each leaf's own number goes.
#[derive(Debug, Clone)]
enum Part {
    Kept,
    /// One of [`KEYS`].
    Key(usize),
    Array(Vec<Part>),
    /// Each by one of [`NAMES`].
    Object(Vec<(usize, Part)>),
    /// As the value of one of [`KEY_NAMES`], whatever it is.
    Named(usize, Box<Part>),
    /// The same as text in a string.
    Wrapped(Box<Part>, u64),
}

/// None of them gives away what it names.
const NAMES: [&str; 7] =
    ["Message", "detail", "bucket", "object key", "privateKeyArn", "certificateBody", "value"];

const KEY_NAMES: [&str; 4] = ["privateKey", "PrivateKeyBody", "PRIVATE-key", "server_private_key"];

/// Texts that are keys by themselves.
const KEYS: [&str; 6] = [
    "-----BEGIN EC PRIVATE KEY-----\ns3cret\n-----END EC PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\\ns3cret\\n-----END PRIVATE KEY-----",
    "x -----BEGIN RSA PRIVATE KEY-----\\\\ns3cret\\\\n-----END RSA PRIVATE KEY-----",
    "Value 's3cret' at 'privateKey' failed to satisfy constraint",
    "{\"privateKey\":\"s3cret",
    "failed: [{\"key\":\"private_key\",\"value\":\"s3cret\"}]",
];

/// What keeps a key from being one leaf: an object of a label and a value, too.
const LABELLED: &str = r#"{"key":"privateKey","value":"s3cret"}"#;

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![3 => Just(Part::Kept), 2 => (0..=KEYS.len()).prop_map(Part::Key)];
    leaf.prop_recursive(6, 24, 4, |inner| {
        let member = (0..NAMES.len(), inner.clone());
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 1..4).prop_map(Part::Array),
            1 => prop::collection::vec(member, 1..4).prop_map(Part::Object),
            1 => (0..KEY_NAMES.len(), inner.clone())
                .prop_map(|(name, part)| Part::Named(name, Box::new(part))),
            3 => (inner, any::<u64>()).prop_map(|(part, escapes)| Part::Wrapped(Box::new(part), escapes)),
        ]
    })
}

/// The part as JSON; what must be left of it is added to `kept`.
fn json_of(part: &Part, kept: &mut Vec<String>) -> String {
    match part {
        Part::Kept => {
            kept.push(format!("kept {}", kept.len()));
            quoted(&kept[kept.len() - 1])
        }
        Part::Key(which) => KEYS.get(*which).map_or(LABELLED.to_owned(), |key| quoted(key)),
        Part::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| json_of(item, kept)).collect();
            format!("[{}]", items.join(", "))
        }
        Part::Object(members) => {
            let members = members.iter().enumerate().map(|(at, (name, part))| {
                format!("{}: {}", quoted(&format!("{at}{}", NAMES[*name])), json_of(part, kept))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Part::Named(name, part) => {
            format!("{{{}:{}}}", quoted(KEY_NAMES[*name]), json_of(part, &mut Vec::new()))
        }
        Part::Wrapped(part, escapes) => written(&json_of(part, kept), *escapes),
    }
}

/// Every text of a message, those of messages in it too, as another reader finds them.
fn texts(text: &str, all: &mut Vec<String>) {
    fn walk(value: &serde_json::Value, all: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => texts(text, all),
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, all)),
            serde_json::Value::Object(members) => members.iter().for_each(|(name, value)| {
                all.push(name.clone());
                walk(value, all);
            }),
            _ => {}
        }
    }
    match serde_json::from_str(text) {
        Ok(value) => walk(&value, all),
        Err(_) => all.push(text.to_owned()),
    }
}

proptest! {
    #[test]
    fn no_key_survives_in_any_nesting_and_what_is_no_key_stays(part in part()) {
        let mut kept = Vec::new();
        let text = json_of(&part, &mut kept);
        let left = without_private_keys(&text).expect("it can be read");
        let mut all = Vec::new();
        texts(&left, &mut all);
        prop_assert!(!all.iter().any(|text| text.contains("s3cret")), "{} became {}", text, left);
        all.retain(|text| text.starts_with("kept "));
        prop_assert_eq!(all, kept, "{} became {}", text, left);
        let again = without_private_keys(&left);
        prop_assert_eq!(again.as_deref(), Some(&*left));
    }
}
