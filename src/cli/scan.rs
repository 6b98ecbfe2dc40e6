//! `scan`: the same path from decoder to event over local files, to NDJSON on stdout.
//!
//! Never deduplicates, continues after an unreadable file, and prints matches of a large file
//! before its end has verified it; the error of such a file says how many.
//!
//! Each worker reads one batch of files at a time, and the output is in the order of the files:
//! every batch has a short channel of its own and the printer receives from the channels in order,
//! so that a worker that is ahead waits instead of buffering its output. Batches are begun in
//! order, so the one that is printed is always being read. Most CloudTrail files are small: to send
//! the output of each by itself would take longer than to read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use indicatif::ProgressBar;
use parking_lot::Mutex;
use time::OffsetDateTime;

use super::check::load_reports;
use super::filter::Filter;
use super::listing::{Input, Listing};
use super::output::{
    print_error, print_line, print_lines, print_warning, printed_code, progress_bar,
};
use super::{Failure, load_optional_config, runtime, table, unwrap};
use crate::app::Enrichment;
use crate::cloudtrail::{
    DecodeError, DecodeStats, Decoded, Decoder, DecoderSettings, InvalidRecord, Origin, Selection,
};
use crate::config::{Config, Decode, EventOptions, EventRule, OutputFormat};
use crate::error::Error;
use crate::escape::escape;
use crate::event::{Arrival, Channel, Context, Event, Severity};

/// Bytes of a read.
const CHUNK: usize = 256 << 10;

/// Largest file that is decoded in one piece, which is faster; for larger ones it makes no
/// difference.
const WHOLE_FILE: usize = 1 << 20;

/// Most files of a batch; together they have about [`CHUNK`] bytes.
const MAX_BATCH: usize = 64;

/// Most stored bytes of a pipe that are kept to be unwrapped, until a record has been found in it.
const MAX_KEPT: usize = 16 << 20;

/// Messages of one batch that may wait to be printed.
const CHANNEL_CAPACITY: usize = 16;

/// Bytes of output after which a message is sent.
const MESSAGE_BYTES: usize = 64 << 10;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CloudTrail files or folders: .json, .json.gz, NDJSON, bare arrays, single records; files of
    /// other tools with such records in them; - is stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What is printed for each event
    #[arg(long, value_enum, default_value_t = Printed::Ocsf)]
    format: Printed,
    #[command(flatten)]
    filter: Filter,
    /// Print every record, not only those about IAM certificates
    #[arg(long)]
    all_events: bool,
    /// Use this configuration's `[decode]` limits, `[events]`, `[privacy]`, `[format]` and
    /// `[accounts]`
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<String>,
    /// Print, instead of events, the SHA-256 of each file's uncompressed content, to compare with
    /// `hashValue` in CloudTrail's digests
    #[arg(long, conflicts_with_all = ["format", "all_events"])]
    hash: bool,
}

/// What `scan` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Printed {
    /// OCSF 1.8.0, class API Activity
    Ocsf,
    /// Elastic Common Schema
    Ecs,
    /// Splunk's Common Information Model, data model Change
    Cim,
    /// The record as CloudTrail wrote it, secrets redacted
    Raw,
    /// One line an event, for a person
    Table,
}

pub(super) fn scan(args: &Args) -> Result<ExitCode, Failure> {
    let config = load_optional_config(args.config.as_ref())?;
    let mut options = ReadOptions::new(config, args.all_events);
    options.decoder.limits.hash = args.hash;
    let format = match args.format {
        Printed::Ocsf => Some(OutputFormat::Ocsf),
        Printed::Ecs => Some(OutputFormat::Ecs),
        Printed::Cim => Some(OutputFormat::Cim),
        Printed::Raw => Some(OutputFormat::Raw),
        Printed::Table => None,
    };
    let render = match io::stdout().is_terminal() {
        true => crate::format::render_for_terminal,
        false => crate::format::render,
    };
    let write_event = |event: &Event, lines: &mut Vec<u8>| {
        let Some(format) = format else { return table::write(event, lines) };
        let start = lines.len();
        render(event, format, lines);
        crate::format::end_line(start, lines);
    };
    let filter = &args.filter;
    let task = if args.hash {
        Task { options, filter, header: "", write: &|_, _| {} }
    } else {
        let header = if format.is_none() { table::HEADER } else { "" };
        Task { options, filter, header, write: &write_event }
    };
    let (summary, printed) = print_files(&args.paths, &task);
    summary.print_severities();
    print_line(&summary);
    Ok(summary.exit_code(printed))
}

/// How files and records are read.
pub(super) struct ReadOptions {
    /// The selection of records, and the limits of a file.
    decoder: DecoderSettings,
    /// How records become events.
    events: Arc<EventOptions>,
    /// The data that enriches events.
    context: Context,
}

impl ReadOptions {
    /// Returns the options of a configuration, or the defaults. No file is hashed.
    pub(super) fn new(config: Option<Config>, all_events: bool) -> Self {
        let context = config.as_ref().map_or_else(Context::default, load_context);
        let (rules, events, limits) = match config {
            None => (EventRule::defaults(), Arc::default(), Decode::default()),
            Some(Config { events, options, decode, .. }) => (events, Arc::new(options), decode),
        };
        let selection = if all_events { Selection::everything() } else { Selection::new(rules) };
        let limits = Decode { hash: false, ..limits };
        Self {
            decoder: DecoderSettings { selection: Arc::new(selection), limits },
            events,
            context,
        }
    }
}

/// Loads the enrichment data; prints what cannot be loaded, and records are read without it.
fn load_context(config: &Config) -> Context {
    if config.accounts.is_none() && config.credential_reports.is_none() {
        return Context::default();
    }
    let load = async {
        let enrichment = Enrichment::new(config, None).await?;
        if let Err(errors) = enrichment.load_accounts().await {
            print_lines(&errors);
        }
        load_reports(&enrichment).await;
        Ok::<_, Error>(enrichment.context())
    };
    runtime().and_then(|runtime| runtime.block_on(load)).unwrap_or_else(|error| {
        print_error(&error);
        Context::default()
    })
}

/// What is done with every file.
pub(super) struct Task<'t> {
    /// How it is read.
    pub(super) options: ReadOptions,
    /// Which events are printed.
    pub(super) filter: &'t Filter,
    /// Printed before the first event.
    pub(super) header: &'static str,
    /// Appends what is printed for an event, line end included.
    pub(super) write: &'t (dyn Fn(&Event, &mut Vec<u8>) + Sync),
}

/// The counts of a scan, printed as the last line on stderr.
#[derive(Debug, Default)]
pub(super) struct Summary {
    objects: u64,
    pub(super) records: u64,
    pub(super) events: u64,
    pub(super) invalid: u64,
    failed: u64,
    skipped: u64,
    severities: BTreeMap<Severity, u64>,
}

impl Summary {
    /// Prints how many events have each severity, the highest first: `severity: 1 high, 2 low`.
    pub(super) fn print_severities(&self) {
        let counts = self.severities.iter().rev();
        let counts = counts.map(|(severity, count)| format!("{count} {}", severity.as_str()));
        let counts: Vec<String> = counts.collect();
        if !counts.is_empty() {
            print_line(&format_args!("severity: {}", counts.join(", ")));
        }
    }

    fn add(&mut self, bar: &ProgressBar, path: &Path, file: FileResult) {
        self.events += file.events;
        self.invalid += file.invalid;
        for (severity, count) in file.severities {
            *self.severities.entry(severity).or_default() += count;
        }
        match file.result {
            Ok(stats) => {
                self.objects += 1;
                self.records += stats.read;
            }
            Err(text) => {
                self.failed += 1;
                let unverified = match file.events {
                    0 => String::new(),
                    events => format!(" ({events} of its events were printed unverified)"),
                };
                bar.suspend(|| print_error(&format!("{}: {text}{unverified}", path.display())));
            }
        }
    }

    pub(super) fn exit_code(&self, printed: io::Result<()>) -> ExitCode {
        let failed = printed.is_ok() && self.invalid + self.failed > 0;
        if failed { ExitCode::FAILURE } else { printed_code(printed) }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { objects, records, events, invalid, failed, skipped, .. } = self;
        write!(f, "objects={objects} records={records} events={events}")?;
        write!(f, " invalid={invalid} failed={failed} skipped={skipped}")
    }
}

/// Reads every file and prints what `task` writes; errors and progress go to stderr.
pub(super) fn print_files(paths: &[PathBuf], task: &Task<'_>) -> (Summary, io::Result<()>) {
    let mut summary = Summary::default();
    let listing = Listing::new(paths, io::stderr().is_terminal());
    for (path, cause) in listing.unreadable {
        print_error(&format!("{}: {cause}", path.display()));
        summary.failed += 1;
    }
    for (reason, (count, first)) in listing.skipped {
        print_warning(&format!("files skipped: {reason}: {count}, first: {}", first.display()));
        summary.skipped += count;
    }
    let bytes = listing.inputs.iter().map(|file| file.size).sum();
    let bar = progress_bar(bytes, "{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
    let mut out = io::BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let header = out.write_all(task.header.as_bytes());
    let read = |output: Output| match output {
        Output::Lines(lines) => out.write_all(&lines),
        Output::Progress(bytes) => {
            bar.inc(bytes);
            Ok(())
        }
        Output::InvalidRecord(text) => {
            bar.suspend(|| print_error(&text));
            Ok(())
        }
        Output::End(path, file) => {
            let hash = file.result.as_ref().ok().and_then(|stats| stats.sha256.clone());
            let hashed = hash.map_or(Ok(()), |hash| {
                writeln!(out, "{hash}  {}", escape(&path.display().to_string()))
            });
            summary.add(&bar, &path, file);
            hashed
        }
    };
    let printed = header.and_then(|()| read_files(listing.inputs, task, read));
    let printed = printed.and_then(|()| out.flush());
    bar.finish_and_clear();
    (summary, printed)
}

/// A worker's output, in the order of its files.
enum Output {
    /// Whole lines for stdout.
    Lines(Vec<u8>),
    /// Stored bytes read.
    Progress(u64),
    /// The location and error of a record that could not be read.
    InvalidRecord(String),
    /// The end of a file.
    End(PathBuf, FileResult),
}

/// The result of a file.
struct FileResult {
    /// Events printed.
    events: u64,
    /// Invalid records.
    invalid: u64,
    /// Events printed, by severity.
    severities: BTreeMap<Severity, u64>,
    /// Its counts, or why it is not a sound CloudTrail file.
    result: Result<DecodeStats, String>,
}

/// The files still to be read, and the printer's channel for the batches' channels; `None` when all
/// are begun.
type Batches =
    Mutex<Option<(Peekable<std::vec::IntoIter<Input>>, SyncSender<Receiver<Vec<Output>>>)>>;

/// Reads every input and calls `print` with the output in order, until `print` fails.
fn read_files(
    inputs: Vec<Input>,
    task: &Task<'_>,
    mut print: impl FnMut(Output) -> io::Result<()>,
) -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(inputs.len());
    let (sender, printed) = sync_channel(2 * workers.max(1));
    let batches: Batches = Mutex::new(Some((inputs.into_iter().peekable(), sender)));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (batches, decoder) = (&batches, Decoder::new(task.options.decoder.clone()));
            scope.spawn(move || run_worker(batches, decoder, task));
        }
        if workers == 0 {
            next_batch(&batches, 1);
        }
        // Taken by value: when printing fails, the workers' sends fail too and they end.
        printed.into_iter().flatten().flatten().try_for_each(&mut print)
    })
}

/// Takes the next files, at most `max`, and sends their channel to the printer.
fn next_batch(batches: &Batches, max: usize) -> Option<(Vec<Input>, SyncSender<Vec<Output>>)> {
    let mut batches = batches.lock();
    let (inputs, printer) = batches.as_mut()?;
    let mut batch: Vec<Input> = inputs.next().into_iter().collect();
    // An input that may block must delay neither the output before it nor the files after it.
    let blocks = batch.first().is_none_or(|input| input.may_block);
    while !blocks && batch.len() < max {
        let Some(input) = inputs.next_if(|input| !input.may_block) else { break };
        batch.push(input);
    }
    let (sender, printed) = sync_channel(CHANNEL_CAPACITY);
    if batch.is_empty() || printer.send(printed).is_err() {
        *batches = None;
        return None;
    }
    Some((batch, sender))
}

fn run_worker(batches: &Batches, mut decoder: Decoder, task: &Task<'_>) {
    let mut buffer = vec![0; WHOLE_FILE];
    let mut max = 1;
    while let Some((batch, sender)) = next_batch(batches, max) {
        let (files, mut bytes) = (batch.len(), 0);
        let mut buffered = BufferedOutput { sender, outputs: Vec::new(), bytes: 0 };
        for input in batch {
            let output = &mut buffered;
            let mut file = FileReader {
                path: &input.path,
                task,
                output,
                stored: 0,
                events: 0,
                invalid: 0,
                severities: BTreeMap::new(),
            };
            let result = file.read(&mut decoder, &mut buffer, input.may_block);
            decoder.reset();
            bytes += file.stored;
            let FileReader { events, invalid, severities, .. } = file;
            let ended = FileResult { events, invalid, severities, result };
            buffered.push(Output::End(input.path, ended));
        }
        if buffered.send().is_err() {
            return;
        }
        // As many as have about a chunk together, if the next files are as long as these were.
        max = (files * CHUNK / bytes.max(1)).clamp(1, (2 * max).min(MAX_BATCH));
    }
}

/// The output of a batch that is not sent yet.
struct BufferedOutput {
    sender: SyncSender<Vec<Output>>,
    outputs: Vec<Output>,
    /// Bytes of lines in it.
    bytes: usize,
}

impl BufferedOutput {
    fn push(&mut self, output: Output) {
        if let Output::Lines(lines) = &output {
            self.bytes += lines.len();
        }
        self.outputs.push(output);
    }

    fn send(&mut self) -> Result<(), String> {
        self.bytes = 0;
        let outputs = std::mem::take(&mut self.outputs);
        self.sender.send(outputs).map_err(|_| "the output was closed".to_owned())
    }
}

struct FileReader<'a> {
    path: &'a Path,
    task: &'a Task<'a>,
    output: &'a mut BufferedOutput,
    /// Stored bytes read.
    stored: usize,
    events: u64,
    invalid: u64,
    severities: BTreeMap<Severity, u64>,
}

impl FileReader<'_> {
    /// Reads the file to its end. Of an input that may block, events are printed as they arrive.
    fn read(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut [u8],
        may_block: bool,
    ) -> Result<DecodeStats, String> {
        let path = self.path;
        let open = || File::open(path).map_err(|cause| cause.to_string());
        let mut file: Box<dyn Read> =
            if path.as_os_str() == "-" { Box::new(io::stdin().lock()) } else { Box::new(open()?) };
        let mut decoded = Vec::new();
        let max = if may_block { CHUNK } else { WHOLE_FILE };
        let first = fill(&mut file, &mut buffer[..max])?;
        if first < max {
            let stats = decoder.decode(&buffer[..first], &mut decoded);
            self.print(first, &mut decoded)?;
            return stats.or_else(|refused| self.unwrap(&refused, decoder, &mut &buffer[..first]));
        }
        let (mut kept, mut length) = (may_block.then(Vec::new), first);
        let refused = loop {
            kept = kept.filter(|kept| !decoder.has_records() && kept.len() < MAX_KEPT);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(&buffer[..length]);
            }
            if let Err(error) = decoder.push(&buffer[..length], &mut decoded) {
                break error;
            }
            // Before the first record, what is no record may be a wrapper of one.
            let mut ready = Vec::new();
            if decoder.has_records() {
                ready.append(&mut decoded);
            }
            for one in &mut decoded {
                if let Decoded::Invalid(invalid) = one {
                    invalid.bytes.clear();
                }
            }
            self.print(length, &mut ready)?;
            self.output.send()?;
            length = fill(&mut file, &mut buffer[..CHUNK])?;
            if length == 0 {
                match decoder.finish(&mut decoded) {
                    Ok(stats) => return self.print(0, &mut decoded).map(|()| stats),
                    Err(error) => break error,
                }
            }
        };
        match kept {
            Some(kept) => self.unwrap(&refused, decoder, &mut kept.chain(file)),
            None if may_block => Err(refused.to_string()),
            None => self.unwrap(&refused, decoder, &mut open()?),
        }
    }

    /// Decodes the records that a refused file wraps.
    fn unwrap(
        &mut self,
        refused: &DecodeError,
        decoder: &mut Decoder,
        stored: &mut dyn Read,
    ) -> Result<DecodeStats, String> {
        // The parts of a document before its records, and its elements, may be longer than one.
        let may_wrap = match refused {
            DecodeError::NotCloudTrail(_) => true,
            DecodeError::OverLimit { name, .. } => *name == "max_record",
            _ => false,
        };
        if !may_wrap || self.events + self.invalid > 0 || self.task.options.decoder.limits.hash {
            return Err(refused.to_string());
        }
        unwrap::decode(stored, refused, decoder, &mut |decoded| self.print(0, decoded))
    }

    /// Prints what was decoded of `stored` more bytes.
    fn print(&mut self, stored: usize, decoded: &mut Vec<Decoded>) -> Result<(), String> {
        let mut lines = Vec::new();
        for one in decoded.drain(..) {
            let read = match one {
                Decoded::Invalid(invalid) => Err(invalid),
                Decoded::Record(record) => {
                    let origin = Origin::File { path: self.path.to_owned(), index: record.index };
                    let seen = OffsetDateTime::now_utc();
                    let arrival = Arrival { origin, channel: Channel::S3, seen, delivered: None };
                    let ReadOptions { events, context, .. } = &self.task.options;
                    Event::read_in(record, arrival, events, context)
                }
            };
            match read {
                Ok(event) if !self.task.filter.passes(&event) => {}
                Ok(event) => {
                    self.events += 1;
                    *self.severities.entry(event.fields.severity).or_default() += 1;
                    (self.task.write)(&event, &mut lines);
                }
                Err(InvalidRecord { index, offset, reason, .. }) => {
                    self.invalid += 1;
                    let path = self.path.display();
                    let text = format!("{path}#{index} at byte {offset}: {reason}");
                    self.output.push(Output::InvalidRecord(text));
                }
            }
        }
        if !lines.is_empty() {
            self.output.push(Output::Lines(lines));
        }
        self.stored += stored;
        if stored > 0 {
            self.output.push(Output::Progress(stored as u64));
        }
        if self.output.bytes > MESSAGE_BYTES { self.output.send() } else { Ok(()) }
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
