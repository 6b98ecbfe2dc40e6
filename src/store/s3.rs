//! The real store: the only file that names `aws_sdk_s3`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

mod listing;
mod write;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Region, ResponseChecksumValidation, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::RequestPayer;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};

pub use self::listing::{Ask, Listed, Listing};

use super::classify::classify;
use super::{Body, Location, ObjectRef, Store, StoreError, StoreErrorKind};
use crate::config::CREDENTIALS_ADVICE;
use crate::error::{causes, find_cause};

/// Clients kept, and bucket regions remembered, at most; beyond it the memory starts afresh.
const REMEMBERED: usize = 64;

/// S3 must begin to answer, and a body must go on, within this time.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// How often a body that broke is taken up again where it broke.
const RESUMES: u32 = 3;

/// How one bucket is read, where that is not how the others are.
#[derive(Debug, Clone, Default)]
pub struct BucketAccess {
    /// With these rights instead of the store's.
    pub config: Option<aws_config::SdkConfig>,
    /// Account that must own the bucket; S3 answers 403 where another does.
    pub expected_owner: Option<String>,
    /// We pay for the requests.
    pub requester_pays: bool,
}

/// Whose rights a client has (a bucket with its own, or all others), and its region; empty for the
/// configuration's own.
type ClientKey = (Option<String>, String);

/// S3 over the AWS SDK, with a client per region, and per bucket that has rights of its own.
pub struct S3Store {
    config: aws_config::SdkConfig,
    endpoint: Option<String>,
    buckets: BTreeMap<String, BucketAccess>,
    clients: Mutex<BTreeMap<ClientKey, Client>>,
    /// Regions that buckets were found in when a notification named none, or a wrong one.
    found: Mutex<BTreeMap<String, String>>,
}

impl S3Store {
    /// A store; connects to nothing yet. With an `endpoint`, buckets are addressed by path.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, endpoint: Option<&str>) -> Self {
        Self {
            config: config.clone(),
            endpoint: endpoint.map(str::to_owned),
            buckets: BTreeMap::new(),
            clients: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// The same store, reading `bucket` as `access` says.
    #[must_use]
    pub fn with_bucket(mut self, bucket: &str, access: BucketAccess) -> Self {
        self.buckets.insert(bucket.to_owned(), access);
        self
    }

    fn client(&self, bucket: &str, region: &str) -> Client {
        let own = self.buckets.get(bucket).and_then(|access| access.config.as_ref());
        let key = (own.map(|_| bucket.to_owned()), region.to_owned());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return client.clone();
        }
        let client = self.build(own.unwrap_or(&self.config), region);
        remember(&mut clients, key, client.clone());
        client
    }

    fn build(&self, config: &aws_config::SdkConfig, region: &str) -> Client {
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder);
        let mut builder = aws_sdk_s3::config::Builder::from(config)
            .timeout_config(timeouts.unwrap_or_default().read_timeout(IDLE_TIME).build())
            // A log file's gzip trailer (CRC and length) is checked by whoever decodes it; a second
            // checksum over the same bytes buys no integrity, only CPU.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // It counts a reader that is not polled as a stalled download (awslabs/aws-sdk-rust
            // #1146, #1202). `IDLE_TIME` is measured only while bytes are waited for.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if !region.is_empty() {
            builder = builder.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint).force_path_style(true);
        }
        Client::from_conf(builder.build())
    }

    /// The bucket's region as S3 told us, else as the notification has it, else the configuration's.
    fn region_of(&self, bucket: &str, named: Option<&str>) -> String {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(bucket).map(String::as_str).or(named).unwrap_or_default().to_owned()
    }

    async fn get(&self, object: &ObjectRef, if_match: Option<&str>) -> Result<Body, StoreError> {
        let Location::S3 { bucket, key, version } = &object.location else {
            let text = format!("{} is not in S3; this source reads S3 only", object.location);
            return Err(StoreError { kind: StoreErrorKind::Other, text });
        };
        let region = self.region_of(bucket, object.region.as_deref());
        let access = self.buckets.get(bucket);
        let mut request = Request {
            client: self.client(bucket, &region),
            bucket: bucket.clone(),
            key: key.clone(),
            version: version.clone(),
            if_match: if_match.map(str::to_owned),
            expected_owner: access.and_then(|access| access.expected_owner.clone()),
            requester_pays: access.is_some_and(|access| access.requester_pays),
            name: object.location.to_string(),
        };
        let output = match request.send(None).await {
            Ok(output) => output,
            Err(error) => match bucket_region(&error).filter(|found| *found != region) {
                Some(found) => {
                    request.client = self.client(bucket, &found);
                    remember(
                        &mut self.found.lock().unwrap_or_else(PoisonError::into_inner),
                        bucket.clone(),
                        found,
                    );
                    request.send(None).await.map_err(|error| request.failed(&error))?
                }
                None => return Err(request.failed(&error)),
            },
        };
        Ok(body(request, output))
    }
}

impl S3Store {
    fn found_in(&self, bucket: &str, region: String) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        remember(&mut found, bucket.to_owned(), region);
    }

    /// Makes a call in the bucket's region, once more where S3 says that it is another one.
    async fn in_region<T, E, F>(
        &self,
        bucket: &str,
        call: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let region = self.region_of(bucket, None);
        let error = match call(self.client(bucket, &region)).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let Some(found) = bucket_region(&error).filter(|found| *found != region) else {
            return Err(error);
        };
        let client = self.client(bucket, &found);
        self.found_in(bucket, found);
        call(client).await
    }
}

impl Store for S3Store {
    fn open<'a>(
        &'a self,
        object: &'a ObjectRef,
        if_match: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(self.get(object, if_match))
    }
}

fn remember<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    if map.len() >= REMEMBERED {
        map.clear();
    }
    map.insert(key, value);
}

/// One object to get, now or from where it broke.
struct Request {
    client: Client,
    bucket: String,
    key: String,
    version: Option<String>,
    /// Without quotes.
    if_match: Option<String>,
    expected_owner: Option<String>,
    requester_pays: bool,
    /// For errors.
    name: String,
}

type GetError = SdkError<GetObjectError>;

impl Request {
    async fn send(&self, from: Option<u64>) -> Result<GetObjectOutput, GetError> {
        self.client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .set_version_id(self.version.clone())
            .set_if_match(self.if_match.as_ref().map(|etag| format!("\"{etag}\"")))
            .set_range(from.map(|byte| format!("bytes={byte}-")))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.requester_pays.then_some(RequestPayer::Requester))
            .send()
            .await
    }

    fn failed(&self, error: &GetError) -> StoreError {
        failed(&format!("get {}", self.name), error)
    }
}

/// What a call was to do and why it did not, for the operator.
fn failed<E>(what: &str, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let advice = find_cause::<CredentialsError>(error).map(|_| CREDENTIALS_ADVICE);
    let kind = match error {
        _ if advice.is_some() => StoreErrorKind::Credentials,
        SdkError::TimeoutError(_) => StoreErrorKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => StoreErrorKind::Timeout,
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => StoreErrorKind::Other,
        _ => classify(error.code(), error.message(), status),
    };
    let mut text = format!("cannot {what}: ");
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
    StoreError { kind, text }
}

/// The region that S3 names when a request went to another one (301, or 400 for the signature's).
fn bucket_region<E>(error: &SdkError<E>) -> Option<String> {
    let response = error.raw_response()?;
    let redirected = matches!(response.status().as_u16(), 301 | 307 | 400);
    let region = response.headers().get("x-amz-bucket-region").filter(|_| redirected)?;
    Some(region.to_owned())
}

fn body(mut request: Request, output: GetObjectOutput) -> Body {
    let etag = output.e_tag().map(|etag| etag.trim_matches('"').to_owned());
    let length = output.content_length().and_then(|length| u64::try_from(length).ok());
    let last_modified = output.last_modified().map(aws_sdk_s3::primitives::DateTime::secs);
    let request_id = output.request_id().map(str::to_owned);
    request.if_match.clone_from(&etag);
    let reading = Reading {
        request,
        request_id: request_id.clone(),
        body: output.body,
        at: 0,
        length,
        resumes: RESUMES,
    };
    Body { etag, length, last_modified, request_id, chunks: reading.chunks() }
}

/// A body under way.
struct Reading {
    request: Request,
    /// Of the answer whose body this is.
    request_id: Option<String>,
    body: ByteStream,
    /// Bytes handed on so far.
    at: u64,
    length: Option<u64>,
    resumes: u32,
}

impl Reading {
    fn chunks(self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::unfold(Some(self), |reading| async move {
            let mut reading = reading?;
            match reading.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(reading))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The next bytes; a body that breaks, stalls or ends short is taken up again where it broke.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let broken = match tokio::time::timeout(IDLE_TIME, self.body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    self.at += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(None) if self.length.is_none_or(|length| length == self.at) => return Ok(None),
                // Everything announced is here; how the connection ended is of no matter.
                _ if self.length == Some(self.at) => return Ok(None),
                Ok(None) => self.short("ended early"),
                Ok(Some(Err(error))) => self.short(&format!("broke: {error}")),
                Err(_) => {
                    let how = format!("stalled for {} s at byte {}", IDLE_TIME.as_secs(), self.at);
                    self.broken(StoreErrorKind::Timeout, &how)
                }
            };
            self.resume(broken).await?;
        }
    }

    fn short(&self, how: &str) -> StoreError {
        let of = self.length.map_or_else(String::new, |length| format!(" of {length}"));
        self.broken(StoreErrorKind::ShortBody, &format!("{how} at byte {}{of}", self.at))
    }

    fn broken(&self, kind: StoreErrorKind, how: &str) -> StoreError {
        let request_id = self.request_id.as_deref().unwrap_or("none");
        let text = format!("the body of {} {how} (request id {request_id})", self.request.name);
        StoreError { kind, text }
    }

    /// Asks for the rest, if it still is the same object; `broken` is the answer when that is over.
    async fn resume(&mut self, broken: StoreError) -> Result<(), StoreError> {
        let left = self.length.is_none_or(|length| self.at < length);
        if self.resumes == 0 || self.request.if_match.is_none() || !left {
            return Err(broken);
        }
        self.resumes -= 1;
        let output =
            self.request.send(Some(self.at)).await.map_err(|error| self.request.failed(&error))?;
        // A server that knows no ranges starts over; its bytes would be counted twice.
        let from = format!("bytes {}-", self.at);
        if !output.content_range().is_some_and(|range| range.starts_with(&from)) {
            return Err(broken);
        }
        self.request_id = output.request_id().map(str::to_owned);
        self.body = output.body;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
