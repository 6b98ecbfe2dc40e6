//! S3 over HTTP: the `s3s` crate's protocol over a map in memory, with notifications to the queue.
//!
//! Path style, on 127.0.0.1 and a port that the kernel chooses; signatures are checked against the
//! fixed test credentials ([`ACCESS_KEY`], [`SECRET_KEY`]). Every put of an object sends the
//! bucket's configured `ObjectCreated` notification, in AWS's format, to the SQS stand-in. Reads
//! can be made to fail, to break off and to be slow ([`Fault`], [`Latency`]).
//!
//! No versions, no multipart uploads, no access control: a consumer of log files needs none of
//! them.

mod faults;
mod listing;
mod notification;
mod operations;
mod serve;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use parking_lot::{Mutex, MutexGuard};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::sqs::Sqs;
use faults::ScriptedFaults;
pub use faults::{Fault, Latency};
use notification::Destination;

/// `AWS_ACCESS_KEY_ID` for the stand-ins.
pub const ACCESS_KEY: &str = "test";

/// `AWS_SECRET_ACCESS_KEY` for the stand-ins.
pub const SECRET_KEY: &str = "test";

/// A running endpoint; dropping it stops it.
pub struct S3StandIn {
    address: SocketAddr,
    buckets: Buckets,
    _server: JoinSet<()>,
}

/// All buckets, shared by the endpoint and the test.
#[derive(Clone)]
struct Buckets {
    inner: Arc<Mutex<BucketsState>>,
    sqs: Arc<Sqs>,
}

#[derive(Default)]
struct BucketsState {
    buckets: BTreeMap<String, Bucket>,
    faults: ScriptedFaults,
    latency: Option<Latency>,
    calls: BTreeMap<&'static str, u64>,
    sequencer: u64,
}

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    destinations: Vec<Destination>,
}

/// One stored object.
#[derive(Debug, Clone)]
pub struct Object {
    /// The bytes as put.
    pub bytes: Bytes,
    /// MD5 of the bytes in hex, as S3 computes it for a plain put.
    pub etag: String,
    /// When it was put.
    pub modified: SystemTime,
    /// `Content-Type`, returned on reads.
    pub content_type: Option<String>,
    /// `Content-Encoding`, returned on reads.
    pub content_encoding: Option<String>,
}

impl S3StandIn {
    /// Serves an empty S3 on 127.0.0.1, on `port` (0: the kernel chooses); notifications go to
    /// `sqs`.
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub async fn start(sqs: Arc<Sqs>, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let buckets = Buckets { inner: Arc::default(), sqs };
        let mut builder = S3ServiceBuilder::new(buckets.clone());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let mut server = JoinSet::new();
        server.spawn(serve::accept(listener, service));
        Ok(Self { address, buckets, _server: server })
    }

    /// `http://127.0.0.1:PORT`, the value for `AWS_ENDPOINT_URL_S3`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Creates a bucket, unless it exists.
    pub fn create_bucket(&self, bucket: &str) {
        self.buckets.lock().buckets.entry(bucket.to_owned()).or_default();
    }

    /// Sends every later `ObjectCreated` of `bucket` to `queue`, and the `s3:TestEvent` now, as S3
    /// does.
    pub fn notify(&self, bucket: &str, queue: &str) {
        self.buckets.configure(bucket, vec![Destination::to_queue(queue)]);
    }

    /// Puts an object (and so sends its notification) with the headers of CloudTrail's own files: a
    /// `.json.gz` has `Content-Type: application/json`, `Content-Encoding: gzip`.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        let mut object = Object::new(bytes.into());
        if key.ends_with(".json.gz") {
            object.content_type = Some("application/json".to_owned());
            object.content_encoding = Some("gzip".to_owned());
        }
        self.buckets.put(bucket, key, object);
    }

    /// Puts an object without a notification.
    pub fn put_silently(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        let mut inner = self.buckets.lock();
        let objects = &mut inner.buckets.entry(bucket.to_owned()).or_default().objects;
        objects.insert(key.to_owned(), Object::new(bytes.into()));
    }

    /// An object as stored.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Object> {
        self.buckets.lock().buckets.get(bucket)?.objects.get(key).cloned()
    }

    /// The keys of a bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let inner = self.buckets.lock();
        inner.buckets.get(bucket).map_or_else(Vec::new, |b| b.objects.keys().cloned().collect())
    }

    /// Makes the next `times` reads of keys that start with `prefix` fail with `fault`.
    pub fn script(&self, prefix: &str, fault: Fault, times: u32) {
        self.buckets.lock().faults.add(prefix, fault, times);
    }

    /// Makes every later read slow.
    pub fn set_latency(&self, latency: Option<Latency>) {
        self.buckets.lock().latency = latency;
    }

    /// The number of calls of each operation.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.buckets.lock().calls.clone()
    }
}

impl Object {
    fn new(bytes: Bytes) -> Self {
        let etag = HEXLOWER.encode(&Md5::digest(&bytes));
        Self {
            bytes,
            etag,
            modified: SystemTime::now(),
            content_type: None,
            content_encoding: None,
        }
    }
}

impl Buckets {
    fn lock(&self) -> MutexGuard<'_, BucketsState> {
        self.inner.lock()
    }

    fn count(&self, operation: &'static str) {
        *self.lock().calls.entry(operation).or_default() += 1;
    }

    /// Stores an object and sends the bucket's notifications.
    fn put(&self, bucket: &str, key: &str, object: Object) {
        let mut inner = self.lock();
        inner.sequencer += 1;
        let sequencer = inner.sequencer;
        let store = inner.buckets.entry(bucket.to_owned()).or_default();
        let notifications =
            notification::created(&store.destinations, bucket, key, &object, sequencer);
        store.objects.insert(key.to_owned(), object);
        // Outside the lock: the queue has its own. S3 does not promise the order of notifications.
        drop(inner);
        self.send(notifications);
    }

    /// Replaces a bucket's notification configuration and sends the test event to each destination.
    fn configure(&self, bucket: &str, destinations: Vec<Destination>) {
        let notifications = notification::test_event(&destinations, bucket);
        self.lock().buckets.entry(bucket.to_owned()).or_default().destinations = destinations;
        self.send(notifications);
    }

    fn send(&self, notifications: Vec<(String, String)>) {
        for (queue, body) in notifications {
            // AWS also drops notifications to a queue that does not exist.
            let _ = self.sqs.send(&queue, &body);
        }
    }
}
