//! What `scan` and `explain` print of the events that they read.

use super::{SAMPLES, run, stderr, stdout};

/// The events that a scan prints with these options, by a field of the record.
fn printed(options: &[&str], field: &str) -> Vec<String> {
    let output = run(&[&["scan", SAMPLES, "--format", "raw"], options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output);
    lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a record"))
        .map(|record| record[field].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn events_are_selected_by_time_severity_name_and_account() {
    let all = printed(&[], "eventTime");
    let (since, until) = ("2026-03-15T10:00:30Z", "2026-03-15T10:01:00Z");
    let expected: Vec<_> =
        all.iter().filter(|time| (since..until).contains(&time.as_str())).cloned().collect();
    assert!(!expected.is_empty() && expected.len() < all.len());
    assert_eq!(printed(&["--since", since, "--until", until], "eventTime"), expected);
    let names = printed(&["--event", "Upload*,GetServerCertificate"], "eventName");
    assert!(!names.is_empty());
    assert!(names.iter().all(|n| n.starts_with("Upload") || n == "GetServerCertificate"));
    assert_eq!(printed(&["--account", "999999999999"], "eventName"), Vec::<String>::new());
    assert_eq!(printed(&["--account", "111122223333"], "eventTime"), all);
    let severe = printed(&["--min-severity", "high"], "eventName");
    assert!(!severe.is_empty() && severe.len() < all.len());
}

#[test]
fn a_table_has_a_line_for_each_event_and_the_summary_counts_by_severity() {
    let output = run(&["scan", SAMPLES, "--format", "table", "--min-severity", "high"]);
    let printed = stdout(&output);
    let mut lines = printed.lines();
    assert!(lines.next().is_some_and(|header| header.starts_with("time ")), "{printed}");
    let rows: Vec<&str> = lines.collect();
    assert!(rows.iter().all(|row| row.contains(" high ") || row.contains(" critical ")));
    let summary = stderr(&output);
    assert!(summary.contains(&format!("severity: {} high\n", rows.len())), "{summary}");
}

#[test]
fn explain_takes_several_paths_and_the_same_filters() {
    let output = run(&["explain", SAMPLES, SAMPLES, "--min-severity", "high"]);
    let cards = stdout(&output).matches("severity     high\n").count();
    assert!(cards > 0 && cards.is_multiple_of(2), "{cards}");
    assert!(stderr(&output).contains("excluded by an option"), "{}", stderr(&output));
}
