//! What a folder queue knows of its files: which are on offer, which are leased, which are done.
//! Plain values and a clock passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{FileName, Stamp};
use crate::queue::Handle;

struct FileEntry {
    stamp: Stamp,
    state: State,
    receive_count: u32,
}

enum State {
    /// On offer from this moment: the key of its line in `offers`.
    Offered(Instant),
    /// Received; on offer again from this moment, under which it stands in `offers`.
    Leased { handle: u64, until: Instant },
    /// Deleted.
    Done,
}

/// A file just received.
pub(super) struct Taken {
    pub(super) path: FileName,
    pub(super) handle: Handle,
    pub(super) receive_count: u32,
    pub(super) modified: Option<SystemTime>,
}

pub(super) struct Shelf {
    files: BTreeMap<FileName, FileEntry>,
    /// Every file that is not done, by when it may be received.
    offers: BTreeSet<(Instant, FileName)>,
    /// The live receives.
    leases: BTreeMap<u64, FileName>,
    next_handle: u64,
    /// When the folder is to be looked at again.
    pub(super) next_look: Instant,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            offers: BTreeSet::new(),
            leases: BTreeMap::new(),
            next_handle: 1,
            next_look: Instant::now(),
        }
    }
}

impl Shelf {
    /// Enters what a scan saw. New files, and done ones that changed since, are put on offer; those
    /// that are gone are forgotten unless someone holds them.
    pub(super) fn put(
        &mut self,
        seen: BTreeMap<FileName, Stamp>,
        now: Instant,
        next_look: Instant,
    ) {
        self.next_look = next_look;
        let (files, offers) = (&mut self.files, &mut self.offers);
        files.retain(|path, file| match file.state {
            State::Leased { .. } => true,
            State::Done => seen.contains_key(path),
            State::Offered(at) => {
                let stays = seen.contains_key(path);
                if !stays {
                    offers.remove(&(at, FileName::clone(path)));
                }
                stays
            }
        });
        for (path, stamp) in seen {
            match files.get_mut(&path) {
                Some(file) if matches!(file.state, State::Done) && file.stamp == stamp => {}
                Some(file) if matches!(file.state, State::Leased { .. }) => {}
                // On offer already; received, it will be read as it then is.
                Some(file) if matches!(file.state, State::Offered(_)) => file.stamp = stamp,
                _ => {
                    offers.insert((now, FileName::clone(&path)));
                    let file = FileEntry { stamp, state: State::Offered(now), receive_count: 0 };
                    files.insert(path, file);
                }
            }
        }
    }

    /// Up to `max` files on offer, by age of the offer and name; each is leased for `visibility`.
    pub(super) fn take(&mut self, max: usize, now: Instant, visibility: Duration) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < max
            && self.offers.first().is_some_and(|(from, _)| *from <= now)
            && let Some((_, path)) = self.offers.pop_first()
        {
            let Some(file) = self.files.get_mut(&path) else { continue };
            if let State::Leased { handle, .. } = file.state {
                self.leases.remove(&handle);
            }
            let (handle, until) = (self.next_handle, now + visibility);
            self.next_handle += 1;
            file.receive_count = file.receive_count.saturating_add(1);
            file.state = State::Leased { handle, until };
            taken.push(Taken {
                path: FileName::clone(&path),
                handle: handle.to_string().into(),
                receive_count: file.receive_count,
                modified: file.stamp.modified,
            });
            self.leases.insert(handle, FileName::clone(&path));
            self.offers.insert((until, path));
        }
        taken
    }

    /// Leases for `time` more from now; zero ends the lease. `false` for a stale handle.
    pub(super) fn change(&mut self, handle: &str, now: Instant, time: Duration) -> bool {
        let Some((handle, path)) = self.live(handle, now) else { return false };
        if time.is_zero() {
            self.leases.remove(&handle);
            self.set(&path, State::Offered(now));
        } else {
            self.set(&path, State::Leased { handle, until: now + time });
        }
        true
    }

    /// Marks as done, unless the handle is stale: then nothing happens.
    pub(super) fn delete(&mut self, handle: &str, now: Instant) {
        if let Some((handle, path)) = self.live(handle, now) {
            self.leases.remove(&handle);
            self.set(&path, State::Done);
        }
    }

    /// When the next file is on offer.
    pub(super) fn next_offer(&self) -> Option<Instant> {
        self.offers.first().map(|(from, _)| *from)
    }

    /// The file that a handle leases now. After its time, though nobody took it, it leases nothing.
    fn live(&self, handle: &str, now: Instant) -> Option<(u64, FileName)> {
        let handle = handle.parse().ok()?;
        let path = self.leases.get(&handle)?;
        match self.files.get(path)?.state {
            State::Leased { until, .. } if until > now => Some((handle, FileName::clone(path))),
            _ => None,
        }
    }

    fn set(&mut self, path: &FileName, state: State) {
        let Some(file) = self.files.get_mut(path) else { return };
        if let State::Offered(from) | State::Leased { until: from, .. } = file.state {
            self.offers.remove(&(from, FileName::clone(path)));
        }
        if let State::Offered(from) | State::Leased { until: from, .. } = state {
            self.offers.insert((from, FileName::clone(path)));
        }
        file.state = state;
    }
}
