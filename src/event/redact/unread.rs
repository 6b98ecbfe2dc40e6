//! Bytes that are no record of ours, and that may not even be JSON: whether a key may stand in them.

use std::borrow::Cow;

use super::signs::squash;

/// Layers of escapes that are taken off: a record in `EventBridge`'s message in SNS's has two.
pub(super) const MOST_LAYERS: usize = 8;

/// Whether a private key or a certificate may stand in these bytes, however they are escaped. It would rather say so
/// once too often: whoever asks keeps a reference and a hash instead.
#[must_use]
pub fn may_hold_key(bytes: &[u8]) -> bool {
    in_any_layer(&String::from_utf8_lossy(bytes), |text| {
        names_private_key(text) || text.contains("-----BEGIN") || text.contains("-----END")
    })
}

/// Whether a private key is spoken of, in any spelling, PEM's `PRIVATE KEY` included.
pub(super) fn speaks_of_private_key(text: &str) -> bool {
    in_any_layer(text, names_private_key)
}

fn names_private_key(text: &str) -> bool {
    squash(text).collect::<String>().contains("privatekey")
}

/// Whether something is said of the text itself, or of what stands in it as strings in strings. Of what has still more
/// layers, everything is.
pub(super) fn in_any_layer(text: &str, says: impl Fn(&str) -> bool) -> bool {
    let mut layer = Cow::Borrowed(text);
    for _ in 0..MOST_LAYERS {
        if says(&layer) {
            return true;
        }
        if !layer.contains('\\') {
            return false;
        }
        layer = Cow::Owned(unescaped(&layer));
    }
    true
}

/// One layer of JSON's escapes less; a backslash goes also where it is none.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest.strip_prefix(['u', 'U']).and_then(|code| code.get(..4));
        let letter =
            code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        if let Some(letter) = letter {
            out.push(letter);
            rest = &rest[5..];
        } else if rest.starts_with(['b', 'f', 'n', 'r', 't']) {
            out.push(' ');
            rest = &rest[1..];
        } else if let Some(after) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_however_they_are_written() {
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
        let deep = "\\".repeat(1 << MOST_LAYERS);
        assert!(may_hold_key(deep.as_bytes()), "what is not looked into may be anything");
    }

    #[test]
    fn what_holds_none_is_not_suspected() {
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
}
