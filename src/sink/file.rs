//! The file sink: one event a line, appended. After a crash or a full disk there is never half a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::lines::{BOUNDS, Lines, WriteLines};
use super::{Built, handle};
use crate::config::{FileConfig, SinkConfig};
use crate::outcome::Why;
use crate::telemetry::Metrics;

/// Longest unfinished last line that is looked at; a longer one is ended, not removed.
const LONGEST_LINE: u64 = 16 << 20;

/// Makes the sink.
///
/// # Errors
/// The file cannot be opened or mended.
pub(super) fn build(
    config: &SinkConfig,
    own: &FileConfig,
    metrics: &Arc<Metrics>,
    stop: CancellationToken,
) -> Result<Built, Why> {
    let lines = Lines {
        name: config.name.clone(),
        format: config.format,
        render: crate::event::render,
        metrics: metrics.clone(),
        writer: Arc::new(Mutex::new(Append::open(&config.name, own)?)),
    };
    Ok(handle::start(config, lines, BOUNDS, metrics, stop))
}

/// A file that grows by whole lines.
struct Append {
    sink: String,
    path: PathBuf,
    file: File,
    /// Length up to which lines are whole; `None`: a pipe or a device, where nothing can be taken back.
    length: Option<u64>,
    fsync: bool,
}

impl Append {
    fn open(sink: &str, own: &FileConfig) -> Result<Self, Why> {
        let opened = open(&own.path);
        let (file, length) = opened.map_err(|fault| failed(sink, &own.path, "open", &fault))?;
        Ok(Self { sink: sink.to_owned(), path: own.path.clone(), file, length, fsync: own.fsync })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        match self.length {
            Some(_) if self.fsync => self.file.sync_data(),
            _ => Ok(()),
        }
    }
}

impl WriteLines for Append {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Why> {
        match self.append(lines) {
            Ok(()) => {
                self.length = self.length.map(|length| length + lines.len() as u64);
                Ok(())
            }
            Err(fault) => {
                // Take back what was written of it. Where even that fails, the next start mends it.
                if let Some(length) = self.length {
                    let _ = self.file.set_len(length);
                }
                Err(failed(&self.sink, &self.path, "write to", &fault))
            }
        }
    }
}

fn failed(sink: &str, path: &Path, verb: &str, fault: &io::Error) -> Why {
    let text = format!("sink.{sink}.path: cannot {verb} {}: {fault}", path.display());
    Why::new("file_failed", text)
}

fn open(path: &Path) -> io::Result<(File, Option<u64>)> {
    let regular = match std::fs::metadata(path) {
        Ok(found) => found.is_file(),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => true,
        Err(fault) => return Err(fault),
    };
    if !regular {
        return Ok((OpenOptions::new().append(true).open(path)?, None));
    }
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path)?;
    let length = mend(&mut file)?;
    Ok((file, Some(length)))
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
