//! `ListObjectsV2`, a page at a time: what lies below a prefix, for backfill and replay.

use aws_sdk_s3::types::RequestPayer;

use super::{S3Store, StoreError, failed};

/// One page.
#[derive(Debug, Default)]
pub struct Listing {
    /// Objects, in the order of their keys.
    pub objects: Vec<Listed>,
    /// With folders asked for: what lies one `/` further down, each ending in `/`.
    pub folders: Vec<String>,
    /// Asks for the next page, if there is one.
    pub next: Option<String>,
}

/// One object of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Key.
    pub key: String,
    /// Stored bytes.
    pub size: u64,
    /// `ETag`, without quotes.
    pub etag: Option<String>,
}

/// What is listed, and from where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Only keys that begin so.
    pub prefix: &'a str,
    /// Roll up at `/`.
    pub folders: bool,
    /// Only keys after this one.
    pub after: Option<&'a str>,
    /// [`Listing::next`] of the page before.
    pub page: Option<&'a str>,
}

impl S3Store {
    /// One page, at most 1,000 entries: one call.
    ///
    /// # Errors
    /// As [`Store::open`](crate::store::Store::open).
    pub async fn list(&self, bucket: &str, ask: Ask<'_>) -> Result<Listing, StoreError> {
        let access = self.buckets.get(bucket);
        let owner = access.and_then(|access| access.expected_owner.clone());
        let pays = access.is_some_and(|access| access.requester_pays);
        let call = self.in_region(bucket, |client| {
            client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(ask.prefix)
                .set_expected_bucket_owner(owner.clone())
                .set_request_payer(pays.then_some(RequestPayer::Requester))
                .set_delimiter(ask.folders.then(|| "/".to_owned()))
                .set_start_after(ask.after.map(str::to_owned))
                .set_continuation_token(ask.page.map(str::to_owned))
                .send()
        });
        let what = || format!("list s3://{bucket}/{}", ask.prefix);
        let output = call.await.map_err(|error| failed(&what(), &error))?;
        let next = output.is_truncated().unwrap_or_default();
        let next = output.next_continuation_token().filter(|_| next).map(str::to_owned);
        let folders = output.common_prefixes.unwrap_or_default();
        let objects = output.contents.unwrap_or_default().into_iter();
        Ok(Listing {
            objects: objects
                .filter_map(|object| {
                    Some(Listed {
                        size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                        etag: object.e_tag().map(|tag| tag.trim_matches('"').to_owned()),
                        key: object.key?,
                    })
                })
                .collect(),
            folders: folders.into_iter().filter_map(|folder| folder.prefix).collect(),
            next,
        })
    }
}
