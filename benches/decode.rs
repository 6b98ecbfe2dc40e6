//! Measures the decoder's throughput as a ratio to inflating the same files and nothing else.
//!
//! Each variant alternates with inflating on the same files in one thread of one process, and is
//! measured in CPU time of the thread: so the ratio is valid on a busy machine, where MB/s are not.
//!
//! - `cargo bench --bench decode` generates its files; `… -- DIR…` reads yours (`.gz`,
//!   recursively).
//! - `… -- --write DIR` writes the small and the medium ones there, for `benches/compare`.
//! - `… -- --memory` decodes a document of 1 GiB and prints the decoder's memory.
//! - `… -- --once nothing|inflate|stream` runs one variant once, for a profiler.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people, ended by a closed stream"
)]

mod corpus;

use std::borrow::Cow;
use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use certrelay::cloudtrail::{Decoded, Decoder, DecoderSettings, Selection};
use corpus::Shape;

use certrelay::config::{Decode, EventRule, GROUPS, Pattern};

const ROUNDS: usize = 9;
const WINDOW: usize = 256 << 10;
const LIMITS: Decode = Decode {
    max_decompressed: 4 << 30,
    max_record: 4 << 20,
    max_records: 100_000_000,
    max_nesting: 64,
    max_ratio: 1000,
    strict: false,
    hash: false,
};

/// Processes a file and returns a number that must be the same each time.
type Run = Box<dyn FnMut(&[u8]) -> u64>;

struct Variant {
    name: &'static str,
    run: Run,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure_all(),
        ["--memory"] => measure_memory(),
        ["--once", what] => once(what),
        ["--write", folder] => write(Path::new(folder)),
        ref folders => {
            for folder in folders {
                let mut files = Vec::new();
                read_folder(Path::new(folder), &mut files);
                measure(folder, &files);
            }
        }
    }
}

/// Sizes as delivered by CloudTrail.
const SMALL: Shape = Shape { files: 2000, records: None, hit_every: 1000, decoy_every: 100 };

/// Documents of 2 MB: two in five contain an event, and one record in a hundred is a decoy.
const MEDIUM: Shape = Shape { files: 24, records: Some(1250), hit_every: 2500, decoy_every: 100 };

fn measure_all() {
    let large = Shape { files: 4, records: Some(5000), hit_every: 1000, decoy_every: 100 };
    let giant = Shape { files: 1, records: Some(27_000), hit_every: 1000, decoy_every: 100 };
    measure("as delivered", &corpus::make(SMALL));
    measure("2 MB, two in five with events", &corpus::make(MEDIUM));
    measure("8 MB, all with events", &corpus::make(large));
    measure("44 MB, with events", &corpus::make(giant));
}

fn write(folder: &Path) {
    for (name, shape) in [("delivered", Shape { files: 8000, ..SMALL }), ("2mb", MEDIUM)] {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("a place for files");
        for (number, file) in corpus::make(shape).iter().enumerate() {
            std::fs::write(folder.join(format!("{number:04}.json.gz")), file).expect("a file");
        }
    }
}

fn once(what: &str) {
    let files = corpus::make(Shape { files: 4, ..MEDIUM });
    let mut run = match what {
        "inflate" => inflate(),
        "stream" => streamed(certificates(), LIMITS),
        // Everything except the work itself: the files and a decoder.
        _ => {
            drop(black_box(streamed(certificates(), LIMITS)));
            Box::new(|_: &[u8]| 0)
        }
    };
    for file in &files {
        black_box(run(file));
    }
    eprintln!("{} bytes", files.iter().map(|file| inflate()(file)).sum::<u64>());
}

/// Decodes a document of 1 GiB in chunks as from S3, and measures the memory of the process.
fn measure_memory() {
    let [first, repeated, last] = corpus::endless();
    let inflated = inflate()(&repeated);
    let repeats = std::iter::repeat_n(&repeated, ((1 << 30) / inflated + 1) as usize);
    let before = resident();
    let mut most = before;
    let mut decoder =
        Decoder::new(DecoderSettings { selection: Arc::new(certificates()), limits: LIMITS });
    let mut found = Vec::new();
    for member in [&first].into_iter().chain(repeats).chain([&last]) {
        for chunk in member.chunks(64 << 10) {
            decoder.push(chunk, &mut found).expect("a log file");
            found.clear();
            most = most.max(resident());
        }
    }
    let tally = decoder.finish(&mut found).expect("a log file");
    let (records, bytes) = (tally.read, tally.bytes);
    println!("{bytes} bytes, {records} records: at most {} KiB for the decoder", most - before);
}

/// Returns the resident memory of the process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn measure(name: &str, files: &[Vec<u8>]) {
    let stored: usize = files.iter().map(Vec::len).sum();
    let inflated: u64 = files.iter().map(|file| inflate()(file)).sum();
    println!(
        "{name}: {} files, {:.1} MB stored, {:.1} MB inflated",
        files.len(),
        stored as f64 / 1e6,
        inflated as f64 / 1e6
    );
    for variant in variants() {
        let (spent, answer) = pair(variant.run, files);
        let ratios = spent.iter().map(|[bare, own]| bare.as_secs_f64() / own.as_secs_f64());
        let ratio = median(ratios.collect());
        let best = spent.iter().map(|[_, own]| *own).min().unwrap_or_default().as_secs_f64();
        let rate = inflated as f64 / 1e6 / best;
        let each = best * 1e6 / files.len() as f64;
        println!(
            "  {:<28} {ratio:>6.3}  {rate:>7.0} MB/s  {each:>9.1} us/file  found {answer}",
            variant.name
        );
    }
}

/// Returns the CPU time of inflating and of `run` in each round. `run` alternates with nothing
/// else: a third variant in between would leave both a cold cache, unlike a service that reads many
/// files.
fn pair(run: Run, files: &[Vec<u8>]) -> (Vec<[Duration; 2]>, u64) {
    let mut both = [inflate(), run];
    let mut spent = Vec::new();
    let mut answer = 0;
    // The first round warms up and does not count.
    for round in 0..=ROUNDS {
        let mut of_round = [Duration::ZERO; 2];
        answer = 0;
        for (number, batch) in batches(files).into_iter().enumerate() {
            for turn in 0..2 {
                let which = (turn + round + number) % 2;
                let start = thread_time();
                for file in batch {
                    let found = black_box(both[which](file));
                    answer += if which == 0 { 0 } else { found };
                }
                of_round[which] += thread_time() - start;
            }
        }
        spent.push(of_round);
    }
    (spent.split_off(1), answer)
}

fn variants() -> Vec<Variant> {
    let strict = Decode { strict: true, ..LIMITS };
    let hash = Decode { hash: true, ..LIMITS };
    vec![
        Variant { name: "decode", run: decode(certificates(), LIMITS) },
        Variant { name: "decode, streamed", run: streamed(certificates(), LIMITS) },
        Variant { name: "decode, strict", run: decode(certificates(), strict) },
        Variant { name: "decode, streamed, strict", run: streamed(certificates(), strict) },
        Variant { name: "decode, hash", run: decode(certificates(), hash) },
        Variant { name: "obvious: read_to_end, serde", run: obvious() },
    ]
}

fn inflate() -> Run {
    let mut window = vec![0; WINDOW];
    Box::new(move |file| {
        let mut reader = flate2::bufread::MultiGzDecoder::new(file);
        let (mut total, mut filled) = (0, 0);
        loop {
            let more = reader.read(&mut window[filled..]).expect("a gzip file");
            if more == 0 {
                return total;
            }
            total += more as u64;
            filled = (filled + more) % WINDOW;
        }
    })
}

fn decode(selection: Selection, limits: Decode) -> Run {
    let mut decoder = Decoder::new(DecoderSettings { selection: Arc::new(selection), limits });
    let mut found = Vec::new();
    Box::new(move |file| {
        found.clear();
        let tally = decoder.decode(file, &mut found).expect("a log file");
        black_box::<&Vec<Decoded>>(&found);
        tally.selected
    })
}

fn streamed(selection: Selection, limits: Decode) -> Run {
    let mut decoder = Decoder::new(DecoderSettings { selection: Arc::new(selection), limits });
    let mut found = Vec::new();
    Box::new(move |file| {
        found.clear();
        for chunk in file.chunks(64 << 10) {
            decoder.push(chunk, &mut found).expect("a log file");
        }
        decoder.finish(&mut found).expect("a log file").selected
    })
}

/// The obvious implementation: inflates into a new buffer and parses every record.
fn obvious() -> Run {
    #[derive(serde::Deserialize)]
    struct File<'a> {
        #[serde(rename = "Records", borrow)]
        records: Vec<Head<'a>>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head<'a> {
        #[serde(borrow)]
        event_source: Option<Cow<'a, str>>,
        #[serde(borrow)]
        event_name: Option<Cow<'a, str>>,
    }
    let selection = certificates();
    Box::new(move |file| {
        let mut document = Vec::new();
        let mut reader = flate2::bufread::MultiGzDecoder::new(file);
        reader.read_to_end(&mut document).expect("a gzip file");
        let file: File<'_> = serde_json::from_slice(&document).expect("a log file");
        let wanted = |head: &&Head<'_>| match (&head.event_source, &head.event_name) {
            (Some(source), Some(name)) => selection.wants(source, name),
            _ => false,
        };
        file.records.iter().filter(wanted).count() as u64
    })
}

fn certificates() -> Selection {
    let rules = GROUPS.iter().flat_map(|(_, source, names)| {
        names.iter().map(|name| EventRule {
            source: (*source).to_owned(),
            name: Pattern::new(name).expect("a name"),
        })
    });
    Selection::new(rules.collect())
}

/// Splits the files into batches that are long enough for the clock.
fn batches(files: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let per_batch = (files.len() / 50).max(1);
    files.chunks(per_batch).collect()
}

fn read_folder(folder: &Path, files: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read_folder(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            files.push(std::fs::read(path).expect("a file"));
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
