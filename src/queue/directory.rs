//! A folder as a queue: each file is a message whose body is its path. For trying things out, and for
//! places where CloudTrail files arrive by other means.
//!
//! Release offers the file again in this process; a deleted message is remembered by name, size and
//! modification time, so that a rewritten file is a new one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Entry, Handle, Message, Queue};
use crate::outcome::Why;

/// The folder queue. Bodies are absolute paths.
pub struct DirectoryQueue {
    name: String,
    _root: PathBuf,
}

impl DirectoryQueue {
    /// A queue of the files below `root`.
    #[must_use]
    pub fn new(root: &Path, _visibility: Duration) -> Self {
        Self { name: root.display().to_string(), _root: root.to_owned() }
    }
}

impl Queue for DirectoryQueue {
    fn receive(&self, _max: usize) -> BoxFuture<'_, Result<Vec<Message>, Why>> {
        todo!("source helper")
    }
    fn change_visibility(
        &self,
        _batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Why>> {
        todo!("source helper")
    }
    fn delete(&self, _batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Why>> {
        todo!("source helper")
    }
    fn name(&self) -> &str {
        &self.name
    }
}
