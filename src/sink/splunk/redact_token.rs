//! Removes the token from a response body before it is quoted: proxies print a request's headers on
//! their error pages, as they are, percent-encoded, escaped for JSON or HTML, or in base64.

use data_encoding::BASE64;

/// The replacement.
const REDACTED: &[u8] = b"[redacted]";
/// Fewer bytes than this of an encoded token occur in too many other texts.
const MIN_LENGTH: usize = 8;

/// Returns the body without the token.
pub(super) fn redact(body: Vec<u8>, token: &[u8]) -> Vec<u8> {
    if token.is_empty() {
        return body;
    }
    forms(token).iter().fold(body, |body, form| replace_all(body, form))
}

/// Returns the encodings of the token, longest first.
fn forms(token: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![token.to_vec()];
    for upper in [false, true] {
        forms.push(percent(token, upper, |byte| {
            byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
        }));
        forms.push(percent(token, upper, |byte| byte.is_ascii_alphanumeric()));
    }
    if let Ok(text) = std::str::from_utf8(token) {
        let json = serde_json::to_string(text).unwrap_or_default();
        let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
        forms.push(json.replace('/', "\\/").into_bytes());
        forms.push(json.as_bytes().to_vec());
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        forms.push(html.replace('"', "&quot;").replace('\'', "&#39;").into_bytes());
    }
    // Base64 of a longer text that contains the token: one of three encodings, by the offset; their
    // ends depend on the neighbouring bytes.
    for before in 0..3 {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(token);
        let whole = shifted.len() / 3 * 3;
        let encoded = BASE64.encode(&shifted[..whole]).into_bytes();
        let core = encoded.get(if before == 0 { 0 } else { 4 }..).unwrap_or_default();
        if core.len() >= MIN_LENGTH {
            forms.push(core.to_vec());
            forms.push(core.iter().map(|byte| url_safe(*byte)).collect());
        }
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

fn percent(token: &[u8], upper: bool, is_plain: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len() * 3);
    for byte in token {
        match (is_plain(*byte), upper) {
            (true, _) => out.push(*byte),
            (false, true) => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            (false, false) => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    out
}

fn url_safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

fn replace_all(body: Vec<u8>, form: &[u8]) -> Vec<u8> {
    if memchr::memmem::find(&body, form).is_none() {
        return body;
    }
    let mut clean = Vec::with_capacity(body.len());
    let mut rest = body.as_slice();
    while let Some(at) = memchr::memmem::find(rest, form) {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(REDACTED);
        rest = &rest[at + form.len()..];
    }
    clean.extend_from_slice(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "canary/5f0c+2a<b>&c\"d'e";

    fn redacted(body: &str) -> String {
        String::from_utf8(redact(body.as_bytes().to_vec(), TOKEN.as_bytes())).unwrap()
    }

    #[test]
    fn every_encoding_of_the_token_is_redacted() {
        for form in [
            TOKEN,
            "canary%2F5f0c%2B2a%3Cb%3E%26c%22d%27e",
            "canary%2f5f0c%2b2a%3cb%3e%26c%22d%27e",
            "canary/5f0c+2a<b>&c\\\"d'e",
            "canary\\/5f0c+2a<b>&c\\\"d'e",
            "canary/5f0c+2a&lt;b&gt;&amp;c&quot;d&#39;e",
        ] {
            assert_eq!(
                redacted(&format!("a {form} b {form}")),
                "a [redacted] b [redacted]",
                "{form}"
            );
        }
        assert_eq!(redacted("nothing of it"), "nothing of it");
    }

    #[test]
    fn base64_is_redacted_at_every_offset() {
        for before in ["", "S", "Sp", "Splunk ", "authorization: Splunk "] {
            for after in ["", "x", "\r\n", "and more"] {
                let encoded = BASE64.encode(format!("{before}{TOKEN}{after}").as_bytes());
                let left = redacted(&encoded);
                assert!(left.contains("[redacted]"), "{before}|{after}: {left}");
                // Only the ends remain of its 23 bytes, less than three bytes each.
                let gone = encoded.len() + "[redacted]".len() - left.len();
                assert_eq!(gone, 28, "{before}|{after}: {left}");
            }
        }
    }

    #[test]
    fn without_a_token_the_body_is_unchanged() {
        assert_eq!(redact(b"abc".to_vec(), b""), b"abc");
    }
}
