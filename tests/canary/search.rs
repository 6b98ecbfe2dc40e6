//! Finds a secret in a text in any encoding: plain, percent-encoded, escaped for JSON, or in base64
//! at any offset.

use data_encoding::BASE64;

/// A secret and its name.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Canary {
    pub(crate) fn new(name: &'static str, value: &str) -> Self {
        Self { name, value: value.to_owned() }
    }

    /// Returns the secret in every encoding.
    fn encodings(&self) -> Vec<String> {
        let value = self.value.as_str();
        let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let path = form.replace('+', "%20");
        let mut forms = vec![
            value.to_owned(),
            value.replace('/', "\\/"),
            value.replace('"', "\\\""),
            lower_case(&form),
            lower_case(&path),
            form,
            path,
        ];
        for before in 0..3 {
            let padded = [vec![0; before], value.as_bytes().to_vec()].concat();
            let whole = padded.len() / 3 * 3;
            let core = BASE64.encode(&padded[..whole]).split_off(if before == 0 { 0 } else { 4 });
            forms.push(core.replace('+', "-").replace('/', "_"));
            forms.push(core);
        }
        // As librdkafka or a hex dump may print it.
        forms.push(value.bytes().map(|byte| format!("{byte:02x}")).collect());
        forms
    }
}

/// Converts percent-encoding to lower case.
fn lower_case(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        out.push_str(&format!("%{}{rest}", code.to_lowercase()));
    }
    out
}

/// Returns the canaries in a text, each with its context.
pub(crate) fn found(canaries: &[Canary], text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for canary in canaries {
        for form in canary.encodings() {
            if let Some(at) = text.find(&form) {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                found.push(format!("{} in …{}", canary.name, &text[from..at + form.len()]));
            }
        }
    }
    found
}

#[test]
fn a_planted_secret_is_found_in_every_encoding() {
    let canary = Canary::new("token", "cAnArY/5f0c+2a 9\"z");
    let value = &canary.value;
    for planted in [
        format!("x {value} y"),
        "cAnArY%2F5f0c%2B2a+9%22z".to_owned(),
        "cAnArY%2f5f0c%2b2a%209%22z".to_owned(),
        "cAnArY\\/5f0c+2a 9\"z".to_owned(),
        "cAnArY/5f0c+2a 9\\\"z".to_owned(),
        BASE64.encode(format!("Splunk {value}").as_bytes()),
        BASE64.encode(format!("user:{value}\r\n").as_bytes()),
        BASE64.encode(format!("\0certrelay\0{value}").as_bytes()),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        let canaries = [canary.clone(), Canary::new("other", "something-else")];
        let found = found(&canaries, &planted);
        assert!(!found.is_empty(), "{planted}");
        assert!(found.iter().all(|leak| leak.starts_with("token in ")), "{found:?}");
    }
    assert!(found(&[canary], "cAnArY 5f0c 2a 9z").is_empty());
}
