//! A scan's workers: one file each at a time, output in the order of the files.
//!
//! Every file has a short channel of its own and the printer takes the channels in order, so that a
//! worker that is ahead waits instead of piling up output. Files are begun in order, so the one
//! that is printed is always being read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use time::OffsetDateTime;

use super::files::Input;
use crate::cloudtrail::{BadRecord, Decoder, DecoderSettings, Found, Origin, Selection, Tally};
use crate::config::{Decode, EventOptions};
use crate::event::{Arrival, Context, Event, Lane};
use crate::telemetry::escape;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// Parcels of one file that may wait to be printed.
const PARCELS: usize = 16;

/// What a worker has to say, in order of its file.
pub(super) enum News {
    /// Whole lines of output.
    Lines(Vec<u8>),
    /// Stored bytes read.
    Progress(u64),
    /// A record that could not be read, named.
    BadRecord(String),
    /// The file is done.
    End(PathBuf, Ended),
}

/// How a file ended.
pub(super) struct Ended {
    /// Events printed.
    pub(super) events: u64,
    /// Bad records.
    pub(super) bad: u64,
    /// Its accounting, or why it is damaged.
    pub(super) result: Result<Tally, String>,
}

/// What is done with every file.
pub(in crate::cli) struct Task<'t> {
    /// Which records.
    pub(in crate::cli) selection: Selection,
    /// How they are read.
    pub(in crate::cli) options: Arc<EventOptions>,
    /// What is known beside the records.
    pub(in crate::cli) context: Context,
    /// Appends what is printed for an event, line end included.
    pub(in crate::cli) write: &'t (dyn Fn(&Event, &mut Vec<u8>) + Sync),
}

/// The files still to be read, and the line of files being printed; `None` when all are begun.
type Queue = Mutex<Option<(std::vec::IntoIter<Input>, SyncSender<Receiver<News>>)>>;

/// Scans every input and tells `print` in order, until `print` fails.
pub(super) fn each(
    inputs: Vec<Input>,
    task: &Task<'_>,
    mut print: impl FnMut(News) -> io::Result<()>,
) -> io::Result<()> {
    let settings =
        DecoderSettings { selection: Arc::new(task.selection.clone()), limits: Decode::default() };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(inputs.len());
    let (line, printed) = sync_channel(2 * workers.max(1));
    let queue: Queue = Mutex::new(Some((inputs.into_iter(), line)));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, decoder) = (&queue, Decoder::new(settings.clone()));
            scope.spawn(move || work(queue, decoder, task));
        }
        if workers == 0 {
            begin(&queue);
        }
        // Taken by value: when printing fails, the workers' sends fail too and they end.
        printed.into_iter().flatten().try_for_each(&mut print)
    })
}

/// Takes the next file and puts it in the printer's line.
fn begin(queue: &Queue) -> Option<(Input, SyncSender<News>)> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let (inputs, line) = queue.as_mut()?;
    let begun = inputs.next().and_then(|input| {
        let (news, file) = sync_channel(PARCELS);
        line.send(file).ok().map(|()| (input, news))
    });
    if begun.is_none() {
        *queue = None;
    }
    begun
}

fn work(queue: &Queue, mut decoder: Decoder, task: &Task<'_>) {
    while let Some((input, news)) = begin(queue) {
        let mut file = OneFile { path: &input.path, task, news: &news, events: 0, bad: 0 };
        let result = file.read(&mut decoder);
        decoder.reset();
        let ended = Ended { events: file.events, bad: file.bad, result };
        if news.send(News::End(input.path.clone(), ended)).is_err() {
            return;
        }
    }
}

struct OneFile<'a> {
    path: &'a Path,
    task: &'a Task<'a>,
    news: &'a SyncSender<News>,
    events: u64,
    bad: u64,
}

impl OneFile<'_> {
    fn read(&mut self, decoder: &mut Decoder) -> Result<Tally, String> {
        let mut file: Box<dyn Read> = if self.path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(self.path).map_err(|cause| cause.to_string())?)
        };
        let (mut chunk, mut found) = (vec![0; CHUNK], Vec::new());
        let first = fill(&mut file, &mut chunk)?;
        if first < CHUNK {
            // Wholly in memory: the fast way.
            let tally = decoder.decode(&chunk[..first], &mut found);
            self.tell(first, &mut found)?;
            return tally.map_err(|damage| damage.to_string());
        }
        let mut length = first;
        while length > 0 {
            let pushed = decoder.push(&chunk[..length], &mut found);
            self.tell(length, &mut found)?;
            pushed.map_err(|damage| damage.to_string())?;
            length = fill(&mut file, &mut chunk)?;
        }
        let tally = decoder.finish(&mut found);
        self.tell(0, &mut found)?;
        tally.map_err(|damage| damage.to_string())
    }

    /// Sends what `found` holds on its way.
    fn tell(&mut self, stored: usize, found: &mut Vec<Found>) -> Result<(), String> {
        let mut lines = Vec::new();
        for one in found.drain(..) {
            let read = match one {
                Found::Bad(bad) => Err(bad),
                Found::Record(record) => {
                    let origin = Origin::File { path: self.path.to_owned(), index: record.index };
                    let seen = OffsetDateTime::now_utc();
                    let arrival = Arrival { origin, lane: Lane::File, seen, delivered: None };
                    Event::read_in(record, arrival, &self.task.options, &self.task.context)
                }
            };
            match read {
                Ok(event) => {
                    self.events += 1;
                    (self.task.write)(&event, &mut lines);
                }
                Err(bad) => self.complain(&bad)?,
            }
        }
        if !lines.is_empty() {
            self.send(News::Lines(lines))?;
        }
        if stored > 0 {
            self.send(News::Progress(stored as u64))?;
        }
        Ok(())
    }

    fn complain(&mut self, bad: &BadRecord) -> Result<(), String> {
        self.bad += 1;
        let place = escape(&self.path.display().to_string());
        let BadRecord { index, offset, reason, .. } = bad;
        self.send(News::BadRecord(format!("{place}#{index} at byte {offset}: {}", escape(reason))))
    }

    fn send(&self, news: News) -> Result<(), String> {
        self.news.send(news).map_err(|_| "nobody reads the output".to_owned())
    }
}

/// Reads until `chunk` is full or the file ends: `read` may return short at will.
fn fill(file: &mut dyn Read, chunk: &mut [u8]) -> Result<usize, String> {
    let mut length = 0;
    while length < chunk.len() {
        match file.read(&mut chunk[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause.to_string()),
        }
    }
    Ok(length)
}
