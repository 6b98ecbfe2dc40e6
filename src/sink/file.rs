//! The file sink: one event a line, appended. After a crash or a full disk there is never half a line.

mod rotate;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use time::OffsetDateTime;

use super::lines::{BOUNDS, Lines, WriteLines};
use super::{Built, Stop, handle};
use crate::config::{FileConfig, Rotation, SinkConfig};
use crate::error::{Code, Error};
use crate::telemetry::Metrics;

/// Longest unfinished last line that is looked at; a longer one is ended, not removed.
const LONGEST_LINE: u64 = 16 << 20;

/// The clock that rotation goes by.
type Now = Box<dyn Fn() -> OffsetDateTime + Send>;

/// Makes the sink.
///
/// # Errors
/// The file cannot be opened or mended.
pub(super) fn build(
    config: &SinkConfig,
    own: &FileConfig,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Result<Built, Error> {
    let append = Append::open(&config.name, own, Box::new(OffsetDateTime::now_utc))?;
    let lines = Lines {
        name: config.name.clone(),
        format: config.format,
        render: crate::format::render,
        metrics: metrics.clone(),
        writer: Arc::new(Mutex::new(append)),
    };
    Ok(handle::start(config, lines, BOUNDS, metrics, stop))
}

/// A file that grows by whole lines.
struct Append {
    sink: String,
    path: PathBuf,
    fsync: bool,
    rotation: Option<Rotation>,
    now: Now,
    /// `None`: it was moved aside, or cannot be trusted to end in a whole line; the next line opens it.
    current: Option<Current>,
}

/// The file as it is open.
struct Current {
    file: File,
    /// Length up to which lines are whole; `None`: a pipe or a device, where nothing can be taken back.
    length: Option<u64>,
    /// When it was written to before.
    written: OffsetDateTime,
}

impl Append {
    fn open(sink: &str, own: &FileConfig, now: Now) -> Result<Self, Error> {
        let mut append = Self {
            sink: sink.to_owned(),
            path: own.path.clone(),
            fsync: own.fsync,
            rotation: own.rotate,
            now,
            current: None,
        };
        append.current()?;
        Ok(append)
    }

    /// The open file, opened now if it is not.
    fn current(&mut self) -> Result<&mut Current, Error> {
        let current = match self.current.take() {
            Some(current) => current,
            None => open(&self.path).map_err(|fault| self.failed("open", &fault))?,
        };
        Ok(self.current.insert(current))
    }

    /// Moves the file aside if it is full or old.
    fn rotate(&mut self, more: u64, now: OffsetDateTime) -> Result<(), Error> {
        let Some(rotation) = self.rotation else { return Ok(()) };
        let Current { length: Some(length), written, .. } = *self.current()? else { return Ok(()) };
        if !rotate::is_due(&rotation, length, more, written, now) {
            return Ok(());
        }
        // Closed first: whatever fails from here on, the next line opens what then has the name.
        self.current = None;
        let moved = rotate::move_aside(&self.path, now, self.fsync);
        moved.map_err(|fault| self.failed("rotate", &fault))?;
        if let Err(fault) = rotate::prune(&self.path, rotation.keep) {
            let error = self.failed("remove the oldest of", &fault);
            tracing::warn!(sink = self.sink, code = error.code.as_str(), "{error}");
        }
        Ok(())
    }

    fn failed(&self, verb: &str, fault: &io::Error) -> Error {
        let (sink, path) = (&self.sink, self.path.display());
        Error::new(Code::FileFailed, format!("sink.{sink}.path: cannot {verb} {path}: {fault}"))
    }
}

impl WriteLines for Append {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Error> {
        let now = (self.now)();
        self.rotate(lines.len() as u64, now)?;
        let fsync = self.fsync;
        let current = self.current()?;
        match current.append(lines, fsync) {
            Ok(()) => {
                current.length = current.length.map(|length| length + lines.len() as u64);
                current.written = now;
                Ok(())
            }
            Err(fault) => {
                // Take back what was written of it. Where even that fails, opening it again mends it.
                if current.length.is_some_and(|length| current.file.set_len(length).is_err()) {
                    self.current = None;
                }
                Err(self.failed("write to", &fault))
            }
        }
    }
}

impl Current {
    fn append(&mut self, lines: &[u8], fsync: bool) -> io::Result<()> {
        self.file.write_all(lines)?;
        match self.length {
            Some(_) if fsync => self.file.sync_data(),
            _ => Ok(()),
        }
    }
}

fn open(path: &Path) -> io::Result<Current> {
    let found = match std::fs::metadata(path) {
        Ok(found) => Some(found),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => None,
        Err(fault) => return Err(fault),
    };
    if found.as_ref().is_some_and(|found| !found.is_file()) {
        let file = OpenOptions::new().append(true).open(path)?;
        return Ok(Current { file, length: None, written: OffsetDateTime::UNIX_EPOCH });
    }
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path)?;
    // Before it is mended, which is no writing of ours. Of a new file it does not matter: it is empty.
    let written = found.and_then(|found| found.modified().ok()).map(OffsetDateTime::from);
    let length = Some(mend(&mut file)?);
    Ok(Current { file, length, written: written.unwrap_or(OffsetDateTime::UNIX_EPOCH) })
}

/// Ends the file in a whole line and returns its length. A last line without an end is either whole
/// (then only the end is missing) or half an event that nobody was told is delivered: it is removed, because
/// it comes again. Anything that is no event of ours is kept.
fn mend(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&*file).take(LONGEST_LINE).read_to_end(&mut tail)?;
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

#[cfg(test)]
mod tests;
