use super::super::json::parse;
use super::patterns::MAX_LAYERS;
use super::*;

fn redacted(text: &str) -> String {
    let root = parse(text.as_bytes()).expect("valid");
    let found = find(&root, text.as_bytes());
    String::from_utf8(apply(text.as_bytes(), &found, false).into_owned()).expect("UTF-8")
}

fn paths(text: &str) -> Vec<String> {
    let root = parse(text.as_bytes()).expect("valid");
    find(&root, text.as_bytes()).into_iter().map(|redaction| redaction.path).collect()
}

#[test]
fn only_the_span_of_a_private_key_changes() {
    let text = r#"{ "a": 1.0,  "Private_KEY" : "s3cret" , "b":[ ] }"#;
    assert_eq!(
        redacted(text),
        r#"{ "a": 1.0,  "Private_KEY" : "[redacted private key]" , "b":[ ] }"#
    );
}

#[test]
fn nothing_to_redact_leaves_every_byte() {
    let text =
        "{ \"privateKey\": null,\t\"userName\": \"privatekey-admin\", \"privateKeyArn\": \"arn\" }";
    assert_eq!(redacted(text), text);
}

#[test]
fn a_private_key_is_redacted_in_any_container() {
    for text in [
        r#"{"x":[{"PRIVATEKEY":{"d":"s3cret"}}]}"#,
        r#"{"private\u004bey":"s3cret"}"#,
        r#"{"a":"{\"privateKey\": \"s3cret\"}"}"#,
        r#"{"a":"{\"\\u0070rivateKey\": \"s3cret\"}"}"#,
        r#"{"a":"{\"b\":\"{\\\"\\\\u0070rivateKey\\\": \\\"s3cret\\\"}\"}"}"#,
        r#"{"a":"{\\\"private_key\\\":\\\"s3cret\\\"}"}"#,
        r#"{"errorMessage":"Value 's3cret' at 'privateKey' failed to satisfy constraint"}"#,
        r#"{"tags":[{"key":"private-key","value":"s3cret"}]}"#,
        r#"{"a":"-----BEGIN EC PRIVATE KEY-----\ns3cret"}"#,
        r#"{"-----BEGIN PRIVATE KEY-----s3cret":1}"#,
        r#"{"certificateBody":"-----BEGIN PRIVATE KEY-----\ns3cret"}"#,
        r#"{"privateKey":"s3cret","privateKey":"s3cret"}"#,
        r#"{"a":["-----BEGIN PRIVATE KEY-----","s3cret","-----END PRIVATE KEY-----"]}"#,
        r#"{"a":["\u002d----BEGIN PRIVATE KEY-----","s3cret","\\u002d----END PRIVATE KEY-----"]}"#,
        r#"{"a":["-----BEGIN PRIVATE KEY-----","Proc-Type: 4,ENCRYPTED","","s3cret"]}"#,
        r#"{"a":["-----BEGIN PRIVATE KEY-----",1,"s3cret",{"b":2}]}"#,
    ] {
        let out = redacted(text);
        assert!(!out.contains("s3cret"), "{text} became {out}");
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
        assert_eq!(redacted(&out), out, "a second pass finds nothing more");
    }
}

#[test]
fn a_certificate_is_replaced_by_its_hash_and_length() {
    let text = r#"{"requestParameters":{"certificateBody":"-----BEGIN CERTIFICATE-----\nMII\n"}}"#;
    insta::assert_snapshot!(redacted(text), @r#"{"requestParameters":{"certificateBody":"[redacted certificate: sha256 a57bef18364e433a9dc1d28a4378cc0daa37caebc3f32b320e6acc64254f38c2, 32 characters]"}}"#);
    assert_eq!(paths(text), ["requestParameters.certificateBody"]);
}

#[test]
fn pem_is_redacted_in_any_text_and_any_member_name() {
    let text = r#"{"tags":[{"key":"k","value":"x -----BEGIN CERTIFICATE-----"}],"-----BEGIN X509 CRL-----":2}"#;
    assert!(!redacted(text).contains("-----BEGIN"));
    assert_eq!(paths(text), ["tags.0.value", "(name)"]);
}

#[test]
fn text_that_only_resembles_a_placeholder_is_redacted() {
    for text in [
        "{\"privateKey\":\"[redacted s3cret]\"}",
        "{\"privateKey\":\"[redacted certificate: sha256 s3cret, 1 characters]\"}",
    ] {
        assert!(!redacted(text).contains("s3cret"));
    }
}

#[test]
fn keep_pem_leaves_certificates_byte_for_byte_and_redacts_private_keys() {
    let text = r#"{"certificateBody":"-----BEGIN CERTIFICATE-----\nMII","privateKey":"s3cret"}"#;
    let root = parse(text.as_bytes()).expect("valid");
    let kept = apply(text.as_bytes(), &find(&root, text.as_bytes()), true).into_owned();
    assert_eq!(
        String::from_utf8(kept).expect("UTF-8"),
        text.replace("s3cret", "[redacted private key]")
    );
}

#[test]
fn the_lines_of_a_key_are_redacted_as_one_and_other_items_stay() {
    let text = r#"{"a":[1, "x", "-----BEGIN PRIVATE KEY-----", "s3cret", "-----END PRIVATE KEY-----" , "y"]}"#;
    assert_eq!(redacted(text), r#"{"a":[1, "x", "[redacted private key]" , "y"]}"#);
    assert_eq!(paths(text), ["a.2"]);
}

#[test]
fn keys_are_found_in_any_spelling_and_escaping() {
    for text in [
        r#"{"privateKey":"x"#,
        r#"{"Private_Key" : 1"#,
        r#"{"key":"private-key","value":"x"}"#,
        r#"{"\u0070rivate\u004bey":"x""#,
        r#"{"a":"{\\\"privateKey\\\":1}"#,
        r#"{"a":"{\\\"\\\\u0070rivateKey\\\":1}"#,
        r#"{"a":"{\"\u005cu0070rivateKey\":1}"#,
        r#"{"a":"{\"\u005c\u00750070rivateKey\":1}"#,
        r#"{"p\\rivateKey":1"#,
        r#"["-----BEGIN EC PRIVATE KEY-----"#,
        r#"["-----BEGIN CERTIFICATE-----"#,
        r#"["\u002d----BEGIN RSA"#,
        r#"["private\nKey"#,
    ] {
        assert!(may_hold_key(text.as_bytes()), "{text}");
    }
    assert!(may_hold_key(b"\xff\xfeprivate\xffKey"));
    let deep = "\\".repeat(1 << MAX_LAYERS);
    assert!(may_hold_key(deep.as_bytes()), "text below the deepest layer is not examined");
}

#[test]
fn text_without_a_key_is_not_suspected() {
    for text in [
        r#"{"eventName":"ListSigningCertificates","eventID":"x"#,
        r#"{"keyId":"private","a":"\\u00","b":"\u12"}"#,
        r#"{"a":"{\"b\":\"{\\\"c\\\":\\\"C:\\\\\\\\Users\\\"}\"}"}"#,
        "",
        "\\",
    ] {
        assert!(!may_hold_key(text.as_bytes()), "{text}");
    }
}
