//! The actions that a consumer, a producer or a set-up script calls, from JSON to the model and
//! back.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::response::{self, ErrorResponse};
use super::{Endpoint, attributes};
use crate::support::clock::Millis;
use crate::support::queue_core::{BatchResult, QueueError, Received, Settings};
use crate::support::sqs::Receive;

type ActionResult = Result<Value, ErrorResponse>;

/// Runs one action.
pub async fn call(endpoint: &Endpoint, action: &str, input: &Value) -> ActionResult {
    match action {
        "CreateQueue" => create_queue(endpoint, input),
        "GetQueueUrl" => get_queue_url(endpoint, input),
        "ListQueues" => Ok(list_queues(endpoint, input)),
        "GetQueueAttributes" => get_attributes(endpoint, input),
        "SetQueueAttributes" => set_attributes(endpoint, input),
        "PurgeQueue" => {
            let queue = queue(input)?;
            endpoint.sqs.with(|core, _| core.purge(queue))?;
            Ok(json!({}))
        }
        "SendMessage" => send(endpoint, queue(input)?, input).map_err(ErrorResponse::from),
        "SendMessageBatch" => {
            let each = |entry: &Value| send(endpoint, queue_of(input), entry);
            batch(endpoint, input, each)
        }
        "ReceiveMessage" => receive(endpoint, input).await,
        "ChangeMessageVisibility" => change_visibility(endpoint, queue(input)?, input)
            .map(|()| json!({}))
            .map_err(ErrorResponse::from),
        "ChangeMessageVisibilityBatch" => {
            let each = |entry: &Value| change_visibility(endpoint, queue_of(input), entry);
            batch(endpoint, input, |entry| each(entry).map(|()| json!({})))
        }
        "DeleteMessage" => {
            delete(endpoint, queue(input)?, input).map(|()| json!({})).map_err(ErrorResponse::from)
        }
        "DeleteMessageBatch" => {
            let each = |entry: &Value| delete(endpoint, queue_of(input), entry);
            batch(endpoint, input, |entry| each(entry).map(|()| json!({})))
        }
        other => Err(response::unknown_operation(other)),
    }
}

fn create_queue(endpoint: &Endpoint, input: &Value) -> ActionResult {
    let name = text(input, "QueueName").ok_or_else(|| response::missing("QueueName"))?;
    let mut settings = Settings::default();
    attributes::apply(&mut settings, input.get("Attributes"))?;
    endpoint.sqs.create(name, settings);
    Ok(json!({ "QueueUrl": endpoint.queue_url(name) }))
}

fn get_queue_url(endpoint: &Endpoint, input: &Value) -> ActionResult {
    let name = text(input, "QueueName").ok_or_else(|| response::missing("QueueName"))?;
    endpoint.sqs.with(|core, _| core.settings(name).map(|_| ()))?;
    Ok(json!({ "QueueUrl": endpoint.queue_url(name) }))
}

fn list_queues(endpoint: &Endpoint, input: &Value) -> Value {
    let prefix = text(input, "QueueNamePrefix").unwrap_or_default();
    let urls = endpoint.sqs.with(|core, _| {
        let named = core.names().filter(|name| name.starts_with(prefix));
        named.map(|name| endpoint.queue_url(name)).collect::<Vec<_>>()
    });
    json!({ "QueueUrls": urls })
}

fn get_attributes(endpoint: &Endpoint, input: &Value) -> ActionResult {
    let queue = queue(input)?;
    let requested = names(input, "AttributeNames");
    endpoint.sqs.with(|core, now| {
        let counts = core.counts(queue, now)?;
        let created = core.created(queue)?;
        let settings = core.settings(queue)?;
        Ok(json!({ "Attributes": attributes::describe(queue, created, settings, counts, &requested) }))
    })
}

fn set_attributes(endpoint: &Endpoint, input: &Value) -> ActionResult {
    let queue = queue(input)?;
    endpoint.sqs.with(|core, _| {
        let settings = core.settings(queue)?;
        let mut changed = settings.clone();
        attributes::apply(&mut changed, input.get("Attributes"))?;
        *settings = changed;
        Ok(json!({}))
    })
}

fn send(endpoint: &Endpoint, queue: &str, entry: &Value) -> Result<Value, QueueError> {
    let body = text(entry, "MessageBody").unwrap_or_default();
    if body.is_empty() {
        return Err(QueueError::InvalidParameterValue("MessageBody must not be empty.".to_owned()));
    }
    let delay = millis(entry, "DelaySeconds");
    let attributes = entry.get("MessageAttributes").cloned();
    let id = endpoint.sqs.with(|core, now| core.send(queue, body, attributes, delay, now))?;
    Ok(json!({ "MessageId": id, "MD5OfMessageBody": response::md5_of(body) }))
}

async fn receive(endpoint: &Endpoint, input: &Value) -> ActionResult {
    let request = Receive {
        max: match input.get("MaxNumberOfMessages") {
            None | Some(Value::Null) => 1,
            Some(max) => max.as_u64().and_then(|max| usize::try_from(max).ok()).unwrap_or(0),
        },
        visibility: millis(input, "VisibilityTimeout"),
        wait: millis(input, "WaitTimeSeconds").map(Duration::from_millis),
    };
    if request.wait.is_some_and(|wait| wait > Duration::from_secs(20)) {
        let reason = "Must be >= 0 and <= 20, if provided.";
        let text = format!("Value for parameter WaitTimeSeconds is invalid. Reason: {reason}");
        return Err(QueueError::InvalidParameterValue(text).into());
    }
    let messages = endpoint.sqs.receive(queue(input)?, request).await?;
    // Both names are in use: the older one in older SDKs.
    let mut requested = names(input, "MessageSystemAttributeNames");
    requested.extend(names(input, "AttributeNames"));
    let with_attributes = !names(input, "MessageAttributeNames").is_empty();
    let shown = |message: Received| describe(message, &requested, with_attributes);
    Ok(if messages.is_empty() {
        json!({})
    } else {
        json!({ "Messages": messages.into_iter().map(shown).collect::<Vec<_>>() })
    })
}

/// A received message; system attributes only if requested.
fn describe(message: Received, requested: &[&str], with_attributes: bool) -> Value {
    let source = message.source.as_deref().map(attributes::arn);
    let attributes = [
        ("SenderId", Some("AIDAEXAMPLE".to_owned())),
        ("SentTimestamp", Some(message.sent.to_string())),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(message.first_received.to_string())),
        ("DeadLetterQueueSourceArn", source),
    ];
    let is_requested = |name: &str| requested.contains(&"All") || requested.contains(&name);
    let attributes: Map<String, Value> = attributes
        .into_iter()
        .filter(|(name, _)| is_requested(name))
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect();
    let mut shown = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": response::md5_of(&message.body),
        "Body": &*message.body,
    });
    if !attributes.is_empty() {
        shown["Attributes"] = Value::Object(attributes);
    }
    if let Some(attributes) = message.attributes.filter(|_| with_attributes) {
        shown["MessageAttributes"] = attributes;
    }
    shown
}

fn change_visibility(endpoint: &Endpoint, queue: &str, entry: &Value) -> Result<(), QueueError> {
    let handle = text(entry, "ReceiptHandle").unwrap_or_default();
    let timeout = millis(entry, "VisibilityTimeout").unwrap_or_default();
    endpoint.sqs.with(|core, now| core.change_visibility(queue, handle, timeout, now))
}

fn delete(endpoint: &Endpoint, queue: &str, entry: &Value) -> Result<(), QueueError> {
    let handle = text(entry, "ReceiptHandle").unwrap_or_default();
    endpoint.sqs.with(|core, now| core.delete(queue, handle, now))
}

/// A batch call: `each` on every entry, its result with the entry's id in `Successful` or `Failed`.
fn batch(
    endpoint: &Endpoint,
    input: &Value,
    each: impl Fn(&Value) -> Result<Value, QueueError>,
) -> ActionResult {
    let queue = queue(input)?;
    let entries = input.get("Entries").and_then(Value::as_array).cloned().unwrap_or_default();
    let id = |entry: &Value| text(entry, "Id").unwrap_or_default().to_owned();
    let entries = entries.into_iter().map(|entry| (id(&entry), entry)).collect::<Vec<_>>();
    // The checks and the seeded failures are under one lock; the entries run one by one after it.
    let admitted: BatchResult<Value> = endpoint.sqs.with(|core, _| {
        core.settings(queue)?;
        core.batch(entries, |_, entry| Ok(entry))
    })?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in admitted {
        match entry.and_then(|entry| each(&entry)) {
            Ok(mut result) => {
                result["Id"] = Value::from(id);
                successful.push(result);
            }
            Err(error) => failed.push(response::failed_entry(&id, &error)),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

/// The queue's name: the last part of its URL.
fn queue(input: &Value) -> Result<&str, ErrorResponse> {
    text(input, "QueueUrl")
        .map_or_else(|| Err(response::missing("QueueUrl")), |_| Ok(queue_of(input)))
}

fn queue_of(input: &Value) -> &str {
    let url = text(input, "QueueUrl").unwrap_or_default();
    url.rsplit('/').next().unwrap_or_default()
}

fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name)?.as_str()
}

fn millis(input: &Value, name: &str) -> Option<Millis> {
    Some(input.get(name)?.as_u64()?.saturating_mul(1000))
}

fn names<'a>(input: &'a Value, name: &str) -> Vec<&'a str> {
    let list = input.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}
