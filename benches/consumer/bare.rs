//! The bare loop: ReceiveMessage, GetObject, DeleteMessageBatch, and nothing else.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Set in the environment of the child that is to be the bare loop; holds the queue's URL.
pub(crate) const ROLE: &str = "CERTRELAY_BENCH_BARE";

/// Receive calls at once, as certrelay makes them when the queue is full.
const RECEIVERS: usize = 4;

/// Runs until killed.
pub(crate) async fn run(concurrency: usize) -> Result<(), Box<dyn Error>> {
    let url = std::env::var(ROLE)?;
    let config = aws_config::from_env().load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let sqs = aws_sdk_sqs::Client::new(&config);
    let permits = Arc::new(Semaphore::new(concurrency));
    let mut receivers = JoinSet::new();
    for _ in 0..RECEIVERS {
        receivers.spawn(receive(sqs.clone(), s3.clone(), url.clone(), Arc::clone(&permits)));
    }
    receivers.join_all().await;
    Ok(())
}

async fn receive(
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    url: String,
    permits: Arc<Semaphore>,
) {
    let mut batches = JoinSet::new();
    loop {
        while batches.try_join_next().is_some() {}
        let Ok(permits) = Arc::clone(&permits).acquire_many_owned(10).await else { return };
        let call = sqs.receive_message().queue_url(&url).max_number_of_messages(10);
        let Ok(response) = call.wait_time_seconds(20).send().await else { continue };
        let messages = response.messages.unwrap_or_default();
        let (sqs, s3, url) = (sqs.clone(), s3.clone(), url.clone());
        batches.spawn(async move {
            let mut gets = JoinSet::new();
            for message in messages {
                gets.spawn(get(s3.clone(), message));
            }
            let entries = gets.join_all().await;
            let entries = entries.into_iter().flatten().enumerate().filter_map(|(n, handle)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
                entry.receipt_handle(handle).build().ok()
            });
            let entries = Some(entries.collect::<Vec<_>>()).filter(|entries| !entries.is_empty());
            if let Some(entries) = entries {
                let call = sqs.delete_message_batch().queue_url(url).set_entries(Some(entries));
                let _ = call.send().await;
            }
            drop(permits);
        });
    }
}

/// Fetches the object that the message names; returns the receipt handle on success.
async fn get(s3: aws_sdk_s3::Client, message: Message) -> Option<String> {
    let body: Value = serde_json::from_str(message.body()?).ok()?;
    let object = &body["Records"][0]["s3"];
    let call = s3.get_object().bucket(object["bucket"]["name"].as_str()?);
    let response = call.key(object["object"]["key"].as_str()?).send().await.ok()?;
    response.body.collect().await.ok()?;
    message.receipt_handle
}
