use proptest::prelude::*;

use super::*;

/// What serde_json makes of it: the other opinion.
fn agrees(text: &str) {
    let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text);
    match parse(text.as_bytes()) {
        Ok(_) => assert!(theirs.is_ok(), "only we read {text:?}"),
        Err(error) => assert!(theirs.is_err(), "only we refuse {text:?}: {error}"),
    }
}

fn as_serde(node: &Node<'_>) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(text) => serde_json::from_str(text).expect("a number"),
        Value::Text(text) => text.as_ref().into(),
        Value::Array(items) => items.iter().map(as_serde).collect(),
        Value::Object(members) => serde_json::Value::Object(
            members.iter().map(|m| (m.name.to_string(), as_serde(&m.node))).collect(),
        ),
    }
}

#[test]
fn numbers_keep_their_bytes_and_places_are_exact() {
    let text = r#" {"a": 12345678901234567890.10, "b": ["é\n", -0e+1]} "#;
    let root = parse(text.as_bytes()).expect("valid");
    let a = root.get("a").expect("a");
    assert!(matches!(a.value, Value::Number("12345678901234567890.10")));
    assert_eq!(&text[a.span.clone()], "12345678901234567890.10");
    assert_eq!(root.get("b").expect("b").items()[0].as_text(), Some("é\n"));
}

#[test]
fn the_last_of_duplicate_names_counts() {
    let root = parse(br#"{"a":1,"a":2}"#).expect("valid");
    assert!(matches!(root.get("a").expect("a").value, Value::Number("2")));
}

#[test]
fn surrogates_pair_up_and_lone_ones_become_the_replacement_character() {
    let root = parse(br#"["\ud83d\ude00", "\ud83dx", "\ude00", "\ud83d\u0041"]"#).expect("valid");
    let texts: Vec<_> = root.items().iter().filter_map(Node::as_text).collect();
    assert_eq!(texts, ["😀", "\u{fffd}x", "\u{fffd}", "\u{fffd}A"]);
}

#[test]
fn what_is_not_json_is_refused_as_serde_json_refuses_it() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "tru",
        "nul",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"a\nb\"",
        "[1 2]",
        "1 1",
        "{\"a\":1 \"b\":2}",
        "\"",
        "{1:2}",
        "NaN",
        "[]",
        "{}",
        "null",
        "-0",
        "0.0e-0",
        "\"\\/\"",
    ] {
        agrees(text);
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
    assert!(parse(deep(MAX_DEPTH + 2).as_bytes()).expect_err("too deep").contains("nested deeper"));
    assert!(parse(deep(1_000_000).as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_as_serde_json_does(text in r#"[\[\]{}:,"\\u0-9eE+.\-a-c \n]{0,24}"#) {
        agrees(&text);
    }

    #[test]
    fn any_document_reads_as_serde_json_reads_it(words in prop::collection::vec(any::<String>(), 0..8), number in any::<i64>()) {
        let theirs = serde_json::json!({ "words": words, "n": number, "nested": { "again": [words, null, true] } });
        let text = theirs.to_string();
        prop_assert_eq!(as_serde(&parse(text.as_bytes()).expect("valid")), theirs);
    }
}
