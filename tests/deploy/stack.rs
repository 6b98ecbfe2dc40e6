//! What the template makes of its parameters, as moto's CloudFormation works it out.

use std::collections::{BTreeMap, BTreeSet};

use certrelay::config::{
    Config, DeadLetterConfig, DeadLetterLocation, KafkaAuth, Secret, SinkKind, parse_with,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{TEMPLATE, read, root};
use crate::support::real;

const HEC_SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:hec-AbCdEf";
const KAFKA_SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:kafka-AbCdEf";

/// What `tests/real/stack.py` prints.
#[derive(Deserialize)]
struct Stack {
    refused: Vec<String>,
    service: Vec<Value>,
    one_off: Vec<Value>,
    managed: Vec<Value>,
    senders: Vec<String>,
    command: Vec<String>,
    configuration: Option<String>,
    secrets: Vec<String>,
    retention: [u32; 2],
    watched: BTreeMap<String, Value>,
}

/// The stack with these parameters besides those that have no default, and a Splunk unless they
/// leave it out; `None` where there is no moto.
fn stack(more: &[&str]) -> Option<Stack> {
    let moto = real::moto()?;
    let template = root().join(TEMPLATE);
    let token = format!("SplunkTokenSecretArn={HEC_SECRET}");
    let mut flags = vec![
        "--template",
        template.to_str().expect("a path"),
        "TrailBucket=audit-logs",
        "TrailBucketAccount=111122223333",
        "SplunkEndpoint=https://hec.example.com:8088",
        "Image=111122223333.dkr.ecr.us-east-1.amazonaws.com/certrelay@sha256:0",
        &token,
    ];
    flags.extend_from_slice(more);
    let printed = moto.python("stack.py", &flags, "");
    Some(serde_json::from_slice(&printed).expect("JSON"))
}

/// What leaves Splunk out.
const NO_SPLUNK: [&str; 2] = ["SplunkEndpoint=", "SplunkTokenSecretArn="];

fn configuration(stack: &Stack) -> Config {
    let text = stack.configuration.as_deref().expect("the template's own");
    let config = parse_with("template", text, root(), &|_| None);
    config.unwrap_or_else(|errors| panic!("{errors}"))
}

/// `action resource`, each by itself.
fn rights(statements: &[Value]) -> BTreeSet<String> {
    let texts = |value: &Value| match value {
        Value::Array(values) => {
            values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        one => vec![one.as_str().expect("a text").to_owned()],
    };
    let mut rights = BTreeSet::new();
    for statement in statements {
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                rights.insert(format!("{action} {resource}"));
            }
        }
    }
    rights
}

fn assert_allows(rights: &BTreeSet<String>, wanted: &[&str]) {
    for right in wanted {
        assert!(rights.contains(*right), "no {right} in {rights:#?}");
    }
}

#[test]
fn a_task_may_read_the_secrets_and_the_context_that_it_is_told_of_and_no_others() {
    let Some(least) = stack(&[]) else { return };
    let few = rights(&least.service);
    assert_allows(
        &few,
        &[
            &format!("secretsmanager:GetSecretValue {HEC_SECRET}"),
            "s3:GetObject arn:aws:s3:::audit-logs/AWSLogs/*",
            "s3:GetObjectVersion arn:aws:s3:::audit-logs/AWSLogs/*",
        ],
    );
    for beyond in
        ["s3:ListBucket", "s3:DeleteObject", "sqs:SendMessage", "ssm:", "kms:", "kafka-AbCdEf"]
    {
        assert!(!few.iter().any(|right| right.contains(beyond)), "{beyond} in {few:#?}");
    }
    assert_eq!(least.command, ["run", "-c", "env:CERTRELAY_CONFIG"]);
    let config = configuration(&least);
    assert!(config.accounts.is_none() && config.credential_reports.is_none());
    assert_eq!(config.aws_secrets().len(), 1);

    let more = [
        "AccountsTable=s3://tables/accounts.csv",
        "CredentialReports=s3://tables/reports/weekly/",
        "ContextKeyArn=arn:aws:kms:us-east-1:111122223333:key/context",
        "SecretsKeyArn=arn:aws:kms:us-east-1:111122223333:key/secrets",
        "MoreSecretArns=arn:aws:secretsmanager:us-east-1:111122223333:secret:a,arn:aws:secretsmanager:us-east-1:111122223333:secret:b",
        "KafkaBrokers=b-1.example.com:9096",
        &format!("KafkaSecretArn={KAFKA_SECRET}"),
    ];
    let all = stack(&more).expect("moto was there before");
    let many = rights(&all.service);
    assert!(few.len() + 8 == many.len(), "{many:#?}");
    assert_allows(
        &many,
        &[
            &format!("secretsmanager:GetSecretValue {KAFKA_SECRET}"),
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:111122223333:secret:a",
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:111122223333:secret:b",
            "s3:GetObject arn:aws:s3:::tables/accounts.csv",
            "s3:GetObject arn:aws:s3:::tables/reports/weekly/*",
            "s3:ListBucket arn:aws:s3:::tables",
            "kms:Decrypt arn:aws:kms:us-east-1:111122223333:key/context",
            "kms:Decrypt arn:aws:kms:us-east-1:111122223333:key/secrets",
        ],
    );
    let listing = all.service.iter().find(|right| right["Action"] == "s3:ListBucket");
    let prefix = &listing.expect("it was found before")["Condition"]["StringLike"]["s3:prefix"];
    assert_eq!(prefix, "reports*");
    let config = configuration(&all);
    assert!(config.accounts.is_some() && config.credential_reports.is_some());
    assert_eq!(config.aws_secrets().len(), 2);
    let SinkKind::Kafka(kafka) = &config.sinks[1].kind else { panic!("{:?}", config.sinks) };
    assert!(matches!(kafka.auth.password(), Some(Secret::Aws(_))));
}

#[test]
fn a_configuration_of_ones_own_is_named_to_the_task_and_it_may_read_it() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/configuration";
    let (place, right) = (
        "s3://configs/prod/certrelay.toml",
        "s3:GetObject arn:aws:s3:::configs/prod/certrelay.toml",
    );
    let parameters = [format!("ConfigLocation={place}"), format!("ConfigKeyArn={key}")];
    let Some(stack) = stack(&parameters.each_ref().map(String::as_str)) else { return };
    assert_eq!(stack.command, ["run", "-c", place]);
    assert_eq!(stack.configuration, None, "one that nothing reads misleads");
    assert_allows(&rights(&stack.service), &[right, &format!("kms:Decrypt {key}")]);
}

#[test]
fn buckets_are_used_only_of_the_accounts_that_own_them() {
    let Some(named) = stack(&[]) else { return };
    let own = stack(&["TrailBucketAccount="]).expect("moto was there before");
    let (named, own) = (configuration(&named), configuration(&own));
    let owner_of = |config: &Config| config.sources[0].buckets[0].expected_owner.clone();
    let dead_letter_owner = |config: &Config| match &config.dead_letter {
        DeadLetterConfig::Write {
            location: DeadLetterLocation::S3 { expected_owner, .. }, ..
        } => expected_owner.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(owner_of(&named).as_deref(), Some("111122223333"));
    // The stack's own account, whichever it is.
    assert!(dead_letter_owner(&own).is_some());
    assert_eq!(owner_of(&own), dead_letter_owner(&own));
    assert_eq!(dead_letter_owner(&named), dead_letter_owner(&own));
}

#[test]
fn single_tasks_may_replay_and_backfill_and_take_no_messages() {
    let Some(stack) = stack(&["TrailPrefix=organisation/"]) else { return };
    let (service, one_off) = (rights(&stack.service), rights(&stack.one_off));
    let names = |rights: Vec<&String>| -> Vec<String> {
        rights.iter().filter_map(|right| right.split(' ').next()).map(str::to_owned).collect()
    };
    assert_eq!(
        names(service.difference(&one_off).collect()),
        ["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"]
            .map(|name| format!("sqs:{name}"))
    );
    assert_eq!(
        names(one_off.difference(&service).collect()),
        ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:ListBucket", "sqs:SendMessage"]
    );
    let listed: Vec<&Value> = stack
        .one_off
        .iter()
        .filter(|statement| statement["Action"] == "s3:ListBucket")
        .map(|statement| &statement["Condition"]["StringLike"]["s3:prefix"])
        .collect();
    assert_eq!(listed, [&json!("letters/*"), &json!("organisation/AWSLogs/*")]);
}

#[test]
fn kafka_alone_logs_in_to_msk_with_the_tasks_role() {
    let mut parameters = NO_SPLUNK.to_vec();
    let brokers = "KafkaBrokers=b-1.lake.abc123.c2.kafka.us-east-1.amazonaws.com:9098,b-2.lake.abc123.c2.kafka.us-east-1.amazonaws.com:9098";
    parameters.extend([brokers, "TaskPolicyArns=arn:aws:iam::111122223333:policy/write-to-lake"]);
    let Some(stack) = stack(&parameters) else { return };
    assert!(stack.refused.is_empty(), "{:?}", stack.refused);
    assert!(stack.secrets.is_empty(), "{:?}", stack.secrets);
    let rights = rights(&stack.service);
    assert!(!rights.iter().any(|right| right.contains("secretsmanager")), "{rights:#?}");
    assert_eq!(stack.managed, vec![json!("arn:aws:iam::111122223333:policy/write-to-lake"); 2]);
    let config = configuration(&stack);
    assert_eq!(config.sinks.len(), 1);
    let SinkKind::Kafka(kafka) = &config.sinks[0].kind else { panic!("{:?}", config.sinks) };
    assert_eq!(kafka.brokers.len(), 2);
    let KafkaAuth::AwsMskIam { region, .. } = &kafka.auth else { panic!("{:?}", kafka.auth) };
    assert_eq!(region, "us-east-1");
}

#[test]
fn a_stack_without_a_destination_or_a_token_is_refused_before_it_is_made() {
    let Some(nowhere) = stack(&NO_SPLUNK) else { return };
    assert!(nowhere.refused[0].contains("Name a destination"), "{:?}", nowhere.refused);
    let no_token = stack(&["SplunkTokenSecretArn="]).expect("moto was there before");
    assert_eq!(no_token.refused, ["SplunkEndpoint needs SplunkTokenSecretArn."]);
    let own = ["SplunkTokenSecretArn=", "ConfigLocation=s3://configs/certrelay.toml"];
    let own = stack(&own).expect("moto was there before");
    assert!(own.refused.is_empty(), "{:?}", own.refused);
}

#[test]
fn only_the_bucket_the_topic_or_the_rule_may_send() {
    let Some(least) = stack(&[]) else { return };
    assert_eq!(least.senders, ["TheBucket"]);
    for (parameter, senders) in [
        ("TrailTopicArn=arn:aws:sns:eu-west-1:111122223333:trail", ["TheTopic"].as_slice()),
        (
            "TrailRuleArn=arn:aws:events:us-east-1:111122223333:rule/trail",
            &["TheBucket", "TheRule"],
        ),
    ] {
        assert_eq!(stack(&[parameter]).expect("moto was there before").senders, senders);
    }
}

/// A message's age is counted from when it was first sent, in both queues.
#[test]
fn what_the_queue_gives_up_on_its_last_day_can_still_be_redriven_for_some() {
    let Some(stack) = stack(&[]) else { return };
    let [queue, dead_letters] = stack.retention;
    assert_eq!(dead_letters, 14 * 24 * 3600, "SQS allows no more");
    assert!(queue + 4 * 24 * 3600 <= dead_letters, "{queue}");
}

#[test]
fn every_alarm_has_its_page_and_silence_is_watched_unless_told_otherwise() {
    let Some(stack) = stack(&[]) else { return };
    let page = read("docs/operations.md");
    let alarms: Vec<&String> =
        stack.watched.keys().filter(|name| name.ends_with("Alarm")).collect();
    assert_eq!(alarms.len(), 7, "{alarms:?}");
    for name in alarms {
        let description = stack.watched[name]["AlarmDescription"].to_string();
        let see = format!("See {name} in docs/operations.md.");
        assert!(description.contains(&see), "{name}: {description}");
        assert!(page.contains(&format!("\n### {name}\n")), "docs/operations.md: no {name}");
        assert!(stack.watched[name].get("AlarmActions").is_some(), "{name} tells nobody");
    }
    let silence = &stack.watched["SilenceAlarm"];
    assert_eq!(silence["TreatMissingData"], "breaching");
    assert_eq!(silence["EvaluationPeriods"], "3");
    let quiet = self::stack(&["SilenceHours=0"]).expect("moto was there before");
    assert!(!quiet.watched.contains_key("SilenceAlarm"));
}

/// The alarm for what fails again and again counts a line of the log.
#[test]
fn the_line_that_the_retry_alarm_counts_is_written() {
    let Some(stack) = stack(&[]) else { return };
    let pattern = stack.watched["RetryFilter"]["FilterPattern"].as_str().expect("a text");
    let line = pattern.split(['"', '*']).nth(1).expect("a message");
    let written = read("src/pipeline/message.rs");
    let note = written.split("fn note_retry(").nth(1);
    let note = note.and_then(|rest| rest.split("\n    }\n").next());
    let note = note.expect("the function that logs a release");
    assert!(note.contains(&format!("\"{line}\"")), "{line} is not in {note}");
    assert!(pattern.contains("$.attempt > ") && note.contains("            attempt = "), "{note}");
}
