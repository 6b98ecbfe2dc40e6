//! Bytes that are no record of ours. What can be read as JSON loses its private keys like any record; in the rest
//! nothing can be replaced, so it is only told whether a key may stand there.

use std::borrow::Cow;

use super::super::json;

/// Whether a private key or a certificate may stand in these bytes, however they are escaped. It would rather say so
/// once too often: whoever asks keeps a reference and a hash instead.
#[must_use]
pub fn may_hold_key(bytes: &[u8]) -> bool {
    let text = unescaped(&String::from_utf8_lossy(bytes));
    speaks_of_private_key(&text) || text.contains("-----BEGIN") || text.contains("-----END")
}

/// The text of a message without private keys: with each of them replaced as in a record, so that the message can still
/// be read; `None`: one may stand where it cannot be found. Certificates stay, because the message may be the only
/// copy of them.
#[must_use]
pub fn without_private_keys(text: &str) -> Option<Cow<'_, str>> {
    if !speaks_of_private_key(&unescaped(text)) {
        return Some(Cow::Borrowed(text));
    }
    let root = json::parse(text.as_bytes()).ok()?;
    let redactions = super::find(&root, text.as_bytes());
    match super::apply(text.as_bytes(), &redactions, true) {
        Cow::Borrowed(_) => Some(Cow::Borrowed(text)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// In any spelling, PEM's `PRIVATE KEY` included.
fn speaks_of_private_key(text: &str) -> bool {
    let squashed: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    squashed.contains("privatekey")
}

/// Without JSON's escapes, also where strings stand in strings; what is no escape stays.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches('\\');
        let code = rest.strip_prefix(['u', 'U']).and_then(|code| code.get(..4));
        let letter =
            code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        if let Some(letter) = letter {
            out.push(letter);
            rest = &rest[5..];
        } else if rest.starts_with(['n', 'r', 't']) {
            rest = &rest[1..];
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
            r#"["-----BEGIN EC PRIVATE KEY-----"#,
            r#"["-----BEGIN CERTIFICATE-----"#,
            r#"["\u002d----BEGIN RSA"#,
            r#"["private\nKey"#,
        ] {
            assert!(may_hold_key(text.as_bytes()), "{text}");
        }
        assert!(may_hold_key(b"\xff\xfeprivate\xffKey"));
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
                r#"{"Message":"{\"privateKey\":\"canary\"}"}"#,
                Some(r#"{"Message":"[redacted private key]"}"#),
            ),
            (
                r#"["-----BEGIN EC PRIVATE KEY-----\ncanary", "x"]"#,
                Some(r#"["[redacted private key]", "x"]"#),
            ),
            (r#"{"detail":{"privateKey":"canary""#, None),
            ("-----BEGIN RSA PRIVATE KEY-----\ncanary", None),
            (r#"{"privateKey":"canary"} {"privateKey":"canary"}"#, None),
        ] {
            assert_eq!(without_private_keys(text).as_deref(), left, "{text}");
        }
    }

    #[test]
    fn what_holds_none_is_not_suspected() {
        for text in [
            r#"{"eventName":"ListSigningCertificates","eventID":"x"#,
            r#"{"keyId":"private","a":"\\u00","b":"\u12"}"#,
            "",
            "\\",
        ] {
            assert!(!may_hold_key(text.as_bytes()), "{text}");
        }
    }
}
