//! When a file is full or old, and how it is moved aside: by one rename, to a name that no other has, so that a crash
//! at any moment leaves whole files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::config::Rotation;

/// `20260301T090000.000000Z`: in the order of the alphabet is in the order of time.
const STAMP: &[FormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");

/// Whether a file of this length, last written to at `written`, takes no `more` bytes at `now`.
pub(super) fn is_due(
    rotation: &Rotation,
    length: u64,
    more: u64,
    written: OffsetDateTime,
    now: OffsetDateTime,
) -> bool {
    let full = || rotation.size.is_some_and(|size| length.saturating_add(more) > size);
    let old = || rotation.age.is_some_and(|age| period(written, age) != period(now, age));
    length > 0 && (full() || old())
}

/// Which period of this length a moment is in, counted from the epoch.
fn period(moment: OffsetDateTime, length: Duration) -> i128 {
    let length = i128::try_from(length.as_nanos()).unwrap_or(i128::MAX).max(1);
    moment.unix_timestamp_nanos().div_euclid(length)
}

/// Gives the file a name of its own, after `now`, or just after the newest that there is: a clock that was put
/// back overwrites nothing.
pub(super) fn move_aside(path: &Path, now: OffsetDateTime, fsync: bool) -> io::Result<()> {
    let newest = aside(path)?.last().map(|(time, _)| *time + time::Duration::MICROSECOND);
    let time = newest.map_or(now, |newest| newest.max(now)).to_offset(UtcOffset::UTC);
    let stamp = time.format(STAMP).map_err(io::Error::other)?;
    let mut name = OsString::from(path);
    name.push(format!(".{stamp}"));
    fs::rename(path, name)?;
    if fsync { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

/// Removes all but the `keep` newest files that were moved aside.
pub(super) fn prune(path: &Path, keep: usize) -> io::Result<()> {
    let aside = aside(path)?;
    let surplus = aside.len().saturating_sub(keep);
    aside.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// The files that were moved aside, oldest first. Others of a similar name are not ours.
fn aside(path: &Path) -> io::Result<Vec<(OffsetDateTime, PathBuf)>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?;
        let other = entry.file_name();
        let stamp = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        let time = stamp.and_then(|stamp| PrimitiveDateTime::parse(stamp, STAMP).ok());
        found.extend(time.map(|time| (time.assume_utc(), entry.path())));
    }
    found.sort();
    Ok(found)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
