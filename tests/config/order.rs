//! Errors come in the order of their lines, all in one run, and count themselves.

use certrelay::config::Severity;

#[test]
fn all_errors_are_reported_in_the_order_of_their_lines() {
    let text = super::sound_with(
        "[log]\nlevel = \"lod\"\nformt = 1\n[delivery]\nmax_concurrent_messages = 0\n",
    ) + "formats = 1\n[decode]\nstrict = 1\n";
    let errors = super::parse(&text).unwrap_err();
    let lines: Vec<usize> = errors.diagnostics.iter().map(|one| one.line).collect();
    assert_eq!(lines, [2, 3, 5, 14, 16]);
    assert!(errors.to_string().ends_with("certrelay.toml: 5 errors"), "{errors}");
}

#[test]
fn an_absence_has_no_line_and_is_last() {
    let errors = super::parse("colour = 1\n").unwrap_err();
    let lines: Vec<usize> = errors.diagnostics.iter().map(|one| one.line).collect();
    assert_eq!(lines, [1, 0, 0, 0]);
}

#[test]
fn a_warning_alone_does_not_reject_a_configuration() {
    let config =
        super::parse(&super::sound_with("[delivery]\nshutdown_grace_period = \"115 s\"\n"))
            .unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].severity, Severity::Warning);
    assert_eq!((config.warnings[0].line, config.warnings[0].column), (2, 25));
}

#[test]
fn columns_count_characters_and_carets_are_below_them() {
    let errors = super::parse(&super::sound_with("[log]\nlevel = \"ä→é\" # ö\n")).unwrap_err();
    assert_eq!(errors.diagnostics[0].column, 9);
    let shown = errors.diagnostics[0].to_string();
    let tail: Vec<&str> = shown.lines().skip(2).collect();
    assert_eq!(tail, [" 2 | level = \"ä→é\"", "   |         ^^^^^"]);
}

#[test]
fn a_long_line_is_cut_around_its_caret() {
    let long = "x".repeat(5000);
    let text = super::sound_with(&format!("[aws]\ns3_endpoint = \"{long}\"\n"));
    let shown = super::errors(&text);
    assert!(shown.lines().all(|line| line.chars().count() < 160), "{shown}");
    assert!(shown.contains('…') && shown.contains('^'), "{shown}");
}

#[test]
fn a_summary_has_a_line_for_each_part_and_no_secret() {
    let text = r#"
[[source]]
queue_url = "https://sqs.us-east-1.amazonaws.com/111122223333/objects"
buckets = ["audit-logs"]
[[route]]
name = "reads"
when = { event = ["Get*", "List*"] }
sinks = "discard"
[[route]]
name = "default"
sinks = ["lake", "soc"]
[sink.lake]
type = "kafka"
brokers = ["broker-1.example.com:9092", "broker-2.example.com:9092"]
topic = "certificates"
required = false
[sink.soc]
type = "splunk_hec"
endpoints = ["https://hec.example.com:8088"]
token = "hunter2"
mode = "records"
[dead_letter]
redrive = true
"#;
    insta::assert_snapshot!(super::parse(text).unwrap().summary(), @r#"
    source sqs https://sqs.us-east-1.amazonaws.com/111122223333/objects in us-east-1, 1 bucket
      fetches the log files of every region; IAM writes its events to us-east-1 alone, so `regions = ["us-east-1"]` would save nearly all downloads of a trail of all regions
    events 12 names and globs
    route reads → discard
    route default → lake, soc
    sink lake kafka broker-1.example.com:9092,broker-2.example.com:9092, topic certificates, ocsf, best effort
    sink soc splunk_hec https://hec.example.com:8088/, token [redacted], raw, required
    dead_letter redrive
    delivery max_concurrent_messages 64, max_in_flight_messages 1000, memory_limit 64 MiB, shutdown_grace_period 100 s
    http off
    "#);
}

#[test]
fn a_short_visibility_timeout_is_allowed_and_warned_about() {
    let warnings = |timeout: &str| {
        let text = format!("[delivery]\nvisibility_timeout = \"{timeout}\"\n");
        super::parse(&super::sound_with(&text)).unwrap().warnings
    };
    assert!(warnings("30 s").is_empty());
    let short = warnings("2 s");
    assert_eq!(short.len(), 1);
    assert!(short[0].to_string().contains("for tests only"), "{}", short[0]);
}
