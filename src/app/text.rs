//! A whole text from a store, and no more of it than it may have.

use futures_util::StreamExt as _;
use time::OffsetDateTime;

use crate::store::{Location, ObjectRef, Store};

/// The text at a place, of at most so many bytes, and when it was written.
///
/// # Errors
/// In words, with the place: it cannot be read, is longer, or is not UTF-8.
pub(super) async fn read(
    store: &dyn Store,
    location: Location,
    most: usize,
) -> Result<(String, Option<OffsetDateTime>), String> {
    let place = location.to_string();
    let object = ObjectRef { location, region: None, size: None, etag: None };
    let mut body = store.open(&object, None).await.map_err(|error| error.text)?;
    let written = body.last_modified.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.text)?);
        if bytes.len() > most {
            return Err(format!("{place} is longer than {} MiB", most >> 20));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{place} is not UTF-8"))?;
    Ok((text, written))
}
