//! Dead letters in a bucket: one object each, below the day they belong to.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{DeadLetter, DeadLetterWriter};
use crate::error::{Code, Error};
use crate::store::S3Store;

/// A prefix of letters. Encryption and retention are the bucket's.
pub struct DeadLetterBucket {
    store: Arc<S3Store>,
    bucket: String,
    prefix: String,
}

impl DeadLetterBucket {
    /// Letters below `prefix`, which is empty or ends in `/`.
    #[must_use]
    pub fn new(store: Arc<S3Store>, bucket: String, prefix: String) -> Self {
        Self { store, bucket, prefix }
    }
}

impl DeadLetterWriter for DeadLetterBucket {
    fn put(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        let (year, month, day) = letter.day.to_calendar_date();
        let day = format!("{year:04}/{:02}/{day:02}", u8::from(month));
        let key = format!("{}{day}/{}.json", self.prefix, letter.name);
        Box::pin(async move {
            let text = letter.body.to_string().into();
            let put = self.store.put(&self.bucket, &key, text).await;
            put.map_err(|cause| Error::new(Code::DeadLetterFailed, cause.text))
        })
    }
}
