//! Private keys in the text of a message, whose strings may contain JSON again (an EventBridge
//! event in an SNS message), each time with one more layer of escapes. Only the key is replaced,
//! however deep it is, so that whoever reads the dead letter still sees the bucket, the object and
//! the rest.

use std::borrow::Cow;
use std::ops::Range;

use super::super::json::{self, Node, Value};
use super::patterns::{
    MAX_LAYERS, Reason, is_labelled_private_key, is_placeholder, key_lines,
    mentions_private_key_escaped, names_certificate, names_private_key, names_value,
    reason_to_redact,
};

/// Replaces a private key, as in records.
const PLACEHOLDER: &str = "\"[redacted private key]\"";

/// Returns a message's text with every private key replaced as in a record, so that the message can
/// still be parsed; `None` if it may contain one that cannot be located. Certificates stay, because
/// the message may be their only copy.
pub(crate) fn without_private_keys(text: &str) -> Option<Cow<'_, str>> {
    match json::parse(text.as_bytes()) {
        Ok(root) => Some(document(text, &root, MAX_LAYERS)),
        Err(_) if mentions_private_key_escaped(text) => None,
        Err(_) => Some(Cow::Borrowed(text)),
    }
}

/// Returns `text`, which parses as `root`, without private keys; up to `layers` of strings in it
/// are parsed too.
fn document<'t>(text: &'t str, root: &Node<'_>, layers: usize) -> Cow<'t, str> {
    let mut redactor = Redactor { text, layers, out: String::new(), done: 0 };
    redactor.visit(root);
    let Redactor { mut out, done, .. } = redactor;
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

struct Redactor<'t> {
    text: &'t str,
    layers: usize,
    /// `text[..done]`, redacted.
    out: String,
    done: usize,
}

impl Redactor<'_> {
    fn visit(&mut self, node: &Node<'_>) {
        match &node.value {
            Value::Text(text) => self.string(text, &node.span),
            Value::Array(items) => self.items(items),
            Value::Object(members) => {
                let labelled = is_labelled_private_key(node);
                for member in members {
                    self.string(&member.name, &member.name_span);
                    self.member(&member.name, labelled, &member.node);
                }
            }
            _ => {}
        }
    }

    /// The lines of a key are one span.
    fn items(&mut self, items: &[Node<'_>]) {
        let mut rest = items;
        while let Some(item) = rest.first() {
            let lines = key_lines(rest);
            match rest[..lines].last() {
                Some(last) => self.replace(&(item.span.start..last.span.end), PLACEHOLDER),
                None => self.visit(item),
            }
            rest = &rest[lines.max(1)..];
        }
    }

    /// Redacts by the same names as in a record, and by a name that has a layer of escapes left.
    fn member(&mut self, name: &str, labelled: bool, node: &Node<'_>) {
        if node.is_empty() || node.as_text().is_some_and(is_placeholder) {
            return;
        }
        let is_key = names_private_key(name)
            || (name.contains('\\') && mentions_private_key_escaped(name))
            || (labelled && names_value(name))
            || (names_certificate(name) && self.has_split_key(node));
        if is_key { self.replace(&node.span, PLACEHOLDER) } else { self.visit(node) }
    }

    /// Returns whether several texts below may contain a key together, as lines in an array do.
    fn has_split_key(&self, node: &Node<'_>) -> bool {
        let whole = &self.text[node.span.clone()];
        node.as_text().is_none() && reason_to_redact(whole) == Some(Reason::PrivateKey)
    }

    /// Replaces only the keys in a string of JSON; replaces any other text with a key as a whole.
    fn string(&mut self, text: &str, span: &Range<usize>) {
        let looks_like_json = text.trim_start().starts_with(['{', '[', '"']);
        if looks_like_json
            && let Some(layers) = self.layers.checked_sub(1)
            && let Ok(root) = json::parse(text.as_bytes())
        {
            if let Cow::Owned(redacted) = document(text, &root, layers) {
                self.replace(span, &serde_json::Value::String(redacted).to_string());
            }
        } else if has_key(text) {
            self.replace(span, PLACEHOLDER);
        }
    }

    fn replace(&mut self, span: &Range<usize>, with: &str) {
        self.out.push_str(&self.text[self.done..span.start]);
        self.out.push_str(with);
        self.done = span.end;
    }
}

/// Returns whether a text that is not JSON contains a private key. A text that quotes something, or
/// is a fragment, is judged by the word alone; the names of buckets and roles are not.
fn has_key(text: &str) -> bool {
    let quotes = || text.contains(['"', '\\', '{']) || text.contains("-----");
    reason_to_redact(text) == Some(Reason::PrivateKey)
        || (quotes() && mentions_private_key_escaped(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::equivalence::json_string;
    use super::*;

    /// Returns `text` as a JSON string.
    fn quoted(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    #[test]
    fn private_keys_are_redacted_and_unparsable_text_with_one_is_withheld() {
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
    fn only_the_key_is_redacted_in_nested_messages() {
        let record = r#"{"s3":{"bucket":"private-key-logs","key":"a/b.json.gz"},"PrivateKeyBody":CUT,"path":"/"}"#;
        let event = |key: &str| format!(r#"{{"detail":{}}}"#, record.replace("CUT", &quoted(key)));
        let sns = |message: &str| {
            format!(
                r#"{{ "Type":"Notification", "Message":{}, "Timestamp":1.0 }}"#,
                quoted(message)
            )
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
    fn an_escaped_name_in_a_nested_message_is_recognised() {
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
    fn text_below_the_deepest_layer_is_redacted_if_it_may_contain_a_key() {
        let deep = |inner: &str| {
            (0..=MAX_LAYERS).fold(inner.to_owned(), |text, _| {
                format!("[\"{}\"]", text.replace('\\', r"\u005c").replace('"', r"\u0022"))
            })
        };
        let left = without_private_keys(&deep(r#"{"privateKey":"canary","a":"kept"}"#))
            .unwrap()
            .into_owned();
        assert!(!left.contains("canary") && left.contains("[redacted private key]"), "{left}");
        let harmless = deep(r#"{"key":"private"}"#);
        assert!(without_private_keys(&harmless).is_some_and(|left| !left.contains("canary")));
    }

    /// A part of a random message.
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

    /// Names of members that are not redacted.
    const NAMES: [&str; 7] =
        ["Message", "detail", "bucket", "object key", "privateKeyArn", "certificateBody", "value"];

    const KEY_NAMES: [&str; 4] =
        ["privateKey", "PrivateKeyBody", "PRIVATE-key", "server_private_key"];

    /// Texts that are keys by themselves.
    const KEYS: [&str; 6] = [
        "-----BEGIN EC PRIVATE KEY-----\ns3cret\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\\ns3cret\\n-----END PRIVATE KEY-----",
        "x -----BEGIN RSA PRIVATE KEY-----\\\\ns3cret\\\\n-----END RSA PRIVATE KEY-----",
        "Value 's3cret' at 'privateKey' failed to satisfy constraint",
        "{\"privateKey\":\"s3cret",
        "failed: [{\"key\":\"private_key\",\"value\":\"s3cret\"}]",
    ];

    /// An object of a label and a key.
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

    /// Returns the part as JSON; texts that must survive are added to `kept`.
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
            Part::Wrapped(part, escapes) => json_string(&json_of(part, kept), *escapes),
        }
    }

    /// Collects every text of a message and of messages in it, by another parser.
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
        fn no_key_survives_in_any_nesting_and_other_text_stays(part in part()) {
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
}
