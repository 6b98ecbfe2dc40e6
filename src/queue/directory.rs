//! A folder as a queue: each file is a message whose body is its path. For trying things out, and for
//! places where CloudTrail files arrive by other means.
//!
//! Release offers the file again in this process; a deleted message is remembered by name, size and
//! modification time, so that a rewritten file is a new one. Nothing is remembered over a restart.
//!
//! Memory: one small entry per file in the folder, about 200 bytes and its path; files that are gone
//! are forgotten. So the folder bounds it, and a folder of millions of files wants a real queue.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::shelf::Shelf;
use super::{Entry, EntryError, Handle, MAX_BATCH, Message, Queue, Receipt};
use crate::error::{Code, Error};

mod scan;
mod shelf;

pub use scan::looks_like_a_log;

/// How long a receive waits for a file, like SQS's long poll.
const LONG_POLL: Duration = Duration::from_secs(20);

/// How often an idle receive looks for new files.
const LOOK: Duration = Duration::from_secs(1);

/// A slow folder is looked at this many times its own scan time apart, so that looking stays cheap.
const LOOK_SHARE: u32 = 10;

/// The folder queue. Bodies are absolute paths.
pub struct DirectoryQueue {
    name: String,
    root: PathBuf,
    visibility: Duration,
    shelf: Mutex<Shelf>,
    changed: Notify,
}

impl DirectoryQueue {
    /// A queue of the files below `root` whose names end in `.json`, `.jsonl`, `.ndjson` or `.gz`.
    /// Nothing is read before the first receive.
    #[must_use]
    pub fn new(root: &Path, visibility: Duration) -> Self {
        Self {
            name: root.display().to_string(),
            root: root.to_owned(),
            visibility,
            shelf: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn receive_some(&self, max: usize) -> Result<Vec<Message>, Error> {
        let max = max.clamp(1, MAX_BATCH);
        let until = Instant::now() + LONG_POLL;
        loop {
            let messages = self.take(max);
            if !messages.is_empty() {
                return Ok(messages);
            }
            if self.shelf().next_look <= Instant::now() {
                let unreadable = self.look().await?;
                let messages = self.take(max);
                match unreadable {
                    _ if !messages.is_empty() => return Ok(messages),
                    Some(error) => return Err(error),
                    None => {}
                }
            }
            let now = Instant::now();
            if now >= until {
                return Ok(Vec::new());
            }
            let next = {
                let shelf = self.shelf();
                shelf.next_offer().map_or(shelf.next_look, |offer| offer.min(shelf.next_look))
            };
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(next.min(until)) => {}
            }
        }
    }

    fn take(&self, max: usize) -> Vec<Message> {
        let now = Instant::now();
        let taken = self.shelf().take(max, now, self.visibility).into_iter();
        let message = |taken: shelf::Taken| {
            let path = taken.path.to_string_lossy().into_owned();
            Message {
                id: path.clone(),
                body: path,
                receipt: Receipt::new(taken.handle),
                receive_count: taken.receive_count,
                sent: taken.modified,
                first_received: None,
                received_at: now,
            }
        };
        taken.map(message).collect()
    }

    /// Looks for files; a part of the folder that cannot be read is told, the rest is offered.
    async fn look(&self) -> Result<Option<Error>, Error> {
        let started = Instant::now();
        let root = self.root.clone();
        let scan =
            tokio::task::spawn_blocking(move || scan::files(&root)).await.map_err(|error| {
                Error::new(Code::DirectoryUnreadable, format!("scan failed: {error}"))
            })?;
        let now = Instant::now();
        let pause = LOOK.max((now - started) * LOOK_SHARE);
        self.shelf().put(scan.files, now, now + pause);
        Ok(scan.unreadable.map(|text| Error::new(Code::DirectoryUnreadable, text)))
    }

    fn change(&self, batch: &[(Handle, Duration)]) -> Vec<Entry> {
        let now = Instant::now();
        let mut shelf = self.shelf();
        let change = |(handle, time): &(Handle, Duration)| {
            if shelf.change(handle, now, *time) { Ok(()) } else { Err(self.stale(handle)) }
        };
        let entries = batch.iter().map(change).collect();
        drop(shelf);
        self.changed.notify_one();
        entries
    }

    fn stale(&self, handle: &Handle) -> EntryError {
        let text = format!("{}: receipt {handle} is stale, its lease has run out", self.name);
        EntryError::Lost(Error::new(Code::LeaseLost, text))
    }
}

impl Queue for DirectoryQueue {
    fn receive(&self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        Box::pin(self.receive_some(max))
    }
    fn change_visibility(
        &self,
        batch: Vec<(Handle, Duration)>,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move { Ok(self.change(&batch)) })
    }
    fn delete(&self, batch: Vec<Handle>) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            let now = Instant::now();
            let mut shelf = self.shelf();
            batch.iter().for_each(|handle| shelf.delete(handle, now));
            // As with SQS, deleting by a stale handle succeeds and deletes nothing.
            Ok(vec![Ok(()); batch.len()])
        })
    }
    fn name(&self) -> &str {
        &self.name
    }
}

/// A file as the scan saw it: what tells a rewritten file from the one that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<std::time::SystemTime>,
}

type FileName = Arc<Path>;

#[cfg(test)]
mod tests;
