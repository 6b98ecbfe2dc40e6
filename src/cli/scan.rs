//! `scan`: the same decode → event path over local files, to NDJSON on stdout.
//!
//! Never deduplicates, goes past a bad file, and prints matches of a huge file before its end has
//! proven it; the summary says so if the file then fails.

mod files;
mod work;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format::Format;
use super::{context, optional};
use crate::cloudtrail::{DecoderSettings, Selection};
use crate::config::{Config, Decode, EventRule};
use crate::event::{Context, Event};
use crate::telemetry::escape;
use work::{Ended, News, Reading};

pub(super) use work::Task;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CloudTrail files or folders: .json, .json.gz, NDJSON, bare arrays, single records; - is stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What is printed for each event
    #[arg(long, value_enum, default_value_t = Format::Ocsf)]
    format: Format,
    /// Every record, not only those about IAM certificates
    #[arg(long)]
    all_events: bool,
    /// Read and render as this configuration does: its limits in `[decode]`, its `[events]`, `[privacy]`, `[format]`
    /// and `[accounts]`
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<String>,
    /// Print, instead of events, the SHA-256 of each file's uncompressed content, to compare with `hashValue` in
    /// CloudTrail's digests
    #[arg(long, conflicts_with_all = ["format", "all_events"])]
    hash: bool,
}

/// The last line on stderr.
#[derive(Debug, Default)]
pub(super) struct Summary {
    objects: u64,
    pub(super) records: u64,
    pub(super) events: u64,
    pub(super) bad: u64,
    damaged: u64,
    skipped: u64,
}

pub(super) fn scan(args: &Args) -> ExitCode {
    let config = match optional(args.config.as_ref()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let mut reading = reading(config, args.all_events);
    reading.decoder.limits.hash = args.hash;
    let format = args.format.into();
    let print_event = |event: &Event, lines: &mut Vec<u8>| {
        crate::format::render(event, format, lines);
        lines.push(b'\n');
    };
    let task = if args.hash {
        Task { reading, write: &|_, _| {} }
    } else {
        Task { reading, write: &print_event }
    };
    let (summary, printed) = print(&args.paths, &task);
    eprintln!("{summary}");
    exit_code(&summary, printed)
}

/// How records are read with this configuration, or without any. Nothing is hashed.
pub(super) fn reading(config: Option<Config>, all_events: bool) -> Reading {
    let context = config.as_ref().map_or_else(Context::default, context::for_reading);
    let (rules, options, limits) = match config {
        None => (EventRule::defaults(), Arc::default(), Decode::default()),
        Some(Config { events, options, decode, .. }) => (events, Arc::new(options), decode),
    };
    let selection = if all_events { Selection::everything() } else { Selection::new(rules) };
    let decoder = DecoderSettings {
        selection: Arc::new(selection),
        limits: Decode { hash: false, ..limits },
    };
    Reading { decoder, options, context }
}

/// Reads every file and prints what `task` makes of it; complaints and progress go to stderr.
pub(super) fn print(paths: &[PathBuf], task: &Task<'_>) -> (Summary, io::Result<()>) {
    let mut summary = Summary::default();
    let watched = io::stderr().is_terminal();
    let listing = files::list(paths, watched);
    for (path, cause) in listing.unreadable {
        eprintln!("certrelay: {}: {cause}", escape(&path.display().to_string()));
        summary.damaged += 1;
    }
    for (reason, (count, first)) in listing.skipped {
        let first = escape(&first.display().to_string());
        eprintln!("certrelay: passed over: {reason}: {count}, the first {first}");
        summary.skipped += count;
    }
    let bar = progress(watched, listing.inputs.iter().map(|file| file.size).sum());
    let mut out = io::BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let printed = work::each(listing.inputs, task, |news| match news {
        News::Lines(lines) => out.write_all(&lines),
        News::Progress(bytes) => {
            bar.inc(bytes);
            Ok(())
        }
        News::InvalidRecord(text) => {
            bar.suspend(|| eprintln!("certrelay: {text}"));
            Ok(())
        }
        News::End(path, ended) => {
            let hash = ended.result.as_ref().ok().and_then(|tally| tally.sha256.clone());
            let hashed = hash.map_or(Ok(()), |hash| {
                writeln!(out, "{hash}  {}", escape(&path.display().to_string()))
            });
            summary.add(&bar, &path, ended);
            hashed
        }
    });
    let printed = printed.and_then(|()| out.flush());
    bar.finish_and_clear();
    (summary, printed)
}

pub(super) fn exit_code(summary: &Summary, printed: io::Result<()>) -> ExitCode {
    match printed {
        // Whoever read us (head, less) has enough.
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("certrelay: stdout: {cause}");
            ExitCode::FAILURE
        }
        Ok(()) if summary.bad + summary.damaged > 0 => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// A bar on stderr when a person watches.
fn progress(watched: bool, bytes: u64) -> ProgressBar {
    if !watched {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style =
        ProgressStyle::with_template("{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Summary {
    fn add(&mut self, bar: &ProgressBar, path: &std::path::Path, ended: Ended) {
        self.events += ended.events;
        self.bad += ended.bad;
        match ended.result {
            Ok(tally) => {
                self.objects += 1;
                self.records += tally.read;
            }
            Err(text) => {
                self.damaged += 1;
                let unproven = match ended.events {
                    0 => String::new(),
                    printed => format!(" ({printed} events of it were printed unproven)"),
                };
                let path = escape(&path.display().to_string());
                bar.suspend(|| eprintln!("certrelay: {path}: {}{unproven}", escape(&text)));
            }
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { objects, records, events, bad, damaged, skipped } = self;
        write!(
            f,
            "objects={objects} records={records} events={events} bad={bad} damaged={damaged} skipped={skipped}"
        )
    }
}
