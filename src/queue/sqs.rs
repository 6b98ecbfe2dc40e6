//! The real queue: the only file that names `aws_sdk_sqs`.
//!
//! The SDK's own retries stay on. What they leave is reported with SQS's code, the HTTP status and
//! the request id, because that is what AWS Support asks for first.

mod send;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::RequestId;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message as SqsMessage,
    MessageSystemAttributeName as MessageAttribute, QueueAttributeName,
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub use self::send::MAX_BODY;

use super::facts::QueueAttributes;
use super::{Entry, EntryError, Handle, MAX_BATCH, Message, Queue, Receipt};
use crate::config::CREDENTIALS_ADVICE;
use crate::error::{Code, Error, causes, find_cause};

/// The longest `WaitTimeSeconds` there is; shorter ones ask only some of SQS's hosts and cost more.
const LONG_POLL: Duration = Duration::from_secs(20);

/// An HTTP answer may take this long: longer than a long poll, which is silent until its end.
const READ_TIME: Duration = Duration::from_secs(30);

/// `VisibilityTimeout` goes up to 12 h.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// An SQS queue over the AWS SDK.
pub struct SqsQueue {
    url: String,
    client: Client,
    visibility: i32,
}

impl SqsQueue {
    /// A queue at `url`; connects to nothing yet. `visibility` is asked for at each receive.
    #[must_use]
    pub fn new(
        config: &aws_config::SdkConfig,
        url: &str,
        region: &str,
        endpoint: Option<&str>,
        visibility: Duration,
    ) -> Self {
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        let mut builder = aws_sdk_sqs::config::Builder::from(config)
            .region(Region::new(region.to_owned()))
            .timeout_config(timeouts.read_timeout(READ_TIME).build());
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        let client = Client::from_conf(builder.build());
        Self { url: url.to_owned(), client, visibility: whole_seconds(visibility) }
    }

    async fn get_attributes(&self) -> Result<QueueAttributes, Error> {
        let output = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .attribute_names(QueueAttributeName::MessageRetentionPeriod)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .attribute_names(QueueAttributeName::Policy)
            .send()
            .await
            .map_err(|error| self.failed("GetQueueAttributes", &error))?;
        Ok(QueueAttributes::read(|name| {
            let attributes = output.attributes()?;
            attributes.get(&QueueAttributeName::from(name)).map(String::as_str)
        }))
    }

    async fn receive_some(&self, max: usize) -> Result<Vec<Message>, Error> {
        let received_at = Instant::now();
        let output = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max.clamp(1, MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(whole_seconds(LONG_POLL))
            .visibility_timeout(self.visibility)
            .message_system_attribute_names(MessageAttribute::ApproximateReceiveCount)
            .message_system_attribute_names(MessageAttribute::SentTimestamp)
            .message_system_attribute_names(MessageAttribute::ApproximateFirstReceiveTimestamp)
            .send()
            .await
            .map_err(|error| self.failed("ReceiveMessage", &error))?;
        let messages = output.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(|message| ours(message, received_at)).collect())
    }

    async fn change(&self, batch: Vec<(Handle, Duration)>) -> Result<Vec<Entry>, Error> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (index, (handle, time)) in batch.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&**handle)
                .visibility_timeout(whole_seconds(*time));
            request = request.entries(entry.build().map_err(|error| self.unbuilt(&error))?);
        }
        let output =
            request.send().await.map_err(|e| self.failed("ChangeMessageVisibilityBatch", &e))?;
        let done = output.successful.iter().map(|entry| entry.id.as_str());
        Ok(self.in_order(batch.len(), done, &output.failed))
    }

    async fn delete_all(&self, batch: Vec<Handle>) -> Result<Vec<Entry>, Error> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (index, handle) in batch.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&**handle);
            request = request.entries(entry.build().map_err(|error| self.unbuilt(&error))?);
        }
        let output = request.send().await.map_err(|e| self.failed("DeleteMessageBatch", &e))?;
        let done = output.successful.iter().map(|entry| entry.id.as_str());
        Ok(self.in_order(batch.len(), done, &output.failed))
    }

    /// The entries' answers in the order asked. Ids are places in the batch: a message's own id may
    /// legitimately be there twice, and one such pair would fail the whole call.
    fn in_order<'a>(
        &self,
        asked: usize,
        done: impl Iterator<Item = &'a str>,
        failed: &[BatchResultErrorEntry],
    ) -> Vec<Entry> {
        let mut answers: BTreeMap<&str, Entry> = done.map(|id| (id, Ok(()))).collect();
        for entry in failed {
            answers.insert(entry.id(), Err(self.entry_error(entry)));
        }
        let unanswered = || {
            let text = format!("{} did not answer for one entry of a batch", self.url);
            Err(EntryError::Transient(Error::new(Code::SqsNoAnswer, text)))
        };
        let answer = |index: usize| answers.remove(index.to_string().as_str());
        (0..asked).map(answer).map(|entry| entry.unwrap_or_else(unanswered)).collect()
    }

    fn entry_error(&self, entry: &BatchResultErrorEntry) -> EntryError {
        let message = entry.message().unwrap_or("no message");
        let code = entry.code().rsplit('.').next().unwrap_or_default();
        let text = format!("{} refused one entry of a batch: {code}: {message}", self.url);
        if is_lost(code) {
            EntryError::Lost(Error::new(Code::LeaseLost, text))
        } else {
            EntryError::Transient(Error::new(label(code, None), text))
        }
    }

    fn failed<E>(&self, call: &str, error: &SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let advice = find_cause::<CredentialsError>(error).map(|_| CREDENTIALS_ADVICE);
        let code = match error {
            _ if advice.is_some() => Code::SqsCredentials,
            SdkError::TimeoutError(_) => Code::SqsTimeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Code::SqsTimeout,
            SdkError::DispatchFailure(_) => Code::SqsUnreachable,
            _ => label(error.code().unwrap_or_default(), status),
        };
        let mut text = format!("{call} on {} failed: ", self.url);
        match (error.code(), error.message()) {
            (Some(code), message) => {
                let _ = write!(text, "{code}: {}", message.unwrap_or("no message"));
            }
            (None, _) => text.push_str(&causes(error)),
        }
        let request_id = error.meta().request_id().unwrap_or("none");
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let _ = write!(text, " (HTTP status {status}, request id {request_id})");
        text.push_str(advice.unwrap_or_default());
        Error::new(code, text)
    }

    fn unbuilt(&self, error: &aws_sdk_sqs::error::BuildError) -> Error {
        Error::new(Code::SqsError, format!("cannot build a request to {}: {error}", self.url))
    }
}

impl Queue for SqsQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(self.receive_some(max))
    }
    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(self.change(batch))
    }
    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(self.delete_all(batch))
    }
    fn attributes(&self) -> BoxFuture<'_, Result<Option<QueueAttributes>, Error>> {
        Box::pin(async move { self.get_attributes().await.map(Some) })
    }
    fn name(&self) -> &str {
        &self.url
    }
}

/// A message in our own type; without a receipt handle there is nothing anyone could do with it.
fn ours(message: SqsMessage, received_at: Instant) -> Option<Message> {
    let attributes = message.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|text| text.parse::<u64>().ok());
    let time = |name| {
        let millis = Duration::from_millis(number(name)?);
        SystemTime::UNIX_EPOCH.checked_add(millis)
    };
    let sent = time(MessageAttribute::SentTimestamp);
    let first_received = time(MessageAttribute::ApproximateFirstReceiveTimestamp);
    let receives = number(MessageAttribute::ApproximateReceiveCount).unwrap_or(1);
    Some(Message {
        id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receipt: Receipt::new(message.receipt_handle?.into()),
        receive_count: u32::try_from(receives).unwrap_or(u32::MAX),
        sent,
        first_received,
        received_at,
    })
}

/// Whole seconds as SQS takes them. Rounded up, because a release of half a second is not "at once";
/// the lease keeper, which must not pass a cap, asks in whole seconds.
fn whole_seconds(time: Duration) -> i32 {
    let time = time.min(MAX_VISIBILITY);
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// Whether the code of an entry says that its receipt is spent. `InvalidParameterValue` is how SQS
/// answers for a handle whose lease has run out, and for a total visibility beyond 12 h.
/// Source: Amazon SQS API Reference, `ChangeMessageVisibility`.
fn is_lost(code: &str) -> bool {
    matches!(code, "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidParameterValue")
}

/// The stable label for a service's code.
fn label(code: &str, status: Option<u16>) -> Code {
    match code.rsplit(['.', '#']).next().unwrap_or_default() {
        "QueueDoesNotExist" | "NonExistentQueue" => Code::SqsNoSuchQueue,
        "AccessDenied" | "AccessDeniedException" => Code::SqsAccessDenied,
        "RequestThrottled" | "ThrottlingException" | "Throttling" | "OverLimit" => {
            Code::SqsThrottled
        }
        "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "InvalidSecurity" => {
            Code::SqsCredentials
        }
        code if code.starts_with("Kms") => Code::SqsKmsDenied,
        _ => match status {
            Some(403) => Code::SqsAccessDenied,
            Some(429) => Code::SqsThrottled,
            _ => Code::SqsError,
        },
    }
}

#[cfg(test)]
mod tests;
