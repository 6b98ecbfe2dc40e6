//! What certrelay writes to S3: dead letters, and their removal once they are no longer needed.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::{S3Store, StoreError, failed};

impl S3Store {
    /// Stores `bytes` as JSON under `key`; an object of that name is replaced. The SDK retries and
    /// sends a checksum that S3 verifies; encryption is left to the bucket's own setting.
    ///
    /// # Errors
    /// As [`Store::open`](crate::store::Store::open); nothing can be said of what is stored then.
    pub async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.in_region(bucket, |client| {
            let body = ByteStream::from(bytes.clone());
            let request = client.put_object().bucket(bucket).key(key).body(body);
            request.content_type("application/json").send()
        });
        match put.await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&format!("put s3://{bucket}/{key}"), &error)),
        }
    }

    /// Deletes `key`, which on a versioned bucket hides it. No such key is no error.
    ///
    /// # Errors
    /// As [`Store::open`](crate::store::Store::open).
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let delete =
            self.in_region(bucket, |client| client.delete_object().bucket(bucket).key(key).send());
        match delete.await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&format!("delete s3://{bucket}/{key}"), &error)),
        }
    }
}
