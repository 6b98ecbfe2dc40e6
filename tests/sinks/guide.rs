//! `docs/kafka.md` is followed step by step against Apache Kafka: its commands with Kafka's own tools, its sink with
//! ours, and what its consumer prints.

use std::path::Path;

use certrelay::error::Outcome;

use super::broker::{Broker, shared};
use super::running::{events, parsed, start};
use crate::support::tier;

/// The class behind each script, as the scripts of Kafka's distribution have it.
const TOOLS: [(&str, &str); 4] = [
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
    ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
    ("kafka-console-consumer.sh", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
];

fn page() -> String {
    std::fs::read_to_string(tier::project().join("docs/kafka.md")).expect("the page")
}

/// The text of each fenced block of a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let opening = format!("```{language}\n");
    page.split(opening.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The commands for Kafka's scripts, one a line.
fn commands(page: &str) -> Vec<String> {
    let text = blocks(page, "text").concat().replace("\\\n", " ");
    text.lines().filter(|line| line.starts_with("kafka-")).map(str::to_owned).collect()
}

/// A command's words; single quotes hold one together.
fn words(command: &str) -> Vec<String> {
    let quoted = command.split('\'').enumerate().map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    quoted.flat_map(|words: Vec<String>| words).collect()
}

/// Runs a command as it stands there, on a cluster of one broker instead of three.
fn follow(broker: &Broker, command: &str, more: &[&str]) -> String {
    let here = command
        .replace("$BROKER", &broker.open)
        .replace("--replication-factor 3", "--replication-factor 1")
        .replace("min.insync.replicas=2", "min.insync.replicas=1");
    let words = words(&here);
    let (script, arguments) = words.split_first().expect("a command");
    let tool = TOOLS.iter().find(|(name, _)| name == script);
    let (_, class) = tool.unwrap_or_else(|| panic!("no tool is called {script}"));
    let more = more.iter().map(|word| (*word).to_owned());
    broker.tool(class, &arguments.iter().cloned().chain(more).collect::<Vec<_>>())
}

/// The page's first sink, with the addresses and files of here.
fn sink_of(page: &str, broker: &Broker, password: &Path) -> String {
    let shown = blocks(page, "toml").into_iter().next().expect("a configuration");
    let text = shown
        .replace("broker-1.example.com:9094", &broker.secured)
        .replace("broker-2.example.com:9094", &broker.secured)
        .replace("/run/secrets/kafka-password", &password.display().to_string())
        .replace("tls = {}", r#"tls = { ca_file = "tests/support/tls/ca.pem" }"#);
    assert!(!text.contains("broker-") && !text.contains("/run/secrets"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_leads_from_nothing_to_a_consumer_that_reads_our_events() {
    let Some(broker) = tokio::task::block_in_place(shared) else { return };
    let page = page();
    let commands = commands(&page);
    let (reading, setting_up): (Vec<String>, Vec<String>) =
        commands.into_iter().partition(|command| command.contains("console-consumer"));
    assert_eq!((reading.len(), setting_up.len()), (1, 4), "{reading:?} {setting_up:?}");
    tokio::task::block_in_place(|| {
        for command in &setting_up {
            follow(broker, command, &[]);
        }
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "choose-one").expect("written");
    let running = start(&parsed(&sink_of(&page, broker, &password)), None);
    assert_eq!(running.sink.deliver(events(3)).await, vec![Outcome::Delivered; 3]);
    running.finish().await;
    let enough = ["--max-messages", "3", "--timeout-ms", "60000"];
    let printed = tokio::task::block_in_place(|| follow(broker, &reading[0], &enough));
    let lines: Vec<&str> = printed.lines().filter(|line| line.contains("event_id:")).collect();
    assert_eq!(lines.len(), 3, "{printed}");
    for line in lines {
        for said in
            ["event_name:UploadServerCertificate", "format:ocsf", "schema_version:", "channel:"]
        {
            assert!(line.contains(said), "{said}: {line}");
        }
        assert!(line.contains("\t111122223333\t{"), "the key, then the event: {line}");
    }
}

#[test]
fn the_policy_that_the_guide_shows_for_msk_allows_what_a_producer_does_and_no_more() {
    let page = page();
    let policy = blocks(&page, "json").into_iter().next().expect("a policy");
    let policy: serde_json::Value = serde_json::from_str(policy).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let mut actions: Vec<&str> = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().expect("actions"))
        .filter_map(serde_json::Value::as_str)
        .collect();
    actions.sort_unstable();
    let expected = ["Connect", "DescribeTopic", "WriteData", "WriteDataIdempotently"];
    assert_eq!(actions, expected.map(|name| format!("kafka-cluster:{name}")));
    assert!(statements.iter().all(|statement| statement["Resource"] != "*"));
}
