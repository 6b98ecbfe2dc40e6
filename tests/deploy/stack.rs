//! What the template makes of its parameters, as moto's CloudFormation works it out.

use std::collections::BTreeSet;

use certrelay::config::{Secret, SinkKind, parse_with};
use serde::Deserialize;
use serde_json::Value;

use super::{TEMPLATE, root};
use crate::support::real;

const HEC_SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:hec-AbCdEf";
const KAFKA_SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:kafka-AbCdEf";

#[derive(Deserialize)]
struct Stack {
    statements: Vec<Value>,
    command: Vec<String>,
    configuration: String,
}

/// The stack with these parameters besides those that have no default; `None` where there is no moto.
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

/// `action resource`, each by itself.
fn rights(stack: &Stack) -> BTreeSet<String> {
    let texts = |value: &Value| match value {
        Value::Array(values) => {
            values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        one => vec![one.as_str().expect("a text").to_owned()],
    };
    let mut rights = BTreeSet::new();
    for statement in &stack.statements {
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
    let few = rights(&least);
    assert_allows(
        &few,
        &[
            &format!("secretsmanager:GetSecretValue {HEC_SECRET}"),
            "s3:GetObject arn:aws:s3:::audit-logs/AWSLogs/*",
            "s3:GetObjectVersion arn:aws:s3:::audit-logs/AWSLogs/*",
        ],
    );
    for beyond in ["s3:ListBucket", "ssm:", "kms:", "kafka-AbCdEf"] {
        assert!(!few.iter().any(|right| right.contains(beyond)), "{beyond} in {few:#?}");
    }
    assert_eq!(least.command, ["run", "-c", "env:CERTRELAY_CONFIG"]);
    let config = parse_with("template", &least.configuration, root(), &|_| None);
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(config.accounts.is_none() && config.posture.is_none());
    assert_eq!(config.aws_secrets().len(), 1);

    let more = [
        "AccountsTable=s3://tables/accounts.csv",
        "CredentialReports=s3://tables/reports/",
        "ContextKeyArn=arn:aws:kms:us-east-1:111122223333:key/context",
        "SecretsKeyArn=arn:aws:kms:us-east-1:111122223333:key/secrets",
        "MoreSecretArns=arn:aws:secretsmanager:us-east-1:111122223333:secret:a,arn:aws:secretsmanager:us-east-1:111122223333:secret:b",
        "KafkaBrokers=b-1.example.com:9096",
        &format!("KafkaSecretArn={KAFKA_SECRET}"),
    ];
    let all = stack(&more).expect("moto was there before");
    let many = rights(&all);
    assert!(few.len() + 8 == many.len(), "{many:#?}");
    assert_allows(
        &many,
        &[
            &format!("secretsmanager:GetSecretValue {KAFKA_SECRET}"),
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:111122223333:secret:a",
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:111122223333:secret:b",
            "s3:GetObject arn:aws:s3:::tables/accounts.csv",
            "s3:GetObject arn:aws:s3:::tables/reports/*",
            "s3:ListBucket arn:aws:s3:::tables",
            "kms:Decrypt arn:aws:kms:us-east-1:111122223333:key/context",
            "kms:Decrypt arn:aws:kms:us-east-1:111122223333:key/secrets",
        ],
    );
    let config = parse_with("template", &all.configuration, root(), &|_| None);
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(config.accounts.is_some() && config.posture.is_some());
    assert_eq!(config.aws_secrets().len(), 2);
    let SinkKind::Kafka(kafka) = &config.sinks[1].kind else { panic!("{:?}", config.sinks) };
    assert!(matches!(kafka.auth.password(), Some(Secret::Aws(_))));
}

#[test]
fn a_configuration_of_ones_own_is_named_to_the_task_and_it_may_read_it() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/configuration";
    for (place, right) in [
        (
            "s3://configs/prod/certrelay.toml",
            "s3:GetObject arn:aws:s3:::configs/prod/certrelay.toml",
        ),
        (
            "ssm:/certrelay/config",
            "ssm:GetParameter arn:aws:ssm:us-east-1:123456789012:parameter/certrelay/config",
        ),
    ] {
        let parameters = [format!("ConfigLocation={place}"), format!("ConfigKeyArn={key}")];
        let Some(stack) = stack(&parameters.each_ref().map(String::as_str)) else { return };
        assert_eq!(stack.command, ["run", "-c", place]);
        assert_allows(&rights(&stack), &[right, &format!("kms:Decrypt {key}")]);
    }
}
