use super::super::json::parse;
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
fn a_private_key_goes_whatever_holds_it() {
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
fn pem_goes_from_any_text_and_any_member_name() {
    let text = r#"{"tags":[{"key":"k","value":"x -----BEGIN CERTIFICATE-----"}],"-----BEGIN X509 CRL-----":2}"#;
    assert!(!redacted(text).contains("-----BEGIN"));
    assert_eq!(paths(text), ["tags.0.value", "(name)"]);
}

#[test]
fn a_text_that_only_looks_like_a_placeholder_goes() {
    for text in [
        "{\"privateKey\":\"[redacted s3cret]\"}",
        "{\"privateKey\":\"[redacted certificate: sha256 s3cret, 1 characters]\"}",
    ] {
        assert!(!redacted(text).contains("s3cret"));
    }
}

#[test]
fn kept_pem_stays_to_the_byte_and_private_keys_still_go() {
    let text = r#"{"certificateBody":"-----BEGIN CERTIFICATE-----\nMII","privateKey":"s3cret"}"#;
    let root = parse(text.as_bytes()).expect("valid");
    let kept = apply(text.as_bytes(), &find(&root, text.as_bytes()), true).into_owned();
    assert_eq!(
        String::from_utf8(kept).expect("UTF-8"),
        text.replace("s3cret", "[redacted private key]")
    );
}

#[test]
fn the_lines_of_a_key_go_as_one_and_what_stands_beside_them_stays() {
    let text = r#"{"a":[1, "x", "-----BEGIN PRIVATE KEY-----", "s3cret", "-----END PRIVATE KEY-----" , "y"]}"#;
    assert_eq!(redacted(text), r#"{"a":[1, "x", "[redacted private key]" , "y"]}"#);
    assert_eq!(paths(text), ["a.2"]);
}
