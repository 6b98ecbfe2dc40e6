//! Queue attributes: the map of strings that represents a queue's settings.

use serde_json::{Map, Value, json};

use super::response::{self, ErrorResponse};
use crate::support::clock::Millis;
use crate::support::queue_core::{ACCOUNT, Counts, QueueError, REGION, Redrive, Settings};

/// A queue's ARN.
pub fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// Applies the `Attributes` of `CreateQueue` or `SetQueueAttributes` to `settings`.
pub fn apply(settings: &mut Settings, attributes: Option<&Value>) -> Result<(), ErrorResponse> {
    let Some(attributes) = attributes.and_then(Value::as_object) else { return Ok(()) };
    for (name, value) in attributes {
        let text = value.as_str().unwrap_or_default();
        match name.as_str() {
            "VisibilityTimeout" => settings.visibility = seconds(name, text, 43_200)?,
            "DelaySeconds" => settings.delay = seconds(name, text, 900)?,
            "ReceiveMessageWaitTimeSeconds" => settings.receive_wait = seconds(name, text, 20)?,
            "MessageRetentionPeriod" => {
                settings.retention = Some(seconds(name, text, 1_209_600)?);
            }
            "RedrivePolicy" => settings.redrive = redrive(text)?,
            "Policy" => settings.policy = (!text.is_empty()).then(|| text.to_owned()),
            // Accepted and without effect here: encryption, maximum size, who may redrive to it.
            "KmsMasterKeyId"
            | "KmsDataKeyReusePeriodSeconds"
            | "SqsManagedSseEnabled"
            | "MaximumMessageSize"
            | "RedriveAllowPolicy" => {}
            other => return Err(response::unknown_operation(&format!("attribute {other}"))),
        }
    }
    Ok(())
}

/// Returns all of a queue's attributes, or those requested by name.
pub fn describe(
    queue: &str,
    created: Millis,
    settings: &Settings,
    counts: Counts,
    requested: &[&str],
) -> Value {
    let text = |number: u64| Value::from(number.to_string());
    let mut all = Map::new();
    let mut put = |name: &str, value| all.insert(name.to_owned(), value);
    put("QueueArn", Value::from(arn(queue)));
    put("ApproximateNumberOfMessages", Value::from(counts.ready.to_string()));
    put("ApproximateNumberOfMessagesNotVisible", Value::from(counts.in_flight.to_string()));
    put("ApproximateNumberOfMessagesDelayed", Value::from(counts.delayed.to_string()));
    put("CreatedTimestamp", text(created / 1000));
    put("LastModifiedTimestamp", text(created / 1000));
    put("VisibilityTimeout", text(settings.visibility / 1000));
    put("DelaySeconds", text(settings.delay / 1000));
    put("ReceiveMessageWaitTimeSeconds", text(settings.receive_wait / 1000));
    put("MaximumMessageSize", text(262_144));
    if let Some(retention) = settings.retention {
        put("MessageRetentionPeriod", text(retention / 1000));
    }
    if let Some(redrive) = &settings.redrive {
        let policy = json!({
            "deadLetterTargetArn": arn(&redrive.dead_letter),
            "maxReceiveCount": redrive.max_receive_count,
        });
        put("RedrivePolicy", Value::from(policy.to_string()));
    }
    if let Some(policy) = &settings.policy {
        put("Policy", Value::from(policy.clone()));
    }
    all.retain(|name, _| requested.contains(&"All") || requested.contains(&name.as_str()));
    Value::Object(all)
}

fn seconds(name: &str, text: &str, most: u64) -> Result<Millis, ErrorResponse> {
    let value = text.parse::<u64>().ok().filter(|value| *value <= most);
    value.map(|value| value * 1000).ok_or_else(|| {
        QueueError::InvalidParameterValue(format!("Invalid value for the parameter {name}.")).into()
    })
}

/// `maxReceiveCount` is a number or a string, depending on the tool; AWS accepts both.
fn redrive(text: &str) -> Result<Option<Redrive>, ErrorResponse> {
    if text.is_empty() {
        return Ok(None);
    }
    let policy: Value = serde_json::from_str(text).map_err(|error| response::malformed(&error))?;
    let target = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.rsplit(':').next());
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    match (target, count.and_then(|count| u32::try_from(count).ok())) {
        (Some(target), Some(max_receive_count)) if max_receive_count > 0 => {
            Ok(Some(Redrive { dead_letter: target.to_owned(), max_receive_count }))
        }
        _ => Err(QueueError::InvalidParameterValue(format!(
            "Value {text} for parameter RedrivePolicy is invalid."
        ))
        .into()),
    }
}
