//! Runs one operation once, so that `benches/callgrind` can count its instructions.
//!
//! - `instructions make FILE` writes a log file of 2 MB with an event and decoys.
//! - `instructions nothing|inflate|stream FILE` reads it, and inflates or decodes it.

#[path = "../../src/cloudtrail/mod.rs"]
#[expect(dead_code, unused_imports, reason = "only a part of it is measured")]
mod cloudtrail;
#[expect(dead_code, reason = "as above")]
mod config;
#[expect(dead_code, reason = "as above")]
#[path = "../corpus.rs"]
mod corpus;
#[path = "../../src/error.rs"]
#[expect(dead_code, reason = "as above")]
mod error;
#[path = "../../src/escape.rs"]
#[expect(dead_code, reason = "as above")]
mod escape;

use std::hint::black_box;
use std::io::Read as _;
use std::sync::Arc;

use cloudtrail::{Decoder, DecoderSettings, Selection};
use config::{Decode, EventRule, GROUPS, Pattern};
use corpus::Shape;

const LIMITS: Decode = Decode {
    max_decompressed: 4 << 30,
    max_record: 4 << 20,
    max_records: 100_000_000,
    max_nesting: 62,
    max_ratio: 1000,
    strict: false,
    hash: false,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, path] = arguments.as_slice() else {
        panic!("usage: instructions make|nothing|inflate|stream FILE")
    };
    if what == "make" {
        let shape = Shape { files: 1, records: Some(1250), hit_every: 250, decoy_every: 100 };
        std::fs::write(path, &corpus::make(shape)[0]).expect("a file");
        return;
    }
    let file = std::fs::read(path).expect("a file");
    let mut window = vec![0; 256 << 10];
    let settings = DecoderSettings { selection: Arc::new(certificates()), limits: LIMITS };
    let mut decoder = Decoder::new(settings);
    let mut found = Vec::new();
    match what.as_str() {
        "inflate" => {
            let mut reader = flate2::bufread::MultiGzDecoder::new(&file[..]);
            while reader.read(black_box(&mut window)).expect("a gzip file") > 0 {}
        }
        "stream" => {
            for chunk in file.chunks(64 << 10) {
                decoder.push(chunk, &mut found).expect("a log file");
            }
            assert!(decoder.finish(&mut found).expect("a log file").selected > 0);
        }
        // Everything except the work itself.
        _ => drop(black_box((window, decoder))),
    }
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
