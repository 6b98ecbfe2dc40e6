//! What the tests of the decoder share, and a fuzzer's targets, too.

use std::io::Write as _;
use std::sync::Arc;

use certrelay::cloudtrail::{
    DecodeError, DecodeStats, Decoded, Decoder, DecoderSettings, Selection,
};
use certrelay::config::{Decode, EventRule, GROUPS, Pattern};
use flate2::Compression;
use flate2::write::GzEncoder;

pub(super) type DecodeResult = Result<(Vec<Decoded>, DecodeStats), DecodeError>;

pub(super) const LIMITS: Decode = Decode {
    max_decompressed: 1 << 30,
    max_record: 4 << 20,
    max_records: 10_000_000,
    max_nesting: 60,
    max_ratio: 1100,
    strict: false,
    hash: false,
};

pub(super) fn rule(source: &str, name: &str) -> EventRule {
    EventRule { source: source.to_owned(), name: Pattern::new(name).expect("a pattern") }
}

/// The twelve events of IAM's certificates.
pub(super) fn certificates() -> Vec<EventRule> {
    let of_group = |(_, source, names): &(&str, &'static str, &'static [&'static str])| {
        let source = *source;
        names.iter().map(move |name| rule(source, name))
    };
    GROUPS.iter().flat_map(of_group).collect()
}

pub(super) fn decoder(rules: &[EventRule], limits: Decode) -> Decoder {
    let selection = Arc::new(Selection::new(rules.to_vec()));
    Decoder::new(DecoderSettings { selection, limits })
}

pub(super) fn decode(decoder: &mut Decoder, stored: &[u8]) -> DecodeResult {
    let mut found = Vec::new();
    decoder.decode(stored, &mut found).map(|tally| (found, tally))
}

pub(super) fn decode_in_chunks(decoder: &mut Decoder, stored: &[u8], chunk: usize) -> DecodeResult {
    let mut found = Vec::new();
    for part in stored.chunks(chunk) {
        decoder.push(part, &mut found)?;
    }
    decoder.finish(&mut found).map(|tally| (found, tally))
}

/// The same, whichever way the bytes came in. Where exactly invalid data was noticed depends on it.
pub(super) fn assert_same(one: &DecodeResult, other: &DecodeResult, which: &dyn std::fmt::Display) {
    match (one, other) {
        (
            Err(DecodeError::Gzip { reason: one, .. }),
            Err(DecodeError::Gzip { reason: other, .. }),
        ) => {
            assert_eq!(one, other, "{which}")
        }
        _ => assert_eq!(one, other, "{which}"),
    }
}

pub(super) fn gzip(document: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(document).expect("memory");
    encoder.finish().expect("memory")
}
