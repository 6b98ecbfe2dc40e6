//! A scan's workers: one batch of files each at a time, output in the order of the files.
//!
//! Every batch has a short channel of its own and the printer takes the channels in order, so that a
//! worker that is ahead waits instead of piling up output. Batches are begun in order, so the one
//! that is printed is always being read. Most files of CloudTrail are small: passing each on by
//! itself would cost more than reading it.

use std::fs::File;
use std::io::{self, Read};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use time::OffsetDateTime;

use super::files::Input;
use crate::cloudtrail::{DecodeStats, Decoded, Decoder, DecoderSettings, InvalidRecord, Origin};
use crate::config::EventOptions;
use crate::event::{Arrival, Channel, Context, Event};
use crate::telemetry::escape;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// A file up to this long is decoded when all of it is there, which is faster; for longer ones it makes no difference.
const WHOLE: usize = 1 << 20;

/// Most files of a batch; together they have about a chunk.
const BATCH: usize = 64;

/// Parcels of one batch that may wait to be printed.
const PARCELS: usize = 16;

/// Bytes of output that make a parcel.
const PARCEL: usize = 64 << 10;

/// What a worker has to say, in order of its file.
pub(super) enum News {
    /// Whole lines of output.
    Lines(Vec<u8>),
    /// Stored bytes read.
    Progress(u64),
    /// A record that could not be read, named.
    InvalidRecord(String),
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
    pub(super) result: Result<DecodeStats, String>,
}

/// How files and records are read.
pub(in crate::cli) struct Reading {
    /// Which records, and the limits of a file.
    pub(in crate::cli) decoder: DecoderSettings,
    /// How they become events.
    pub(in crate::cli) options: Arc<EventOptions>,
    /// What is known beside the records.
    pub(in crate::cli) context: Context,
}

/// What is done with every file.
pub(in crate::cli) struct Task<'t> {
    /// How.
    pub(in crate::cli) reading: Reading,
    /// Appends what is printed for an event, line end included.
    pub(in crate::cli) write: &'t (dyn Fn(&Event, &mut Vec<u8>) + Sync),
}

/// What is passed on at once.
type Parcel = Vec<News>;

/// The files still to be read, and the line of batches being printed; `None` when all are begun.
type Queue = Mutex<Option<(Peekable<std::vec::IntoIter<Input>>, SyncSender<Receiver<Parcel>>)>>;

/// Scans every input and tells `print` in order, until `print` fails.
pub(super) fn each(
    inputs: Vec<Input>,
    task: &Task<'_>,
    mut print: impl FnMut(News) -> io::Result<()>,
) -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(inputs.len());
    let (line, printed) = sync_channel(2 * workers.max(1));
    let queue: Queue = Mutex::new(Some((inputs.into_iter().peekable(), line)));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, decoder) = (&queue, Decoder::new(task.reading.decoder.clone()));
            scope.spawn(move || work(queue, decoder, task));
        }
        if workers == 0 {
            begin(&queue, 1);
        }
        // Taken by value: when printing fails, the workers' sends fail too and they end.
        printed.into_iter().flatten().flatten().try_for_each(&mut print)
    })
}

/// Takes the next files, `most` of them at most, and puts them in the printer's line.
fn begin(queue: &Queue, most: usize) -> Option<(Vec<Input>, SyncSender<Parcel>)> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let (inputs, line) = queue.as_mut()?;
    let mut batch: Vec<Input> = inputs.next().into_iter().collect();
    // What may wait must not hold up what was found before, nor what comes after.
    let waits = batch.first().is_none_or(|input| input.may_wait);
    while !waits && batch.len() < most {
        let Some(input) = inputs.next_if(|input| !input.may_wait) else { break };
        batch.push(input);
    }
    let (parcels, printed) = sync_channel(PARCELS);
    if batch.is_empty() || line.send(printed).is_err() {
        *queue = None;
        return None;
    }
    Some((batch, parcels))
}

fn work(queue: &Queue, mut decoder: Decoder, task: &Task<'_>) {
    let mut buffer = vec![0; WHOLE];
    let mut most = 1;
    while let Some((batch, parcels)) = begin(queue, most) {
        let (files, mut bytes) = (batch.len(), 0);
        let mut outbox = Outbox { parcels, waiting: Vec::new(), bytes: 0 };
        for input in batch {
            let outbox = &mut outbox;
            let mut file =
                OneFile { path: &input.path, task, outbox, stored: 0, events: 0, bad: 0 };
            let result = file.read(&mut decoder, &mut buffer, input.may_wait);
            decoder.reset();
            bytes += file.stored;
            let ended = Ended { events: file.events, bad: file.bad, result };
            outbox.put(News::End(input.path, ended));
        }
        if outbox.send().is_err() {
            return;
        }
        // As many as have about a chunk together, if the next files are as long as these were.
        most = (files * CHUNK / bytes.max(1)).clamp(1, (2 * most).min(BATCH));
    }
}

/// What of a batch is not passed on yet.
struct Outbox {
    parcels: SyncSender<Parcel>,
    waiting: Parcel,
    /// Bytes of output in it.
    bytes: usize,
}

impl Outbox {
    fn put(&mut self, news: News) {
        if let News::Lines(lines) = &news {
            self.bytes += lines.len();
        }
        self.waiting.push(news);
    }

    fn send(&mut self) -> Result<(), String> {
        self.bytes = 0;
        let parcel = std::mem::take(&mut self.waiting);
        self.parcels.send(parcel).map_err(|_| "nobody reads the output".to_owned())
    }
}

struct OneFile<'a> {
    path: &'a Path,
    task: &'a Task<'a>,
    outbox: &'a mut Outbox,
    /// Stored bytes read.
    stored: usize,
    events: u64,
    bad: u64,
}

impl OneFile<'_> {
    /// What comes bit by bit is not waited for.
    fn read(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut [u8],
        may_wait: bool,
    ) -> Result<DecodeStats, String> {
        let mut file: Box<dyn Read> = if self.path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(self.path).map_err(|cause| cause.to_string())?)
        };
        let mut found = Vec::new();
        let most = if may_wait { CHUNK } else { WHOLE };
        let first = fill(&mut file, &mut buffer[..most])?;
        if first < most {
            // Wholly in memory: the fast way.
            let tally = decoder.decode(&buffer[..first], &mut found);
            self.tell(first, &mut found)?;
            return tally.map_err(|damage| damage.to_string());
        }
        let mut length = first;
        while length > 0 {
            let pushed = decoder.push(&buffer[..length], &mut found);
            self.tell(length, &mut found)?;
            self.outbox.send()?;
            pushed.map_err(|damage| damage.to_string())?;
            length = fill(&mut file, &mut buffer[..CHUNK])?;
        }
        let tally = decoder.finish(&mut found);
        self.tell(0, &mut found)?;
        tally.map_err(|damage| damage.to_string())
    }

    /// Puts what `found` holds into the outbox.
    fn tell(&mut self, stored: usize, found: &mut Vec<Decoded>) -> Result<(), String> {
        let mut lines = Vec::new();
        for one in found.drain(..) {
            let read = match one {
                Decoded::Invalid(bad) => Err(bad),
                Decoded::Record(record) => {
                    let origin = Origin::File { path: self.path.to_owned(), index: record.index };
                    let seen = OffsetDateTime::now_utc();
                    let arrival = Arrival { origin, channel: Channel::S3, seen, delivered: None };
                    let Reading { options, context, .. } = &self.task.reading;
                    Event::read_in(record, arrival, options, context)
                }
            };
            match read {
                Ok(event) => {
                    self.events += 1;
                    (self.task.write)(&event, &mut lines);
                }
                Err(bad) => self.complain(&bad),
            }
        }
        if !lines.is_empty() {
            self.outbox.put(News::Lines(lines));
        }
        self.stored += stored;
        if stored > 0 {
            self.outbox.put(News::Progress(stored as u64));
        }
        if self.outbox.bytes > PARCEL { self.outbox.send() } else { Ok(()) }
    }

    fn complain(&mut self, bad: &InvalidRecord) {
        self.bad += 1;
        let place = escape(&self.path.display().to_string());
        let InvalidRecord { index, offset, reason, .. } = bad;
        let text = format!("{place}#{index} at byte {offset}: {}", escape(reason));
        self.outbox.put(News::InvalidRecord(text));
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
