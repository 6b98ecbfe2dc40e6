//! Local files as objects, for `source.directory` and `scan`.

use futures_util::future::BoxFuture;

use super::{Body, ObjectRef, Store, StoreError};

/// Reads [`Location::File`](super::Location::File).
#[derive(Debug, Clone, Copy, Default)]
pub struct FileStore;

impl Store for FileStore {
    fn open<'a>(
        &'a self,
        _object: &'a ObjectRef,
        _if_match: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        todo!("source helper")
    }
}
