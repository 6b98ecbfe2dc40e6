//! The operations of S3 that a consumer of objects, or the test that fills its bucket, calls.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use futures_util::{StreamExt, stream};
use s3s::dto::{
    Bucket as BucketDto, CommonPrefix, CreateBucketInput, CreateBucketOutput, DeleteObjectInput,
    DeleteObjectOutput, ETag, ETagCondition, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object as ObjectDto, PutBucketNotificationConfigurationInput,
    PutBucketNotificationConfigurationOutput, PutObjectInput, PutObjectOutput, QueueConfiguration,
    Range, StreamingBlob,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::{Buckets, Destination, Fault, Object, listing};
use crate::support::queue_core::REGION;

#[async_trait::async_trait]
impl S3 for Buckets {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.count("CreateBucket");
        let bucket = req.input.bucket;
        self.lock().buckets.entry(bucket.clone()).or_default();
        let output = CreateBucketOutput { location: Some(format!("/{bucket}")) };
        Ok(S3Response::new(output))
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.count("HeadBucket");
        self.must_exist(&req.input.bucket)?;
        let output =
            HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() };
        Ok(S3Response::new(output))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.count("GetBucketLocation");
        self.must_exist(&req.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.count("ListBuckets");
        let named = |name: &String| BucketDto { name: Some(name.clone()), ..Default::default() };
        let buckets = self.lock().buckets.keys().map(named).collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..Default::default() }))
    }

    async fn put_bucket_notification_configuration(
        &self,
        req: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        self.count("PutBucketNotificationConfiguration");
        self.must_exist(&req.input.bucket)?;
        let request = req.input.notification_configuration;
        if request.topic_configurations.is_some()
            || request.lambda_function_configurations.is_some()
        {
            return Err(s3_error!(NotImplemented, "The S3 stand-in notifies SQS queues only"));
        }
        let queues = request.queue_configurations.unwrap_or_default();
        let destinations: Vec<Destination> = queues.into_iter().map(destination).collect();
        let known = |to: &Destination| self.sqs.with(|core, _| core.settings(&to.queue).is_ok());
        if !destinations.iter().all(known) {
            let text = "Unable to validate the following destination configurations";
            return Err(s3_error!(InvalidArgument, "{text}"));
        }
        self.configure(&req.input.bucket, destinations);
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
    }

    async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.count("PutObject");
        let input = req.input;
        self.must_exist(&input.bucket)?;
        let bytes = collect(input.body).await?;
        let mut object = Object::new(bytes);
        object.content_type = input.content_type.map(|kind| kind.to_string());
        object.content_encoding = input.content_encoding.map(|encoding| encoding.to_string());
        let e_tag = Some(ETag::Strong(object.etag.clone()));
        self.put(&input.bucket, &input.key, object);
        Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.count("GetObject");
        let input = req.input;
        let fault = self.inject_fault(&input.key).await?;
        let object = self.find(&input.bucket, &input.key, input.if_match.as_ref())?;
        let (range, content_range) = cut(&object, input.range)?;
        let bytes = object.bytes.slice(range);
        let length = bytes.len();
        let body = match fault {
            Some(Fault::CutAfter(count)) if count < length => broken_off(bytes.slice(..count)),
            _ => StreamingBlob::from(Body::from(bytes)),
        };
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            content_length: i64::try_from(length).ok(),
            content_range,
            content_type: object.content_type.and_then(|kind| kind.parse().ok()),
            content_encoding: object.content_encoding.and_then(|encoding| encoding.parse().ok()),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.count("HeadObject");
        let input = req.input;
        self.inject_fault(&input.key).await?;
        let object = self.find(&input.bucket, &input.key, input.if_match.as_ref())?;
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.bytes.len()).ok(),
            content_type: object.content_type.and_then(|kind| kind.parse().ok()),
            content_encoding: object.content_encoding.and_then(|encoding| encoding.parse().ok()),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.count("DeleteObject");
        self.must_exist(&req.input.bucket)?;
        if let Some(bucket) = self.lock().buckets.get_mut(&req.input.bucket) {
            // On S3, deleting a missing key is no error.
            bucket.objects.remove(&req.input.key);
        }
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.count("ListObjectsV2");
        let input = req.input;
        self.must_exist(&input.bucket)?;
        let max = input.max_keys.unwrap_or(1000).clamp(0, 1000);
        let after = match &input.continuation_token {
            Some(token) => Some(listing_token(token)?),
            None => input.start_after.clone(),
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.as_deref();
        let page = {
            let inner = self.lock();
            let Some(bucket) = inner.buckets.get(&input.bucket) else {
                return Err(s3_error!(NoSuchBucket));
            };
            let limit = usize::try_from(max).unwrap_or_default();
            listing::page(&bucket.objects, &prefix, delimiter, after.as_deref(), limit)
        };
        Ok(S3Response::new(as_output(input, max, page)))
    }
}

impl Buckets {
    fn must_exist(&self, bucket: &str) -> S3Result<()> {
        if self.lock().buckets.contains_key(bucket) {
            Ok(())
        } else {
            Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
        }
    }

    /// Applies the latency and the next fault to a read; returns faults of the body.
    async fn inject_fault(&self, key: &str) -> S3Result<Option<Fault>> {
        let (fault, latency) = {
            let mut inner = self.lock();
            let fault = inner.faults.take(key);
            (fault, inner.latency.as_mut().map(super::Latency::draw))
        };
        let mut wait = latency.unwrap_or_default();
        if let Some(Fault::Delayed(time)) = fault {
            wait += time;
        }
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        match fault.and_then(Fault::error) {
            Some(error) => Err(error),
            None => Ok(fault),
        }
    }

    fn find(&self, bucket: &str, key: &str, matching: Option<&ETagCondition>) -> S3Result<Object> {
        let inner = self.lock();
        let Some(store) = inner.buckets.get(bucket) else {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        };
        let Some(object) = store.objects.get(key) else {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        };
        match matching {
            Some(ETagCondition::ETag(etag)) if etag.value() != object.etag => Err(s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            )),
            _ => Ok(object.clone()),
        }
    }
}

/// A page as S3 returns it. The token is the last entry's name in hexadecimal, so that no client
/// parses it.
fn as_output(input: ListObjectsV2Input, max: i32, page: listing::Page) -> ListObjectsV2Output {
    let count = page.objects.len() + page.common_prefixes.len();
    let shown = |(key, object): (String, Object)| ObjectDto {
        key: Some(key),
        size: i64::try_from(object.bytes.len()).ok(),
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified.into()),
        ..Default::default()
    };
    let common = |prefix| CommonPrefix { prefix: Some(prefix) };
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: input.prefix,
        delimiter: input.delimiter,
        max_keys: Some(max),
        key_count: i32::try_from(count).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|last| HEXLOWER.encode(last.as_bytes())),
        contents: Some(page.objects.into_iter().map(shown).collect()),
        common_prefixes: Some(page.common_prefixes.into_iter().map(common).collect()),
        ..Default::default()
    }
}

fn listing_token(token: &str) -> S3Result<String> {
    let bytes = HEXLOWER.decode(token.as_bytes()).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

fn destination(configuration: QueueConfiguration) -> Destination {
    let queue = configuration.queue_arn.rsplit(':').next().unwrap_or_default();
    let mut to = Destination::to_queue(queue);
    to.id = configuration.id.unwrap_or(to.id);
    to.events = configuration.events.iter().map(|event| event.as_ref().to_owned()).collect();
    let rules =
        configuration.filter.and_then(|filter| filter.key?.filter_rules).unwrap_or_default();
    for rule in rules {
        let name = rule.name.map(|name| name.as_str().to_ascii_lowercase());
        let value = rule.value.unwrap_or_default();
        match name.as_deref() {
            Some("prefix") => to.prefix = value,
            Some("suffix") => to.suffix = value,
            _ => {}
        }
    }
    to
}

/// Returns the requested range of bytes, and its `Content-Range`.
fn cut(
    object: &Object,
    range: Option<Range>,
) -> S3Result<(std::ops::Range<usize>, Option<String>)> {
    let whole = object.bytes.len();
    let Some(range) = range else { return Ok((0..whole, None)) };
    let full = u64::try_from(whole).unwrap_or(u64::MAX);
    let part = range
        .check(full)
        .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
    let header = format!("bytes {}-{}/{full}", part.start, part.end.saturating_sub(1));
    let index = |at: u64| usize::try_from(at).unwrap_or(whole);
    Ok((index(part.start)..index(part.end), Some(header)))
}

/// A body that ends in an error: the connection closes before the announced length.
fn broken_off(bytes: Bytes) -> StreamingBlob {
    let end = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "scripted fault");
    // The error comes in a later poll, so that the bytes before it have been sent.
    let broken = stream::once(async move {
        tokio::task::yield_now().await;
        Err(end)
    });
    StreamingBlob::wrap(stream::once(async move { Ok(bytes) }).chain(broken))
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    let Some(mut body) = body else { return Ok(bytes.freeze()) };
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}
