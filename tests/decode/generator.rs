//! Makes documents and selections out of arbitrary bytes, so that a fuzzer, and proptest when it
//! shrinks, work on the bytes and always get something that is well-formed.

use certrelay::config::EventRule;

use super::rule;

/// Decisions, read from bytes; zeros once they are used up.
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let byte = self.0.split_off_first().copied().unwrap_or(0);
        usize::from(byte) % limit
    }

    fn one_of<'b>(&mut self, from: &[&'b str]) -> &'b str {
        from[self.below(from.len())]
    }
}

/// The first one often, so that something is selected.
const SOURCES: [&str; 8] = [
    "iam.amazonaws.com",
    "iam.amazonaws.com",
    "iam.amazonaws.com",
    "iam.amazonaws.com",
    "s3.amazonaws.com",
    "acm.amazonaws.com",
    "a/b-1.example",
    "x",
];

const NAMES: [&str; 16] = [
    "GetObject",
    "UploadServerCertificate",
    "UploadServerCertificates",
    "GetServerCertificate",
    "ListSigningCertificates",
    "ImportCertificate",
    "DeleteSigningCertificate",
    "X509",
    "42",
    "Tag/Role\"Certificate",
    "CreateUser",
    "CreateRole",
    "",
    "Überprüfung",
    "uploadservercertificate",
    "a\\u0055\n",
];

const PATTERNS: [&str; 16] = [
    "UploadServerCertificate",
    "*Certificate",
    "*Certificate*",
    "Upload*",
    "*",
    "List?igningCertificates",
    "{Upload,Delete}S*Certificate",
    "[GI]*Certificate",
    "X509",
    "42",
    "Create*",
    "Tag*Certificate",
    "Überprüfung",
    "CreateUser",
    "Get*Object",
    "GetServerCertificate",
];

/// A selection of up to four rules.
pub(super) fn rules(choices: &mut Choices<'_>) -> Vec<EventRule> {
    let count = choices.below(6);
    let mut one = || rule(choices.one_of(&SOURCES), choices.one_of(&PATTERNS));
    (0..count).map(|_| one()).collect()
}

/// A record as written, and its deciding fields as every reader must understand them.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) source: Option<String>,
    pub(super) name: Option<String>,
    /// A key `Records` is in it, which among records one a line would be taken for a document.
    has_records: bool,
}

/// A document of any form, and its records.
pub(super) fn document(choices: &mut Choices<'_>) -> (String, Vec<Written>) {
    let records: Vec<Written> = (0..choices.below(6)).map(|_| record(choices)).collect();
    let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    let mut text = String::new();
    if choices.below(4) == 3 {
        text.push('\u{feff}');
    }
    blank(choices, &mut text);
    let lines = !records.is_empty()
        && !records.iter().any(|record| record.has_records)
        && choices.below(3) == 2;
    if lines {
        let between = choices.one_of(&["\n", "\r\n", "", " "]);
        text.push_str(&texts.join(between));
    } else if choices.below(4) == 3 {
        array(choices, &texts, &mut text);
    } else {
        envelope(choices, &texts, &mut text);
    }
    blank(choices, &mut text);
    (text, records)
}

fn envelope(choices: &mut Choices<'_>, records: &[&str], text: &mut String) {
    text.push('{');
    for _ in 0..choices.below(3) {
        blank(choices, text);
        string(choices, "other", text);
        text.push(':');
        value(choices, 2, text);
        blank(choices, text);
        text.push(',');
    }
    blank(choices, text);
    string(choices, "Records", text);
    blank(choices, text);
    text.push(':');
    blank(choices, text);
    array(choices, records, text);
    if choices.below(3) == 2 {
        text.push_str(",\"after\":");
        value(choices, 2, text);
    }
    blank(choices, text);
    text.push('}');
}

fn array(choices: &mut Choices<'_>, records: &[&str], text: &mut String) {
    text.push('[');
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        blank(choices, text);
        text.push_str(record);
        blank(choices, text);
    }
    blank(choices, text);
    text.push(']');
}

fn record(choices: &mut Choices<'_>) -> Written {
    let mut written =
        Written { text: "{".to_owned(), source: None, name: None, has_records: false };
    // What marks a record as one, for the forms that need it.
    written.text.push_str("\"eventSource\":null,\"eventID\":1");
    for _ in 0..choices.below(6) {
        written.text.push(',');
        blank(choices, &mut written.text);
        let deciding = choices.below(3);
        let key = match deciding {
            0 => "eventSource",
            1 => "eventName",
            _ => {
                choices.one_of(&["policy", "eventname", "requestParameters", "ev\"ent", "Records"])
            }
        };
        written.has_records |= key == "Records";
        string(choices, key, &mut written.text);
        blank(choices, &mut written.text);
        written.text.push(':');
        blank(choices, &mut written.text);
        let text = (choices.below(8) < 7)
            .then(|| choices.one_of(if deciding == 0 { &SOURCES } else { &NAMES }));
        match text {
            Some(text) => string(choices, text, &mut written.text),
            None => value(choices, 3, &mut written.text),
        }
        match deciding {
            0 => written.source = text.map(str::to_owned),
            1 => written.name = text.map(str::to_owned),
            _ => {}
        }
        blank(choices, &mut written.text);
    }
    written.text.push('}');
    written
}

/// A value that is no string at its top, so that it decides nothing; decoys may be inside.
fn value(choices: &mut Choices<'_>, depth: usize, text: &mut String) {
    match choices.below(if depth == 0 { 3 } else { 6 }) {
        0 => text.push_str("null"),
        1 => text.push_str("-1.688560107857E9"),
        2 => text.push_str("true"),
        3 => text.push_str("[]"),
        4 => {
            text.push('[');
            string(choices, NAMES[1], text);
            text.push(',');
            value(choices, depth - 1, text);
            text.push(']');
        }
        _ => {
            text.push_str("{\"eventName\":");
            let name = choices.one_of(&NAMES);
            string(choices, name, text);
            text.push_str(",\"eventSource\":\"iam.amazonaws.com\",\"json\":");
            string(choices, "{\"eventName\":\"UploadServerCertificate\",\"b\":\"}]\\\\\"", text);
            text.push_str(",\"deeper\":");
            value(choices, depth - 1, text);
            text.push('}');
        }
    }
}

/// A string in one of the many ways to write it.
fn string(choices: &mut Choices<'_>, decoded: &str, text: &mut String) {
    let style = choices.below(4);
    text.push('"');
    for character in decoded.chars() {
        let escaped = style == 3 && choices.below(3) == 0;
        match character {
            _ if escaped => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let digits = format!("{unit:04x}");
                    let upper = choices.below(2) == 1;
                    let digits = if upper { digits.to_uppercase() } else { digits };
                    text.push_str("\\u");
                    text.push_str(&digits);
                }
            }
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '/' if style == 2 => text.push_str("\\/"),
            other => text.push(other),
        }
    }
    text.push('"');
}

fn blank(choices: &mut Choices<'_>, text: &mut String) {
    let blank = ["", "", "", " ", "\n", "\t\r\n  "];
    text.push_str(choices.one_of(&blank));
}
