//! S3 over the AWS SDK: the only file that names `aws_sdk_s3`.

use std::collections::BTreeMap;
use std::time::Duration;

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
use parking_lot::Mutex;

use super::{Body, Location, ObjectRef, Store, StoreError, StoreErrorKind};
use crate::aws_error::{Cause, Failure};
use crate::config::is_in_partition_of;

/// Most clients, and bucket regions, that are cached; a full cache is cleared.
const MAX_CACHED: usize = 64;

/// Timeout of S3's response, and of each further part of a body.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of a key, and of a version id; with far more the SDK panics.
/// Source: Amazon S3 User Guide, "Naming Amazon S3 objects", "How S3 Versioning works".
const MAX_NAME: usize = 1024;

/// How often a broken body is resumed where it broke.
const MAX_RESUMES: u32 = 3;

/// How one bucket is read, if differently from the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct BucketAccess {
    /// Credentials and settings instead of the store's.
    pub(crate) config: Option<aws_config::SdkConfig>,
    /// Account that must own the bucket; S3 responds with 403 if another does.
    pub(crate) expected_owner: Option<String>,
    /// Whether we pay for the requests.
    pub(crate) requester_pays: bool,
}

/// The bucket, for one with a configuration of its own, and the client's region; empty for the
/// configuration's own.
type ClientKey = (Option<String>, String);

/// S3, with a client per region, and per bucket that has a configuration of its own.
pub(crate) struct S3Store {
    config: aws_config::SdkConfig,
    endpoint: Option<String>,
    buckets: BTreeMap<String, BucketAccess>,
    clients: Mutex<BTreeMap<ClientKey, Client>>,
    /// Regions that S3 redirected to when a notification named none, or a wrong one.
    regions: Mutex<BTreeMap<String, String>>,
}

impl S3Store {
    /// Creates a store, without connecting. With an `endpoint`, buckets are addressed by path.
    #[must_use]
    pub(crate) fn new(config: &aws_config::SdkConfig, endpoint: Option<&str>) -> Self {
        Self {
            config: config.clone(),
            endpoint: endpoint.map(str::to_owned),
            buckets: BTreeMap::new(),
            clients: Mutex::default(),
            regions: Mutex::default(),
        }
    }

    /// Reads `bucket` as `access` says.
    #[must_use]
    pub(crate) fn with_bucket(mut self, bucket: &str, access: BucketAccess) -> Self {
        self.buckets.insert(bucket.to_owned(), access);
        self
    }

    fn client(&self, bucket: &str, region: &str) -> Client {
        let own = self.buckets.get(bucket).and_then(|access| access.config.as_ref());
        let key = (own.map(|_| bucket.to_owned()), region.to_owned());
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(&key) {
            return client.clone();
        }
        let client = self.build_client(own.unwrap_or(&self.config), region);
        cache(&mut clients, key, client.clone());
        client
    }

    fn build_client(&self, config: &aws_config::SdkConfig, region: &str) -> Client {
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder);
        let mut builder = aws_sdk_s3::config::Builder::from(config)
            .timeout_config(timeouts.unwrap_or_default().read_timeout(IDLE_TIMEOUT).build())
            // The decoder checks a log file's gzip trailer (CRC and length); a second checksum over
            // the same bytes adds no integrity, only CPU.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // It counts a reader that is not polled as a stalled download (awslabs/aws-sdk-rust
            // #1146, #1202). `IDLE_TIMEOUT` runs only while the reader waits for bytes.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if !region.is_empty() {
            builder = builder.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint).force_path_style(true);
        }
        Client::from_conf(builder.build())
    }

    async fn get(&self, object: &ObjectRef, if_match: Option<&str>) -> Result<Body, StoreError> {
        let Location::S3 { bucket, key, version } = &object.location else {
            let text = format!("{} is not in S3; this source reads S3 only", object.location);
            return Err(StoreError { kind: StoreErrorKind::Other, text });
        };
        if key.len().max(version.as_ref().map_or(0, String::len)) > MAX_NAME {
            let text = format!(
                "cannot get an object of s3://{bucket}: its key has {} bytes, and neither keys nor \
                 version ids of S3 have more than {MAX_NAME}",
                key.len()
            );
            return Err(StoreError { kind: StoreErrorKind::InvalidName, text });
        }
        let request = Request {
            bucket: bucket.clone(),
            key: key.clone(),
            version: version.clone(),
            if_match: if_match.map(str::to_owned),
            expected_owner: self.expected_owner(bucket),
            payer: self.payer(bucket),
            name: object.location.to_string(),
        };
        let send = |client: Client| {
            let request = &request;
            async move { request.send(&client, None).await.map(|output| (client, output)) }
        };
        match self.in_region(bucket, object.region.as_deref(), send).await {
            Ok((client, output)) => Ok(body(client, request, output)),
            Err(error) => Err(request.failed(&error)),
        }
    }

    /// Lists one page, at most 1,000 entries, with one call.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) async fn list(
        &self,
        bucket: &str,
        request: ListRequest<'_>,
    ) -> Result<ListPage, StoreError> {
        let send = |client: Client| {
            client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(request.prefix)
                .set_expected_bucket_owner(self.expected_owner(bucket))
                .set_request_payer(self.payer(bucket))
                .set_delimiter(request.folders.then(|| "/".to_owned()))
                .set_start_after(request.after.map(str::to_owned))
                .set_continuation_token(request.page.map(str::to_owned))
                .send()
        };
        let output = self.in_region(bucket, None, send).await;
        let output = output
            .map_err(|error| failed(&format!("list s3://{bucket}/{}", request.prefix), &error))?;
        let is_truncated = output.is_truncated().unwrap_or_default();
        let next = output.next_continuation_token().filter(|_| is_truncated).map(str::to_owned);
        let object = |object: aws_sdk_s3::types::Object| {
            Some(Listed {
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                etag: object.e_tag().map(unquoted),
                key: object.key?,
            })
        };
        let folders = output.common_prefixes.unwrap_or_default().into_iter();
        Ok(ListPage {
            objects: output.contents.unwrap_or_default().into_iter().filter_map(object).collect(),
            folders: folders.filter_map(|folder| folder.prefix).collect(),
            next,
        })
    }

    /// Stores `bytes` as JSON under `key`, replacing an object of that name. The SDK retries and
    /// sends a checksum that S3 verifies; encryption is left to the bucket's own setting.
    ///
    /// # Errors
    /// As [`Store::open`]; whether the object was stored is then unknown.
    pub(crate) async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let send = |client: Client| {
            let body = ByteStream::from(bytes.clone());
            let request = client.put_object().bucket(bucket).key(key).body(body);
            let request = request.set_expected_bucket_owner(self.expected_owner(bucket));
            request.content_type("application/json").send()
        };
        let stored = self.in_region(bucket, None, send).await;
        stored.map(drop).map_err(|error| failed(&format!("put s3://{bucket}/{key}"), &error))
    }

    /// Deletes `key`, which on a versioned bucket hides it. A missing key is no error.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let send = |client: Client| {
            let request = client.delete_object().bucket(bucket).key(key);
            request.set_expected_bucket_owner(self.expected_owner(bucket)).send()
        };
        let deleted = self.in_region(bucket, None, send).await;
        deleted.map(drop).map_err(|error| failed(&format!("delete s3://{bucket}/{key}"), &error))
    }

    /// Sends a request in the bucket's region, and again if S3 redirects to another one. The region
    /// is the one S3 redirected to before, else `named`, else the configuration's. Regions of other
    /// partitions are ignored: the request would carry credentials there.
    async fn in_region<T, E, F>(
        &self,
        bucket: &str,
        named: Option<&str>,
        send: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let own = self.config.region().map_or("", Region::as_ref);
        let known = self.regions.lock().get(bucket).cloned();
        let named = named.filter(|named| is_in_partition_of(own, named));
        let region = known.as_deref().or(named).unwrap_or_default();
        let error = match send(self.client(bucket, region)).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let redirects = |actual: &String| *actual != region && is_in_partition_of(own, actual);
        let Some(actual) = bucket_region(&error).filter(redirects) else { return Err(error) };
        let client = self.client(bucket, &actual);
        cache(&mut self.regions.lock(), bucket.to_owned(), actual);
        send(client).await
    }

    fn expected_owner(&self, bucket: &str) -> Option<String> {
        self.buckets.get(bucket)?.expected_owner.clone()
    }

    fn payer(&self, bucket: &str) -> Option<RequestPayer> {
        self.buckets.get(bucket)?.requester_pays.then_some(RequestPayer::Requester)
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

/// A page of a listing (`ListObjectsV2`).
#[derive(Debug, Default)]
pub(crate) struct ListPage {
    /// Objects, in the order of their keys.
    pub(crate) objects: Vec<Listed>,
    /// With [`ListRequest::folders`]: what lies one `/` further down, each ending in `/`.
    pub(crate) folders: Vec<String>,
    /// [`ListRequest::page`] of the next page, if there is one.
    pub(crate) next: Option<String>,
}

/// One object of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    /// Stored bytes.
    pub(crate) size: u64,
    /// `ETag`, without quotes.
    pub(crate) etag: Option<String>,
}

/// What is listed, and from where.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListRequest<'a> {
    /// Only keys that begin so.
    pub(crate) prefix: &'a str,
    /// Groups keys at `/`.
    pub(crate) folders: bool,
    /// Only keys after this one.
    pub(crate) after: Option<&'a str>,
    /// [`ListPage::next`] of the page before.
    pub(crate) page: Option<&'a str>,
}

fn cache<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    if map.len() >= MAX_CACHED {
        map.clear();
    }
    map.insert(key, value);
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// A GET of one object, from its start or from where a body broke.
struct Request {
    bucket: String,
    key: String,
    version: Option<String>,
    /// Without quotes.
    if_match: Option<String>,
    expected_owner: Option<String>,
    payer: Option<RequestPayer>,
    /// For errors.
    name: String,
}

type GetError = SdkError<GetObjectError>;

impl Request {
    async fn send(&self, client: &Client, from: Option<u64>) -> Result<GetObjectOutput, GetError> {
        client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .set_version_id(self.version.clone())
            .set_if_match(self.if_match.as_ref().map(|etag| format!("\"{etag}\"")))
            .set_range(from.map(|byte| format!("bytes={byte}-")))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone())
            .send()
            .await
    }

    fn failed(&self, error: &GetError) -> StoreError {
        let mut failed = failed(&format!("get {}", self.name), error);
        // S3's response to a text that is no version id.
        if self.version.is_some() && error.code() == Some("InvalidArgument") {
            failed.kind = StoreErrorKind::InvalidName;
        }
        failed
    }
}

/// Returns the error of a request, with the service's code, HTTP status and request id.
fn failed<E>(what: &str, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failure = Failure::of(error);
    let kind = match failure.cause {
        Cause::Credentials => StoreErrorKind::Credentials,
        Cause::Timeout => StoreErrorKind::Timeout,
        Cause::NotSent => StoreErrorKind::InvalidName,
        Cause::Unreachable => StoreErrorKind::Other,
        Cause::Response => StoreErrorKind::classify(error.code(), error.message(), failure.status),
    };
    StoreError { kind, text: format!("cannot {what}: {}", failure.text) }
}

/// Returns the region that S3 redirects to (301, or 400 if the signature is for another one).
fn bucket_region<E>(error: &SdkError<E>) -> Option<String> {
    let response = error.raw_response()?;
    let redirected = matches!(response.status().as_u16(), 301 | 307 | 400);
    let region = response.headers().get("x-amz-bucket-region").filter(|_| redirected)?;
    Some(region.to_owned())
}

fn body(client: Client, mut request: Request, output: GetObjectOutput) -> Body {
    let etag = output.e_tag().map(unquoted);
    let length = output.content_length().and_then(|length| u64::try_from(length).ok());
    let last_modified = output.last_modified().map(aws_sdk_s3::primitives::DateTime::secs);
    let request_id = output.request_id().map(str::to_owned);
    request.if_match.clone_from(&etag);
    let reader = BodyReader {
        client,
        request,
        request_id: request_id.clone(),
        body: output.body,
        read: 0,
        length,
        resumes: MAX_RESUMES,
    };
    Body { etag, length, last_modified, request_id, chunks: reader.chunks() }
}

/// Reads a body, and resumes it where it breaks.
struct BodyReader {
    client: Client,
    request: Request,
    /// Of the response whose body this is.
    request_id: Option<String>,
    body: ByteStream,
    /// Bytes read so far.
    read: u64,
    length: Option<u64>,
    resumes: u32,
}

impl BodyReader {
    fn chunks(self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::try_unfold(self, |mut reader| async move {
            Ok(reader.next().await?.map(|bytes| (bytes, reader)))
        })
        .boxed()
    }

    /// Returns the next bytes; a body that breaks, stalls or ends early is resumed.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let broken = match tokio::time::timeout(IDLE_TIMEOUT, self.body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    self.read += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(None) if self.length.is_none_or(|length| length == self.read) => {
                    return Ok(None);
                }
                // The announced length is complete; how the connection ended does not matter.
                _ if self.length == Some(self.read) => return Ok(None),
                Ok(None) => self.short("ended early"),
                Ok(Some(Err(error))) => self.short(&format!("broke: {error}")),
                Err(_) => {
                    let how =
                        format!("stalled for {} s at byte {}", IDLE_TIMEOUT.as_secs(), self.read);
                    self.broken(StoreErrorKind::Timeout, &how)
                }
            };
            self.resume(broken).await?;
        }
    }

    fn short(&self, how: &str) -> StoreError {
        let of = self.length.map_or_else(String::new, |length| format!(" of {length}"));
        self.broken(StoreErrorKind::ShortBody, &format!("{how} at byte {}{of}", self.read))
    }

    fn broken(&self, kind: StoreErrorKind, how: &str) -> StoreError {
        let request_id = self.request_id.as_deref().unwrap_or("none");
        let text = format!("the body of {} {how} (request id {request_id})", self.request.name);
        StoreError { kind, text }
    }

    /// Requests the rest, if the object is unchanged; returns `broken` if it cannot be resumed.
    async fn resume(&mut self, broken: StoreError) -> Result<(), StoreError> {
        let left = self.length.is_none_or(|length| self.read < length);
        if self.resumes == 0 || self.request.if_match.is_none() || !left {
            return Err(broken);
        }
        self.resumes -= 1;
        let output = self.request.send(&self.client, Some(self.read)).await;
        let output = output.map_err(|error| self.request.failed(&error))?;
        // A server without ranges starts over; its bytes would be read twice.
        let from = format!("bytes {}-", self.read);
        if !output.content_range().is_some_and(|range| range.starts_with(&from)) {
            return Err(broken);
        }
        self.request_id = output.request_id().map(str::to_owned);
        self.body = output.body;
        Ok(())
    }
}

#[cfg(test)]
#[path = "../../tests/edges/s3.rs"]
mod tests;
