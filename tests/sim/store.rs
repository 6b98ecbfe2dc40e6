//! Objects in memory, with S3's faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use certrelay::store::{Body, Location, ObjectRef, Store, StoreError, StoreErrorKind};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::Steps;

/// Chances of each fault, per request or per chunk, in `0.0..=1.0`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreFaults {
    /// 503, 500 or a time-out instead of the object.
    pub fail: f64,
    /// The body is cut at a random byte.
    pub cut: f64,
    /// A chunk takes up to a minute.
    pub slow: f64,
}

/// What all processes of a world share.
#[derive(Default)]
pub struct MemoryStore {
    pub objects: Mutex<BTreeMap<String, Bytes>>,
    pub opens: Mutex<BTreeMap<String, u32>>,
    rng: Mutex<fastrand::Rng>,
    pub faults: Mutex<StoreFaults>,
    /// Objects for which every request fails in this way.
    pub answers: Mutex<BTreeMap<String, StoreErrorKind>>,
}

impl MemoryStore {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { rng: Mutex::new(fastrand::Rng::with_seed(seed)), ..Self::default() })
    }

    pub fn put(&self, key: &str, bytes: Vec<u8>) {
        self.objects.lock().unwrap().insert(key.to_owned(), bytes.into());
    }

    fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.rng.lock().unwrap().f64() < probability
    }

    fn below(&self, end: usize) -> usize {
        self.rng.lock().unwrap().usize(..end.max(1))
    }
}

/// A process's view of the store.
pub struct SteppedStore {
    pub inner: Arc<MemoryStore>,
    pub steps: Arc<Steps>,
}

impl Store for SteppedStore {
    fn open<'a>(
        &'a self,
        object: &'a ObjectRef,
        if_match: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(async move {
            self.steps.step().await;
            let store = &self.inner;
            let Location::S3 { key, .. } = &object.location else { panic!("not an S3 object") };
            *store.opens.lock().unwrap().entry(key.clone()).or_default() += 1;
            let faults = *store.faults.lock().unwrap();
            let fail = |kind: StoreErrorKind| {
                Err(StoreError { kind, text: format!("{}: {}", object.location, kind.code()) })
            };
            if store.chance(faults.fail) {
                let kinds =
                    [StoreErrorKind::Server, StoreErrorKind::Throttled, StoreErrorKind::Timeout];
                return fail(kinds[store.below(kinds.len())]);
            }
            if let Some(kind) = store.answers.lock().unwrap().get(key) {
                return fail(*kind);
            }
            let Some(bytes) = store.objects.lock().unwrap().get(key).cloned() else {
                return fail(StoreErrorKind::Missing);
            };
            let etag = format!("{:x}", bytes.len());
            if if_match.is_some_and(|wanted| wanted != etag) {
                return fail(StoreErrorKind::Changed);
            }
            let cut = store.chance(faults.cut).then(|| store.below(bytes.len()));
            let slow = store.chance(faults.slow);
            Ok(Body {
                etag: Some(etag),
                length: Some(bytes.len() as u64),
                last_modified: None,
                request_id: Some("SIMULATED".to_owned()),
                chunks: chunks(Arc::clone(store), bytes, cut, slow).boxed(),
            })
        })
    }
}

fn chunks(
    store: Arc<MemoryStore>,
    bytes: Bytes,
    cut: Option<usize>,
    slow: bool,
) -> impl futures_util::Stream<Item = Result<Bytes, StoreError>> {
    stream::unfold((bytes, cut), move |(mut rest, cut)| {
        let store = Arc::clone(&store);
        async move {
            if rest.is_empty() {
                return None;
            }
            let pause = if slow { 60_000 } else { 20 };
            tokio::time::sleep(Duration::from_millis(store.below(pause) as u64)).await;
            match cut {
                Some(0) => {
                    let kind = StoreErrorKind::ShortBody;
                    let error = StoreError { kind, text: "the connection was reset".to_owned() };
                    Some((Err(error), (Bytes::new(), None)))
                }
                _ => {
                    let most = cut.unwrap_or(usize::MAX).min(rest.len());
                    let chunk = rest.split_to((1 + store.below(most)).min(most));
                    let cut = cut.map(|left| left - chunk.len());
                    Some((Ok(chunk), (rest, cut)))
                }
            }
        }
    })
}
