//! Bytes that are no record of ours: nothing can be replaced in what cannot be read, so it is only told whether a key
//! may stand there.

/// Whether a private key or a certificate may stand in these bytes, however they are escaped. It would rather say so
/// once too often: whoever asks keeps a reference and a hash instead.
#[must_use]
pub fn may_hold_key(bytes: &[u8]) -> bool {
    let text = unescaped(&String::from_utf8_lossy(bytes));
    let squashed: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    squashed.contains("privatekey") || text.contains("-----BEGIN") || text.contains("-----END")
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
