//! Damaged documents: whatever Python makes of them, the decoder does.

use std::io::Read as _;

use super::generator::{Choices, document};
use super::oracle::compare;
use super::{RECORD, gzip};

/// A sequence of numbers that look arbitrary and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below the limit")
    }
}

/// A document, usually with one to three faults in it; every eighth is packed, with a sound
/// checksum.
fn damaged(numbers: &mut Numbers) -> Vec<u8> {
    let data: Vec<u8> = (0..400).map(|_| numbers.next() as u8).collect();
    let (text, _) = document(&mut Choices(&data));
    let mut bytes = text.replacen("\"eventID\":1", "\"eventID\":2", 1).into_bytes();
    if numbers.below(3) == 0 {
        bytes = format!("[{RECORD},{},{RECORD}]", &RECORD[..RECORD.len()]).into_bytes();
    }
    for _ in 0..numbers.below(4) {
        damage(&mut bytes, numbers);
    }
    if numbers.below(8) == 0 { gzip(&bytes) } else { bytes }
}

fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const SIGNS: &[u8] = b"\"\\{}[],: \n0n\xc3\x00u";
    let at = numbers.below(bytes.len());
    let to = (at + 1 + numbers.below(20)).min(bytes.len());
    match numbers.below(7) {
        _ if bytes.is_empty() => bytes.push(b'['),
        0 => bytes[at] ^= 1 << numbers.below(8),
        1 => bytes.insert(at, SIGNS[numbers.below(SIGNS.len())]),
        2 => bytes[at] = SIGNS[numbers.below(SIGNS.len())],
        3 => drop(bytes.drain(at..to)),
        4 => bytes.truncate(at),
        5 => {
            let copy = bytes[at..to].to_vec();
            bytes.splice(at..at, copy);
        }
        _ => bytes[at..to].reverse(),
    }
}

fn compare_damaged(count: usize) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let files: Vec<Vec<u8>> = (0..count).map(|_| damaged(&mut numbers)).collect();
    let name = |number: usize| {
        let mut text = Vec::new();
        let file = &files[number][..];
        if flate2::bufread::MultiGzDecoder::new(file).read_to_end(&mut text).is_err() {
            text = file.to_vec();
        }
        format!("{number}: {}", String::from_utf8_lossy(&text))
    };
    let compared = compare(&files, name);
    let some = count / 20;
    assert!(compared.sound > some && compared.sound < count - some, "{compared:?}");
    assert!(compared.records > some && compared.bad > some, "{compared:?}");
}

/// `CERTRELAY_DOCUMENTS=100000` before a release.
#[test]
fn python_makes_the_same_of_damaged_documents() {
    compare_damaged(super::documents().unwrap_or(5_000));
}
