//! The configuration of a child and its folder.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;

/// The sinks in [`Setup::text`] if there is Kafka.
pub(crate) const SINKS: [&str; 3] = ["lake", "soc", "archive"];

/// The servers that a child is connected to.
pub(crate) struct Setup<'a> {
    pub(crate) s3: String,
    pub(crate) sqs: &'a str,
    /// Queue URL and the bucket that sends to it.
    pub(crate) sources: Vec<(String, String)>,
    /// Bootstrap server and topic.
    pub(crate) kafka: Option<(&'a str, &'a str)>,
    pub(crate) splunk: String,
    /// Further tables.
    pub(crate) more: &'a str,
}

impl Setup<'_> {
    /// The TOML: everything goes to Splunk, a file and, if there is one, Kafka.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (queue_url, bucket) in &self.sources {
            let _ = writeln!(
                text,
                "[[source]]\nqueue_url = \"{queue_url}\"\nregion = \"us-east-1\"\nbuckets = [\"{bucket}\"]\n"
            );
        }
        let mut names = "\"soc\", \"archive\"".to_owned();
        if let Some((broker, topic)) = self.kafka {
            names.push_str(", \"lake\"");
            let _ = writeln!(
                text,
                "[sink.lake]\ntype = \"kafka\"\nbrokers = [\"{broker}\"]\ntopic = \"{topic}\"\n"
            );
        }
        let Self { s3, sqs, splunk, more, .. } = self;
        let _ = write!(
            text,
            r#"[sink.soc]
type = "splunk_hec"
endpoints = ["{splunk}"]
token = {{ file = "hec-token" }}

[sink.archive]
type = "file"
path = "events.ndjson"
format = "raw"

[aws]
s3_endpoint = "{s3}"
sqs_endpoint = "{sqs}"

[[route]]
name = "everything"
sinks = [{names}]

[http]
listen = "127.0.0.1:0"

{more}
"#
        );
        if !more.contains("[dead_letter]") {
            text.push_str("[dead_letter]\ndirectory = \"dead-letters\"\n");
        }
        text
    }
}

/// A temporary folder with the token in it.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("hec-token"), "stand-in-token\n").expect("a file");
    folder
}

/// The child's dead letters, parsed, in the order of their names.
pub(crate) fn dead_letters(folder: &Path) -> Vec<serde_json::Value> {
    let Ok(entries) = std::fs::read_dir(folder.join("dead-letters")) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    let read = |file| std::fs::read(file).expect("readable");
    files.iter().map(|file| serde_json::from_slice(&read(file)).expect("JSON")).collect()
}
