//! How fast a decoder reads log files, as a ratio to unpacking them and nothing else.
//!
//! Every variant works on the same files in one thread of one process, in turns, and CPU time of the
//! thread is what counts: so the ratio holds on a busy machine, where MB/s do not.
//! `cargo bench --bench decode` makes its own files; `cargo bench --bench decode -- DIR…` takes yours.

use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use certrelay::cloudtrail::{Decoder, DecoderSettings, Found, Selection};
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

struct Variant {
    name: &'static str,
    run: Box<dyn FnMut(&[u8]) -> u64>,
}

fn main() {
    let folders: Vec<PathBuf> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    for folder in folders {
        let mut files = Vec::new();
        read_folder(&folder, &mut files);
        measure(&folder.display().to_string(), &files);
    }
}

fn measure(name: &str, files: &[Vec<u8>]) {
    let mut variants = variants();
    if let Ok(n) = std::env::var("ONLY") { variants.truncate(n.parse().unwrap()); }
    let stored: usize = files.iter().map(Vec::len).sum();
    let mut spent = vec![vec![Duration::ZERO; ROUNDS + 1]; variants.len()];
    let mut answers = vec![0; variants.len()];
    for round in 0..=ROUNDS {
        answers.fill(0);
        for (number, batch) in batches(files).into_iter().enumerate() {
            for turn in 0..variants.len() {
                let which = (turn + round + number) % variants.len();
                let start = thread_time();
                for file in batch {
                    answers[which] += black_box((variants[which].run)(file));
                }
                spent[which][round] += thread_time() - start;
            }
        }
    }
    println!("{name}: {} files, {:.1} MB stored, {:.1} MB unpacked", files.len(), stored as f64 / 1e6, answers[0] as f64 / 1e6);
    for (which, variant) in variants.iter().enumerate() {
        let rounds = 1..=ROUNDS;
        let ratios = rounds.clone().map(|r| spent[0][r].as_secs_f64() / spent[which][r].as_secs_f64());
        let best = rounds.map(|r| spent[which][r]).min().unwrap_or_default();
        let rate = answers[0] as f64 / 1e6 / best.as_secs_f64();
        let each = best.as_secs_f64() * 1e6 / files.len() as f64;
        let ratio = median(ratios.collect());
        println!("  {:<26} {ratio:>6.3}  {rate:>7.0} MB/s  {each:>9.1} us/file  found {}", variant.name, if which == 0 { 0 } else { answers[which] });
    }
}

fn variants() -> Vec<Variant> {
    let strict = Decode { strict: true, ..LIMITS };
    let hash = Decode { hash: true, ..LIMITS };
    vec![
        Variant { name: "unpack only", run: unpack() },
        Variant { name: "decode", run: decode(certificates(), LIMITS) },
        Variant { name: "decode, streamed", run: streamed(certificates(), LIMITS) },
        Variant { name: "decode, strict", run: decode(certificates(), strict) },
        Variant { name: "decode, streamed, strict", run: streamed(certificates(), strict) },
        Variant { name: "decode, hash", run: decode(certificates(), hash) },
    ]
}

fn unpack() -> Box<dyn FnMut(&[u8]) -> u64> {
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

fn decode(selection: Selection, limits: Decode) -> Box<dyn FnMut(&[u8]) -> u64> {
    let mut decoder = Decoder::new(DecoderSettings { selection: Arc::new(selection), limits });
    let mut found = Vec::new();
    Box::new(move |file| {
        found.clear();
        let tally = decoder.decode(file, &mut found).expect("a log file");
        black_box::<&Vec<Found>>(&found);
        tally.selected
    })
}

fn streamed(selection: Selection, limits: Decode) -> Box<dyn FnMut(&[u8]) -> u64> {
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

fn certificates() -> Selection {
    let rules = GROUPS.iter().flat_map(|(_, source, names)| {
        names.iter().map(|name| EventRule {
            source: (*source).to_owned(),
            name: Pattern::new(name).expect("a name"),
        })
    });
    Selection::new(rules.collect())
}

/// Runs of files that are long enough for the clock.
fn batches(files: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let per_batch = (files.len() / 50).max(1);
    files.chunks(per_batch).collect()
}

fn read_folder(folder: &Path, files: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
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
