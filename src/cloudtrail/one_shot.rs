//! Unpacks a small object at once, with libdeflate: half as fast again as the stream.
//!
//! It is a short cut and no second opinion: it accepts an object only where the file's own last eight
//! bytes prove what was unpacked, and leaves everything else, every kind of damage included, to the
//! stream. One file it takes that the stream would not: where something was put between the compressed
//! data and these eight bytes. The document is whole nevertheless.

use libdeflater::Decompressor;
use memchr::memmem::Finder;

use super::gzip::{Header, MAGIC};

/// The magic and the only method.
const START: [u8; 3] = [MAGIC[0], MAGIC[1], 8];

/// Most unpacked bytes. Longer documents leave the processor's caches, and the stream is as fast.
const MOST: usize = 4 << 20;

/// CRC and size of what was packed, at a member's end.
const TRAILER: usize = 8;

/// More than this times its packed size nothing can be that is packed by deflate.
const DENSEST: usize = 1032;

/// Room after the document: without it libdeflate takes its last half KiB byte by byte.
const SLACK: usize = 1 << 10;

/// Room to begin with: enough for nearly every file that CloudTrail delivers.
const ROOM: usize = 128 << 10;

/// So many times its packed size a document mostly is at most.
const USUAL: usize = 16;

/// libdeflate and its buffer.
pub(super) struct OneShot {
    decompressor: Decompressor,
    output: Vec<u8>,
    /// What every gzip member starts with.
    start: Finder<'static>,
}

impl OneShot {
    pub(super) fn new() -> Self {
        let output = vec![0; ROOM];
        Self { decompressor: Decompressor::new(), output, start: Finder::new(&START) }
    }

    /// The document, if `stored` is one gzip member and its document is small; and the CRC that it
    /// must prove to have.
    ///
    /// libdeflate does not say where the member ended, so what it returns is held against the last
    /// eight bytes of the file; and as a second member may have the same content and so the same
    /// trailer, nothing in the file may look like the start of one. All that is looked at last, when
    /// unpacking has brought the file into the nearest cache: a file that just came is in none.
    pub(super) fn unpack(&mut self, stored: &[u8]) -> Option<(&[u8], u32)> {
        let (rest, trailer) = stored.split_last_chunk::<TRAILER>()?;
        let packed = after_header(rest)?;
        let written = match self.guess(packed) {
            Some(written) => written,
            None => self.follow_promise(packed, trailer)?,
        };
        let (crc, size) = promise(trailer);
        if written != size || !(1..=MOST).contains(&size) || self.start.find(packed).is_some() {
            return None;
        }
        Some((&self.output[..size], crc))
    }

    /// Unpacks into what room there is, if that is generous, without a look at the trailer.
    fn guess(&mut self, packed: &[u8]) -> Option<usize> {
        if packed.len() > self.output.len() / USUAL {
            return None;
        }
        self.decompressor.deflate_decompress(packed, &mut self.output).ok()
    }

    /// Unpacks into as much room as the trailer says it takes.
    fn follow_promise(&mut self, packed: &[u8], trailer: &[u8; TRAILER]) -> Option<usize> {
        let (_, size) = promise(trailer);
        if size > MOST || size / DENSEST > packed.len() + TRAILER {
            return None;
        }
        if self.output.len() < size + SLACK {
            self.output.resize(size + SLACK, 0);
        }
        self.decompressor.deflate_decompress(packed, &mut self.output[..size + SLACK]).ok()
    }
}

/// CRC and size that a member should have.
fn promise(trailer: &[u8; TRAILER]) -> (u32, usize) {
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([s0, s1, s2, s3]) as usize)
}

/// What follows a member's header, if that is sound.
fn after_header(stored: &[u8]) -> Option<&[u8]> {
    // Nearly every one has no optional fields, and then is of a fixed length.
    if let [first, second, third, 0, _, _, _, _, _, _, packed @ ..] = stored
        && [*first, *second, *third] == START
    {
        return Some(packed);
    }
    let mut header = Header::default();
    let mut bytes = stored.iter();
    while !header.take(*bytes.next()?).ok()? {}
    Some(bytes.as_slice())
}
