//! What must hold for any bytes at all. Plain functions, so that proptest runs them on stable and a
//! fuzzer can be pointed at them.

use std::cell::RefCell;
use std::io::Read as _;

use certrelay::cloudtrail::{DecodeError, Decoded, Decoder};
use certrelay::config::Decode;
use flate2::Crc;
use flate2::read::MultiGzDecoder;

use super::generator::{Choices, Written, document, rules};
use super::{
    DecodeResult, LIMITS, assert_same, certificates, decode, decode_in_chunks, decoder, gzip,
};

/// How the file may be cut on its way in.
const CHUNKS: [usize; 5] = [1, 2, 3, 7, 4096];

thread_local! {
    /// Kept, as a worker keeps it: what one file leaves behind must not change the next one.
    static STRICT: RefCell<Decoder> =
        RefCell::new(decoder(&certificates(), Decode { strict: true, ..LIMITS }));
}

/// Any bytes: no panic, the accounting adds up, and the way they come in does not matter.
/// Answers whether they were a sound file.
pub(crate) fn any_bytes(stored: &[u8]) -> bool {
    let whole = STRICT.with_borrow_mut(|decoder| {
        let whole = decode(decoder, stored);
        for chunk in CHUNKS {
            let pieces = decode_in_chunks(decoder, stored, chunk);
            if !matches!(pieces, Err(DecodeError::Gzip { .. })) || !is_proven_by_its_end(stored) {
                assert_same(&pieces, &whole, &chunk);
            }
        }
        whole
    });
    if let Ok((found, tally)) = &whole {
        let records = found.iter().filter(|one| matches!(one, Decoded::Record(_))).count() as u64;
        assert_eq!((tally.selected, tally.bad), (records, found.len() as u64 - records));
        assert_eq!(tally.filtered() + tally.bad + tally.selected, tally.read);
        assert_eq!(tally.stored_bytes, stored.len() as u64);
    }
    whole.is_ok()
}

/// Whether the last eight bytes are the CRC and the size of what can be unpacked. The short cut for
/// small objects then takes the document, which is whole, even if something stands before them.
fn is_proven_by_its_end(stored: &[u8]) -> bool {
    let mut text = Vec::new();
    // What it thinks of the trailer does not matter here.
    let _ = MultiGzDecoder::new(stored).read_to_end(&mut text);
    let mut crc = Crc::new();
    crc.update(&text);
    let end = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    !text.is_empty() && stored.ends_with(&end)
}

/// Any well-formed document and any selection: exactly the records that a full reading selects, as
/// written, at their places; plain and packed. Answers how many.
pub(crate) fn any_document(data: &[u8]) -> usize {
    let mut choices = Choices(data);
    let rules = rules(&mut choices);
    let (text, records) = document(&mut choices);
    let wanted: Vec<(u64, &str)> = (0..)
        .zip(&records)
        .filter(|(_, record)| is_wanted(record, &rules))
        .map(|(index, record)| (index, record.text.as_str()))
        .collect();
    let strict = choices.below(2) == 1;
    let mut decoder = decoder(&rules, Decode { strict, ..LIMITS });
    let packed = gzip(text.as_bytes());
    let streamed = decode_in_chunks(&mut decoder, &packed, 61);
    for decoded in [decode(&mut decoder, text.as_bytes()), decode(&mut decoder, &packed), streamed]
    {
        check(&text, decoded, &wanted, records.len());
    }
    wanted.len()
}

fn is_wanted(record: &Written, rules: &[certrelay::config::EventRule]) -> bool {
    let (Some(source), Some(name)) = (&record.source, &record.name) else { return false };
    rules.iter().any(|rule| rule.source == *source && rule.name.matches(name))
}

fn check(text: &str, decoded: DecodeResult, wanted: &[(u64, &str)], records: usize) {
    let (found, tally) = decoded.unwrap_or_else(|damage| panic!("{damage}: {text}"));
    assert_eq!(tally.read, records as u64, "{text}");
    let got: Vec<(u64, &str)> = found
        .iter()
        .map(|one| match one {
            Decoded::Record(record) => {
                let written = str::from_utf8(&record.bytes).expect("UTF-8");
                let at = usize::try_from(record.offset).expect("an index");
                assert!(text[at..].starts_with(written), "{text}");
                (record.index, written)
            }
            Decoded::Invalid(bad) => panic!("{}: {text}", bad.reason),
        })
        .collect();
    assert_eq!(got, wanted, "{text}");
}
