//! The file sink: one event a line, appended. After a crash or a full disk the file never contains
//! half a line.
//!
//! Rotation renames the file to a name that no other file has, so that a crash at any moment leaves
//! whole files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::lines::{self, WriteLines};
use super::types::{BuildContext, Built, SinkType};
use crate::config::{FileConfig, Rotation};
use crate::error::{Code, Error};

/// Maximum bytes of an unterminated last line that are read; a longer line is terminated, not
/// removed.
const MAX_LINE: u64 = 16 << 20;

/// Suffix of a rotated file: `20260301T090000.000000Z`. Alphabetical order is chronological order.
const STAMP: &[FormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");

/// The clock of rotation.
type Now = Box<dyn Fn() -> OffsetDateTime + Send>;

impl SinkType for FileConfig {
    /// # Errors
    /// The file cannot be opened or repaired.
    fn build(&self, context: BuildContext<'_>) -> Result<Built, Error> {
        let file = LineFile::open(&context.config.name, self, Box::new(OffsetDateTime::now_utc))?;
        Ok(lines::start(context, file, crate::format::render))
    }
}

/// A file that grows by whole lines.
struct LineFile {
    sink: String,
    path: PathBuf,
    fsync: bool,
    rotation: Option<Rotation>,
    now: Now,
    /// `None`: it was rotated, or may not end in a whole line; the next write opens it.
    current: Option<OpenFile>,
}

/// The open file.
struct OpenFile {
    file: File,
    /// Length up to which lines are whole; `None`: a pipe or a device, which cannot be truncated.
    length: Option<u64>,
    /// Time of the last write.
    written: OffsetDateTime,
}

impl LineFile {
    fn open(sink: &str, settings: &FileConfig, now: Now) -> Result<Self, Error> {
        let mut file = Self {
            sink: sink.to_owned(),
            path: settings.path.clone(),
            fsync: settings.fsync,
            rotation: settings.rotate,
            now,
            current: None,
        };
        file.current()?;
        Ok(file)
    }

    /// Returns the open file, after opening it if needed.
    fn current(&mut self) -> Result<&mut OpenFile, Error> {
        let current = match self.current.take() {
            Some(current) => current,
            None => open(&self.path).map_err(|error| self.failed("open", error))?,
        };
        Ok(self.current.insert(current))
    }

    /// Rotates the file if it is full or old.
    fn rotate(&mut self, more: u64, now: OffsetDateTime) -> Result<(), Error> {
        let Some(rotation) = self.rotation else { return Ok(()) };
        let OpenFile { length: Some(length), written, .. } = *self.current()? else {
            return Ok(());
        };
        if !rotation_due(&rotation, length, more, written, now) {
            return Ok(());
        }
        // Closed first: after any failure below, the next write opens whatever file then has the
        // name.
        self.current = None;
        rename(&self.path, now, self.fsync).map_err(|error| self.failed("rotate", error))?;
        if let Err(error) = prune(&self.path, rotation.keep) {
            let error = self.failed("remove rotated files of", error);
            let (sink, code) = (&self.sink, error.code.as_str());
            tracing::warn!(sink, code, error = error.text, "rotated files not removed");
        }
        Ok(())
    }

    fn failed(&self, verb: &str, error: io::Error) -> Error {
        let (sink, path) = (&self.sink, self.path.display());
        Error::caused(Code::FileFailed, format!("sink.{sink}.path: cannot {verb} {path}"), error)
    }
}

impl WriteLines for LineFile {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Error> {
        let now = (self.now)();
        self.rotate(lines.len() as u64, now)?;
        let fsync = self.fsync;
        let current = self.current()?;
        let written = current.file.write_all(lines).and_then(|()| match current.length {
            Some(_) if fsync => current.file.sync_data(),
            _ => Ok(()),
        });
        match written {
            Ok(()) => {
                current.length = current.length.map(|length| length + lines.len() as u64);
                current.written = now;
                Ok(())
            }
            Err(error) => {
                // Removes a partial write. If even that fails, the file is repaired when it is
                // opened again.
                if current.length.is_some_and(|length| current.file.set_len(length).is_err()) {
                    self.current = None;
                }
                Err(self.failed("write to", error))
            }
        }
    }
}

fn open(path: &Path) -> io::Result<OpenFile> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if metadata.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        let file = OpenOptions::new().append(true).open(path)?;
        return Ok(OpenFile { file, length: None, written: OffsetDateTime::UNIX_EPOCH });
    }
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path)?;
    // Read before the repair, which is no write of an event. A new file is empty: its time does not
    // matter.
    let written = metadata.and_then(|metadata| metadata.modified().ok()).map(OffsetDateTime::from);
    let length = Some(repair_last_line(&mut file)?);
    Ok(OpenFile { file, length, written: written.unwrap_or(OffsetDateTime::UNIX_EPOCH) })
}

/// Terminates the last line of the file and returns the length. An unterminated last line is either
/// a whole event, which only lacks its line end, or half an event that was not reported as
/// delivered: the half is removed, because the event is redelivered. Anything that is not an event
/// of ours is kept.
fn repair_last_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&*file).take(MAX_LINE).read_to_end(&mut tail)?;
    let start = memchr::memrchr(b'\n', &tail).map_or(0, |end| end + 1);
    let last = &tail[start..];
    if last.is_empty() {
        return Ok(length);
    }
    let whole_line_seen = start > 0 || from == 0;
    let half = serde_json::from_slice::<serde::de::IgnoredAny>(last).is_err();
    if whole_line_seen && half && last.starts_with(b"{") {
        let length = from + start as u64;
        file.set_len(length)?;
        return Ok(length);
    }
    file.write_all(b"\n")?;
    Ok(length + 1)
}

/// Returns whether a file of this length, last written at `written`, is rotated before `more` bytes
/// are written at `now`.
fn rotation_due(
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

/// Returns the number of the period of this length that contains a moment, counted from the epoch.
fn period(moment: OffsetDateTime, length: Duration) -> i128 {
    let length = i128::try_from(length.as_nanos()).unwrap_or(i128::MAX).max(1);
    moment.unix_timestamp_nanos().div_euclid(length)
}

/// Renames the file after `now`, or just after the newest rotated file: a clock that was set back
/// overwrites nothing.
fn rename(path: &Path, now: OffsetDateTime, fsync: bool) -> io::Result<()> {
    let newest = rotated(path)?.last().map(|(time, _)| *time + time::Duration::MICROSECOND);
    let time = newest.map_or(now, |newest| newest.max(now)).to_offset(UtcOffset::UTC);
    let stamp = time.format(STAMP).map_err(io::Error::other)?;
    let mut name = OsString::from(path);
    name.push(format!(".{stamp}"));
    fs::rename(path, name)?;
    if fsync { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

/// Removes all but the `keep` newest rotated files.
fn prune(path: &Path, keep: usize) -> io::Result<()> {
    let rotated = rotated(path)?;
    let surplus = rotated.len().saturating_sub(keep);
    rotated.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// Returns the rotated files, oldest first. Other files with a similar name are not ours.
fn rotated(path: &Path) -> io::Result<Vec<(OffsetDateTime, PathBuf)>> {
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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
#[path = "../../tests/edges/file.rs"]
mod tests;
