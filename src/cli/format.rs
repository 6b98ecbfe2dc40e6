//! `--format`, and payloads for a terminal.

use std::fmt::Write as _;

use clap::ValueEnum;

use crate::config::OutputFormat;
use crate::event::escape_bidi;

/// What is printed for each event.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// OCSF 1.8.0, class API Activity
    Ocsf,
    /// Elastic Common Schema
    Ecs,
    /// Splunk's Common Information Model, data model Change
    Cim,
    /// The record as CloudTrail wrote it, secrets redacted
    Raw,
}

impl From<Format> for OutputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ocsf => Self::Ocsf,
            Format::Ecs => Self::Ecs,
            Format::Cim => Self::Cim,
            Format::Raw => Self::Raw,
        }
    }
}

/// JSON for a terminal: the same value, with what would act there written as `\uXXXX`.
pub(super) fn shown(json: &[u8]) -> String {
    let text = String::from_utf8_lossy(json);
    let mut out = String::with_capacity(text.len());
    let mut bytes = [0; 4];
    for c in text.chars() {
        let is_space = matches!(c, '\n' | '\r' | '\t');
        let plain = c.encode_utf8(&mut bytes);
        if is_space || escape_bidi(plain) == *plain {
            out.push(if is_space { ' ' } else { c });
        } else {
            // JSON spells what is beyond 16 bits as two units.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_payload_for_a_terminal_is_the_same_json_and_does_nothing_there() {
        let payload = "{\"name\":\"a\u{202e}b\u{7f}\u{9b}\u{e0041}é\",\n\t\"n\": 1}";
        let text = shown(payload.as_bytes());
        assert_eq!(text, r#"{"name":"a\u202eb\u007f\u009b\udb40\udc41é",  "n": 1}"#);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&text), value(payload));
    }
}
