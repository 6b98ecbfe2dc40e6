//! The files of a folder queue: which are available, which are leased, which are done. Plain values
//! that are given the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{FilePath, FileVersion};
use crate::queue::Handle;

struct FileEntry {
    version: FileVersion,
    receive_count: u32,
    /// The latest receive, until it is deleted or released.
    lease: Option<u64>,
    /// When the file can be received (again); its entry in [`FileIndex::visible`]. `None`: deleted.
    visible: Option<Instant>,
}

/// A file just received.
pub(super) struct ReceivedFile {
    pub(super) path: FilePath,
    pub(super) handle: Handle,
    pub(super) receive_count: u32,
    pub(super) modified: Option<SystemTime>,
}

pub(super) struct FileIndex {
    files: BTreeMap<FilePath, FileEntry>,
    /// Every file that is not deleted, by when it can be received.
    visible: BTreeSet<(Instant, FilePath)>,
    /// The files of the receives that are neither deleted nor released.
    leases: BTreeMap<u64, FilePath>,
    next_handle: u64,
    /// When the folder is scanned again.
    pub(super) next_scan: Instant,
}

impl FileIndex {
    pub(super) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            visible: BTreeSet::new(),
            leases: BTreeMap::new(),
            next_handle: 1,
            next_scan: Instant::now(),
        }
    }

    /// Enters a scan's files. New files, and deleted ones that changed since, become available;
    /// those that are gone are forgotten unless they are leased.
    pub(super) fn update(&mut self, found: BTreeMap<FilePath, FileVersion>, now: Instant) {
        self.files.retain(|path, file| {
            let is_kept = file.lease.is_some() || found.contains_key(path);
            if let Some(at) = file.visible.filter(|_| !is_kept) {
                self.visible.remove(&(at, FilePath::clone(path)));
            }
            is_kept
        });
        for (path, version) in found {
            match self.files.get_mut(&path) {
                Some(file) if file.lease.is_some() => {}
                // Available already; received, it will be read as it then is.
                Some(file) if file.visible.is_some() => file.version = version,
                Some(file) if file.version == version => {}
                _ => {
                    self.visible.insert((now, FilePath::clone(&path)));
                    let (lease, visible) = (None, Some(now));
                    self.files
                        .insert(path, FileEntry { version, receive_count: 0, lease, visible });
                }
            }
        }
    }

    /// Receives up to `max` files, longest available first, then by path; hides each for `timeout`.
    pub(super) fn receive(
        &mut self,
        max: usize,
        now: Instant,
        timeout: Duration,
    ) -> Vec<ReceivedFile> {
        let mut received = Vec::new();
        while received.len() < max
            && self.visible.first().is_some_and(|(from, _)| *from <= now)
            && let Some((_, path)) = self.visible.pop_first()
        {
            let Some(file) = self.files.get_mut(&path) else { continue };
            let (lease, until) = (self.next_handle, now + timeout);
            self.next_handle += 1;
            if let Some(expired) = file.lease.replace(lease) {
                self.leases.remove(&expired);
            }
            file.visible = Some(until);
            file.receive_count = file.receive_count.saturating_add(1);
            received.push(ReceivedFile {
                path: FilePath::clone(&path),
                handle: lease.to_string().into(),
                receive_count: file.receive_count,
                modified: file.version.modified,
            });
            self.leases.insert(lease, FilePath::clone(&path));
            self.visible.insert((until, path));
        }
        received
    }

    /// Hides a leased file for `timeout` more; zero releases it. `false` for a stale handle.
    pub(super) fn change(&mut self, handle: &str, now: Instant, timeout: Duration) -> bool {
        self.set_visible(handle, now, Some(now + timeout))
    }

    /// Marks a leased file as deleted; does nothing for a stale handle.
    pub(super) fn delete(&mut self, handle: &str, now: Instant) {
        self.set_visible(handle, now, None);
    }

    /// When the next file can be received.
    pub(super) fn next_visible(&self) -> Option<Instant> {
        self.visible.first().map(|(from, _)| *from)
    }

    /// Sets when the file that `handle` leases can be received. `false` for a stale handle: one
    /// whose time has ended is stale, even if no other receive got the file.
    fn set_visible(&mut self, handle: &str, now: Instant, visible: Option<Instant>) -> bool {
        let Ok(lease) = handle.parse() else { return false };
        let Some(path) = self.leases.get(&lease).cloned() else { return false };
        let Some(file) = self.files.get_mut(&path) else { return false };
        let Some(until) = file.visible.filter(|until| *until > now) else { return false };
        self.visible.remove(&(until, FilePath::clone(&path)));
        file.visible = visible;
        if visible.is_none_or(|from| from <= now) {
            file.lease = None;
            self.leases.remove(&lease);
        }
        self.visible.extend(visible.map(|from| (from, path)));
        true
    }
}
