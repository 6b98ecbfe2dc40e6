//! Mistakes come in the order of their lines, all in one run, and count themselves.

use certrelay::config::Severity;

#[test]
fn all_mistakes_are_told_in_the_order_of_their_lines() {
    let text = super::sound_with("[log]\nlevel = \"lod\"\nformt = 1\n[delivery]\nwork = 0\n")
        + "formats = 1\n[decode]\nstrict = 1\n";
    let mistakes = super::parse(&text).unwrap_err();
    let lines: Vec<usize> = mistakes.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 5, 14, 16]);
    assert!(mistakes.to_string().ends_with("certrelay.toml: 5 mistakes"), "{mistakes}");
}

#[test]
fn an_absence_has_no_line_and_stands_last() {
    let mistakes = super::parse("colour = 1\n").unwrap_err();
    let lines: Vec<usize> = mistakes.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 0, 0, 0]);
}

#[test]
fn a_warning_alone_does_not_refuse_a_configuration() {
    let config = super::parse(&super::sound_with("[delivery]\ndrain = \"115 s\"\n")).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].severity, Severity::Warning);
    assert_eq!((config.warnings[0].line, config.warnings[0].column), (2, 9));
}

#[test]
fn columns_count_characters_and_carets_stand_under_them() {
    let mistakes = super::parse(&super::sound_with("[log]\nlevel = \"ä→é\" # ö\n")).unwrap_err();
    assert_eq!(mistakes.problems[0].column, 9);
    let shown = mistakes.problems[0].to_string();
    let tail: Vec<&str> = shown.lines().skip(2).collect();
    assert_eq!(tail, [" 2 | level = \"ä→é\"", "   |         ^^^^^"]);
}

#[test]
fn a_long_line_is_cut_around_its_caret() {
    let long = "x".repeat(5000);
    let text = super::sound_with(&format!("[aws]\ns3_endpoint = \"{long}\"\n"));
    let shown = super::mistakes(&text);
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
mode = "only"
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
    delivery work 64, unacknowledged 1000, memory 64 MiB, drain 100 s
    http off
    "#);
}

#[test]
fn a_visibility_for_tests_is_allowed_and_warned_about() {
    let warnings = |visibility: &str| {
        let text = format!("[delivery]\nvisibility = \"{visibility}\"\n");
        super::parse(&super::sound_with(&text)).unwrap().warnings
    };
    assert!(warnings("30 s").is_empty());
    let short = warnings("2 s");
    assert_eq!(short.len(), 1);
    assert!(short[0].to_string().contains("for tests only"), "{}", short[0]);
}
