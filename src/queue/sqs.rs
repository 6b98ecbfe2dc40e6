//! An SQS queue over the AWS SDK: the only queue that names `aws_sdk_sqs`.
//!
//! The SDK's own retries stay on. Errors that remain are reported with SQS's code, the HTTP status
//! and the request id, because that is what AWS Support asks for first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{ConfigBag, Intercept, Region, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message as SqsMessage,
    MessageSystemAttributeName as MessageAttribute, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{Entry, EntryError, Handle, MAX_BATCH, Message, Queue, QueueAttributes, Receipt};
use crate::aws_error::{Cause, Failure};
use crate::error::{Code, Error};

/// Most bytes of one message, and of one batch together.
/// Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The longest `WaitTimeSeconds`; shorter ones ask only some of SQS's hosts and cost more.
const LONG_POLL: Duration = Duration::from_secs(20);

/// The poll of a queue that has not responded yet: on an idle queue the source is otherwise not
/// ready for the time of a long poll.
const FIRST_POLL: Duration = Duration::from_secs(1);

/// Time for a response, beyond that of a long poll, which sends nothing until its end.
const RESPONSE_TIME: Duration = Duration::from_secs(10);

/// Timeout of an HTTP response.
const READ_TIMEOUT: Duration = LONG_POLL.saturating_add(RESPONSE_TIME);

/// The largest `VisibilityTimeout`: 12 h.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// An SQS queue over the AWS SDK.
pub(crate) struct SqsQueue {
    url: String,
    client: Client,
    asked: AskedHost,
    /// In seconds.
    visibility_timeout: i32,
    /// The last receive succeeded.
    responds: AtomicBool,
}

impl SqsQueue {
    /// Creates a client of the queue at `url`, without connecting. Each receive asks for
    /// `visibility_timeout`.
    #[must_use]
    pub(crate) fn new(
        config: &aws_config::SdkConfig,
        url: &str,
        region: &str,
        endpoint: Option<&str>,
        visibility_timeout: Duration,
    ) -> Self {
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        let asked = AskedHost::default();
        let mut builder = aws_sdk_sqs::config::Builder::from(config)
            .interceptor(asked.clone())
            .region(Region::new(region.to_owned()))
            .timeout_config(timeouts.read_timeout(READ_TIMEOUT).build());
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        let client = Client::from_conf(builder.build());
        let visibility_timeout = whole_seconds(visibility_timeout);
        let responds = AtomicBool::new(false);
        Self { url: url.to_owned(), client, asked, visibility_timeout, responds }
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
        let poll = if self.responds.load(Ordering::Relaxed) { LONG_POLL } else { FIRST_POLL };
        // With the SDK's retries: three time-outs in a row would be reported after minutes.
        let timeout = TimeoutConfig::builder().operation_timeout(poll + RESPONSE_TIME).build();
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max.clamp(1, MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(whole_seconds(poll))
            .visibility_timeout(self.visibility_timeout)
            .message_system_attribute_names(MessageAttribute::ApproximateReceiveCount)
            .message_system_attribute_names(MessageAttribute::SentTimestamp)
            .message_system_attribute_names(MessageAttribute::ApproximateFirstReceiveTimestamp)
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(timeout))
            .send()
            .await;
        self.responds.store(received.is_ok(), Ordering::Relaxed);
        let output = received.map_err(|error| self.failed("ReceiveMessage", &error))?;
        let messages = output.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(|message| to_message(message, received_at)).collect())
    }

    async fn change(&self, batch: Vec<(Handle, Duration)>) -> Result<Vec<Entry>, Error> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (index, (handle, timeout)) in batch.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&**handle)
                .visibility_timeout(whole_seconds(*timeout));
            request = request.entries(entry.build().map_err(|error| self.unbuilt(error))?);
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
            request = request.entries(entry.build().map_err(|error| self.unbuilt(error))?);
        }
        let output = request.send().await.map_err(|e| self.failed("DeleteMessageBatch", &e))?;
        let done = output.successful.iter().map(|entry| entry.id.as_str());
        Ok(self.in_order(batch.len(), done, &output.failed))
    }

    /// Sends one message; it is durable once this returns `Ok`.
    ///
    /// # Errors
    /// SQS rejected it, or did not respond.
    pub(crate) async fn send(&self, body: &str) -> Result<(), Error> {
        let request =
            self.client.send_message().queue_url(&self.url).message_body(escape_body(body));
        request.send().await.map(drop).map_err(|error| self.failed("SendMessage", &error))
    }

    /// Sends up to ten messages of together at most [`MAX_BODY`] bytes; each has a result of its
    /// own.
    ///
    /// # Errors
    /// The call as a whole failed; what was sent is not known.
    pub(crate) async fn send_batch(&self, bodies: &[String]) -> Result<Vec<Entry>, Error> {
        debug_assert!(bodies.len() <= MAX_BATCH);
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (index, body) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(escape_body(body));
            request = request.entries(entry.build().map_err(|error| self.unbuilt(error))?);
        }
        let output = request.send().await.map_err(|e| self.failed("SendMessageBatch", &e))?;
        let done = output.successful.iter().map(|entry| entry.id.as_str());
        Ok(self.in_order(bodies.len(), done, &output.failed))
    }

    /// Returns the entries' results in the order asked. Ids are positions in the batch: a message's
    /// own id may legitimately occur twice, and one such pair would fail the whole call.
    fn in_order<'a>(
        &self,
        asked: usize,
        done: impl Iterator<Item = &'a str>,
        failed: &[BatchResultErrorEntry],
    ) -> Vec<Entry> {
        let mut results: BTreeMap<&str, Entry> = done.map(|id| (id, Ok(()))).collect();
        results.extend(failed.iter().map(|entry| (entry.id(), Err(self.entry_error(entry)))));
        let missing = || {
            let text = format!("the response of {} omits one entry of a batch", self.url);
            Err(EntryError::Transient(Error::new(Code::SqsNoAnswer, text)))
        };
        let mut result = |index: usize| results.remove(index.to_string().as_str());
        (0..asked).map(|index| result(index).unwrap_or_else(missing)).collect()
    }

    fn entry_error(&self, entry: &BatchResultErrorEntry) -> EntryError {
        let message = entry.message().unwrap_or("no message");
        let code = entry.code().rsplit('.').next().unwrap_or_default();
        let text = format!("one entry of a batch failed on {}: {code}: {message}", self.url);
        if is_lost(code) {
            EntryError::Lost(Error::new(Code::LeaseLost, text))
        } else {
            EntryError::Transient(Error::new(error_code(code, None), text))
        }
    }

    fn failed<E>(&self, call: &str, error: &SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failure = Failure::of(error);
        let code = match failure.cause {
            Cause::Credentials => Code::SqsCredentials,
            Cause::Timeout => Code::SqsTimeout,
            Cause::Unreachable => Code::SqsUnreachable,
            Cause::NotSent | Cause::Response => {
                error_code(error.code().unwrap_or_default(), failure.status)
            }
        };
        let asked = self.asked.0.lock().clone().filter(|host| !self.url.contains(host.as_str()));
        let asked = asked.map_or_else(String::new, |host| format!(" at {host}"));
        Error::new(code, format!("{call} on {} failed{asked}: {}", self.url, failure.text))
    }

    fn unbuilt(&self, error: aws_sdk_sqs::error::BuildError) -> Error {
        Error::caused(Code::SqsError, format!("cannot build a request to {}", self.url), error)
    }
}

/// The host of the last request, which the queue's URL need not name: it follows from the region,
/// or from a configured endpoint.
#[derive(Debug, Clone, Default)]
struct AskedHost(std::sync::Arc<Mutex<Option<String>>>);

impl Intercept for AskedHost {
    fn name(&self) -> &'static str {
        "AskedHost"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = context.request().uri().parse::<Url>()?;
        *self.0.lock() = Some(url[url::Position::BeforeHost..url::Position::AfterPort].to_owned());
        Ok(())
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

/// Converts a message; `None` without a receipt handle, as nothing could be done with it.
fn to_message(message: SqsMessage, received_at: Instant) -> Option<Message> {
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

/// JSON with the two characters escaped that SQS rejects and JSON does not escape by itself.
/// Source: Amazon SQS API Reference, `SendMessage`, "`MessageBody`".
fn escape_body(body: &str) -> String {
    body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// Whole seconds, SQS's unit. Rounded up, because a release of half a second is not "at once";
/// visibility extension, which must not exceed a cap, asks in whole seconds.
fn whole_seconds(time: Duration) -> i32 {
    let time = time.min(MAX_VISIBILITY);
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// Returns whether an entry's code means that its receipt handle is no longer valid. SQS responds
/// with `InvalidParameterValue` to a handle whose visibility ended, and to a total visibility
/// beyond 12 h.
/// Source: Amazon SQS API Reference, `ChangeMessageVisibility`.
fn is_lost(code: &str) -> bool {
    matches!(code, "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidParameterValue")
}

/// Returns our code for SQS's code.
fn error_code(code: &str, status: Option<u16>) -> Code {
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
#[path = "../../tests/edges/sqs.rs"]
mod tests;
