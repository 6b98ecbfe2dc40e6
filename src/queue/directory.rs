//! A folder as a queue: each file is a message whose body is its path. For trying things out, and
//! for hosts where CloudTrail files arrive by other means.
//!
//! A released file is available again in this process; a deleted one is remembered by path, size
//! and modification time, so that a rewritten file is a new message. A restart forgets all of it.
//!
//! Memory: one small entry per file in the folder, about 200 bytes and its path; files that are
//! gone are forgotten. So the folder bounds it, and a folder of millions of files wants a real
//! queue.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::index::{FileIndex, ReceivedFile};
use super::{Entry, EntryError, Handle, MAX_BATCH, Message, Queue, Receipt};
use crate::error::{Code, Error};

mod index;

/// How long a receive waits for a file, like SQS's long poll.
const LONG_POLL: Duration = Duration::from_secs(20);

/// How often a waiting receive scans for new files.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// Pause between two scans, in durations of the last one, so that a slow folder is scanned rarely.
const SCAN_PAUSE: u32 = 10;

/// Suffixes of files that may contain CloudTrail records. A file that is still being written under
/// a temporary name (`x.json.part`, `x.json.tmp`, `.x.json.swp`, `x.json~`) has none of these.
const SUFFIXES: [&str; 4] = [".json", ".jsonl", ".ndjson", ".gz"];

/// Depth of nested folders, at most.
const MAX_DEPTH: usize = 64;

/// The folder queue. Bodies are absolute paths.
pub(crate) struct DirectoryQueue {
    name: String,
    root: PathBuf,
    visibility_timeout: Duration,
    index: Mutex<FileIndex>,
    changed: Notify,
}

impl DirectoryQueue {
    /// Creates a queue of the files below `root` whose names end in `.json`, `.jsonl`, `.ndjson` or
    /// `.gz`. Nothing is read before the first receive.
    #[must_use]
    pub(crate) fn new(root: &Path, visibility_timeout: Duration) -> Self {
        Self {
            name: root.display().to_string(),
            root: root.to_owned(),
            visibility_timeout,
            index: Mutex::new(FileIndex::new()),
            changed: Notify::new(),
        }
    }

    async fn receive_some(&self, max: usize) -> Result<Vec<Message>, Error> {
        let max = max.clamp(1, MAX_BATCH);
        let until = Instant::now() + LONG_POLL;
        loop {
            let messages = self.take(max);
            if !messages.is_empty() {
                return Ok(messages);
            }
            if self.index.lock().next_scan <= Instant::now() {
                let unreadable = self.rescan().await?;
                let messages = self.take(max);
                match unreadable {
                    _ if !messages.is_empty() => return Ok(messages),
                    Some(error) => return Err(error),
                    None => {}
                }
            }
            if Instant::now() >= until {
                return Ok(Vec::new());
            }
            let next = {
                let index = self.index.lock();
                index.next_visible().map_or(index.next_scan, |at| at.min(index.next_scan))
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
        let received = self.index.lock().receive(max, now, self.visibility_timeout);
        let message = |file: ReceivedFile| {
            let path = file.path.to_string_lossy().into_owned();
            Message {
                id: path.clone(),
                body: path,
                receipt: Receipt::new(file.handle),
                receive_count: file.receive_count,
                sent: file.modified,
                first_received: None,
                received_at: now,
            }
        };
        received.into_iter().map(message).collect()
    }

    /// Scans the folder. Files that can be read are available even if a part cannot; its error is
    /// returned.
    async fn rescan(&self) -> Result<Option<Error>, Error> {
        let started = Instant::now();
        let root = self.root.clone();
        let scan = tokio::task::spawn_blocking(move || scan(&root)).await;
        let scan = scan.map_err(|error| {
            Error::caused(Code::DirectoryUnreadable, "the folder scan failed", error)
        })?;
        let now = Instant::now();
        let mut index = self.index.lock();
        index.update(scan.files, now);
        index.next_scan = now + SCAN_INTERVAL.max((now - started) * SCAN_PAUSE);
        Ok(scan.unreadable)
    }

    fn change(&self, batch: &[(Handle, Duration)]) -> Vec<Entry> {
        let now = Instant::now();
        let mut index = self.index.lock();
        let change = |(handle, timeout): &(Handle, Duration)| {
            if index.change(handle, now, *timeout) {
                return Ok(());
            }
            let text = format!("{}: receipt handle {handle} is no longer valid", self.name);
            Err(EntryError::Lost(Error::new(Code::LeaseLost, text)))
        };
        let entries = batch.iter().map(change).collect();
        drop(index);
        self.changed.notify_one();
        entries
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
            let mut index = self.index.lock();
            batch.iter().for_each(|handle| index.delete(handle, now));
            // As with SQS, deleting by a stale handle succeeds and deletes nothing.
            Ok(vec![Ok(()); batch.len()])
        })
    }
    fn name(&self) -> &str {
        &self.name
    }
}

type FilePath = Arc<Path>;

/// What tells a rewritten file from the one that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    size: u64,
    modified: Option<SystemTime>,
}

struct Scan {
    /// By absolute path, sorted.
    files: BTreeMap<FilePath, FileVersion>,
    /// The first folder or file that cannot be read. A file that vanishes is no error.
    unreadable: Option<Error>,
}

/// Returns whether a file in a folder may contain CloudTrail records, by its name.
#[must_use]
pub(crate) fn is_log_file_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    !name.starts_with(b".") && SUFFIXES.iter().any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// Finds all files below `root`; blocks. Hidden files and folders are skipped; links to files are
/// followed, links to folders are not, so that circular links cannot trap the scan.
fn scan(root: &Path) -> Scan {
    let mut scan = Scan { files: BTreeMap::new(), unreadable: None };
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut folders = vec![(root, 0)];
    while let Some((folder, depth)) = folders.pop() {
        if let Err(error) = scan_folder(&folder, depth, &mut folders, &mut scan)
            && (depth == 0 || error.kind() != io::ErrorKind::NotFound)
        {
            scan.unreadable.get_or_insert_with(|| {
                let text = format!("cannot read the folder {}", folder.display());
                Error::caused(Code::DirectoryUnreadable, text, error)
            });
        }
    }
    scan
}

fn scan_folder(
    folder: &Path,
    depth: usize,
    folders: &mut Vec<(PathBuf, usize)>,
    scan: &mut Scan,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if depth < MAX_DEPTH {
                folders.push((entry.path(), depth + 1));
            }
        } else if is_log_file_name(&name)
            && let Some(version) = version(&entry)
        {
            let path = entry.path();
            // A message's body is text, and would name another file.
            if path.to_str().is_some() {
                scan.files.insert(path.into(), version);
            } else {
                let text = format!("rename {}: its name is not UTF-8", path.display());
                scan.unreadable.get_or_insert(Error::new(Code::DirectoryUnreadable, text));
            }
        }
    }
    Ok(())
}

/// Returns `None` if it is no file, or no longer exists.
fn version(entry: &DirEntry) -> Option<FileVersion> {
    let metadata = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file)?;
    Some(FileVersion { size: metadata.len(), modified: metadata.modified().ok() })
}

#[cfg(test)]
#[path = "../../tests/edges/directory.rs"]
mod tests;
