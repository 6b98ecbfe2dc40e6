//! Keys and values of configurations written before 0.1.0, and what they are called now.

/// (table, old key, new key).
const RENAMED: [(&str, &str, &str); 11] = [
    ("[delivery]", "work", "max_concurrent_messages"),
    ("[delivery]", "unacknowledged", "max_in_flight_messages"),
    ("[delivery]", "memory", "memory_limit"),
    ("[delivery]", "drain", "shutdown_grace_period"),
    ("[delivery]", "ledger", "dedup_window"),
    ("[delivery]", "visibility", "visibility_timeout"),
    ("[delivery]", "patience", "delivery_timeout"),
    ("the configuration", "posture", "credential_reports"),
    ("[credential_reports]", "credential_reports", "location"),
    ("[[source]]", "inline_records", "eventbridge_records"),
    ("[[route]] when", "lane", "channel"),
];

/// (key, old value, new value).
const RENAMED_VALUES: [(&str, &str, &str); 4] = [
    ("mode", "beside", "events"),
    ("mode", "only", "records"),
    ("channel", "file", "s3"),
    ("channel", "inline", "eventbridge"),
];

/// Returns the successor of a removed key.
pub(super) fn key(table: &str, old: &str) -> Option<&'static str> {
    successor(&RENAMED, table, old)
}

/// Returns the successor of a removed value.
pub(super) fn value(key: &str, old: &str) -> Option<&'static str> {
    successor(&RENAMED_VALUES, key, old)
}

fn successor(all: &[(&str, &str, &'static str)], within: &str, old: &str) -> Option<&'static str> {
    all.iter().find(|(place, name, _)| *place == within && *name == old).map(|(.., new)| *new)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{RENAMED, RENAMED_VALUES};
    use crate::config::parse_with;

    const REST: &str = "[[source]]\ndirectory = \"logs\"\n[[route]]\nname = \"all\"\n\
                        sinks = [\"out\"]\n[sink.out]\ntype = \"stdout\"\n";

    fn errors(text: &str) -> String {
        let parsed = parse_with("certrelay.toml", text, Path::new("."), &|_| None);
        parsed.expect_err("an error is expected").to_string()
    }

    /// A configuration in which `line` is in `table`.
    fn with(table: &str, line: &str) -> String {
        match table {
            "the configuration" => format!("[{}]\n{REST}", line.replace(" = 1", "")),
            "[[source]]" => REST.replace("directory", &format!("{line}\ndirectory")),
            "[[route]] when" => REST.replace("sinks", &format!("when = {{ {line} }}\nsinks")),
            _ => format!("{table}\n{line}\n{REST}"),
        }
    }

    #[test]
    fn a_renamed_key_is_an_error_that_names_its_successor() {
        for (table, old, new) in RENAMED {
            let text = errors(&with(table, &format!("{old} = 1")));
            assert!(text.contains(&format!("error: `{old}` was renamed to `{new}`")), "{text}");
            assert!(!text.contains("unknown key"), "{text}");
        }
    }

    #[test]
    fn a_renamed_value_is_an_error_that_names_its_successor() {
        for (key, old, new) in RENAMED_VALUES {
            let line = format!("{key} = \"{old}\"");
            let text = errors(&match key {
                "mode" => format!("{REST}[sink.soc]\ntype = \"splunk_hec\"\n{line}\n"),
                _ => with("[[route]] when", &line),
            });
            assert!(text.contains(&format!("\"{old}\" was renamed to \"{new}\"")), "{text}");
        }
    }
}
