//! Decompresses a small object in one call of libdeflate, which is 1.5 times as fast as the stream.
//!
//! It accepts an object only if the trailer, the file's last eight bytes, proves the output. It
//! leaves everything else to the stream, which reports all errors. It accepts one kind of file that
//! the stream rejects: one with bytes inserted between the compressed data and the trailer. The
//! document of such a file is complete.

use libdeflater::Decompressor;
use memchr::memmem::Finder;

use super::gzip::{Header, MAGIC};

/// The first bytes of a member: the magic number and the only compression method.
const START: [u8; 3] = [MAGIC[0], MAGIC[1], 8];

/// Most decompressed bytes. Longer documents exceed the caches, and the stream is as fast.
const MAX_SIZE: usize = 4 << 20;

/// Bytes of a member's trailer: CRC and size of the decompressed data.
const TRAILER: usize = 8;

/// The highest ratio that deflate can reach.
const MAX_RATIO: usize = 1032;

/// Output bytes beyond the document: without them libdeflate writes the last half KiB byte by byte.
const SLACK: usize = 1 << 10;

/// The first size of the output buffer: enough for nearly every file that CloudTrail delivers.
const INITIAL_OUTPUT: usize = 128 << 10;

/// A ratio that few documents exceed.
const USUAL_RATIO: usize = 16;

/// libdeflate and its output buffer.
pub(super) struct OneShot {
    decompressor: Decompressor,
    output: Vec<u8>,
    /// Finds the start of a further member.
    start: Finder<'static>,
}

impl OneShot {
    pub(super) fn new() -> Self {
        let output = vec![0; INITIAL_OUTPUT];
        Self { decompressor: Decompressor::new(), output, start: Finder::new(&START) }
    }

    /// Returns the document and the CRC that it must have, if `stored` is one gzip member and the
    /// document is small.
    ///
    /// libdeflate does not tell where the member ended, so the size is compared with the file's
    /// last eight bytes. A second member may have the same content and so the same trailer:
    /// therefore the file must not contain the start of one. All that is read last, when
    /// decompression has brought the file into the cache: a file that was just received is in none.
    pub(super) fn decompress(&mut self, stored: &[u8]) -> Option<(&[u8], u32)> {
        let (rest, trailer) = stored.split_last_chunk::<TRAILER>()?;
        let packed = after_header(rest)?;
        let written = match self.decompress_unsized(packed) {
            Some(written) => written,
            None => self.decompress_sized(packed, trailer)?,
        };
        let (crc, size) = parse_trailer(trailer);
        if written != size || !(1..=MAX_SIZE).contains(&size) || self.start.find(packed).is_some() {
            return None;
        }
        Some((&self.output[..size], crc))
    }

    /// Decompresses into the present output buffer, if that is large enough for usual ratios,
    /// without reading the trailer.
    fn decompress_unsized(&mut self, packed: &[u8]) -> Option<usize> {
        if packed.len() > self.output.len() / USUAL_RATIO {
            return None;
        }
        self.decompressor.deflate_decompress(packed, &mut self.output).ok()
    }

    /// Decompresses into a buffer of the size in the trailer.
    fn decompress_sized(&mut self, packed: &[u8], trailer: &[u8; TRAILER]) -> Option<usize> {
        let (_, size) = parse_trailer(trailer);
        if size > MAX_SIZE || size / MAX_RATIO > packed.len() + TRAILER {
            return None;
        }
        if self.output.len() < size + SLACK {
            self.output.resize(size + SLACK, 0);
        }
        self.decompressor.deflate_decompress(packed, &mut self.output[..size + SLACK]).ok()
    }
}

/// Returns the CRC and the size in a trailer.
fn parse_trailer(trailer: &[u8; TRAILER]) -> (u32, usize) {
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([s0, s1, s2, s3]) as usize)
}

/// Returns what follows a member's header, if the header is valid.
fn after_header(stored: &[u8]) -> Option<&[u8]> {
    // Nearly every header has no optional fields, and then a fixed length.
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
