//! Unpacks a small object at once, with libdeflate: half as fast again as the stream.
//!
//! It is a short cut and no second opinion: it accepts an object only where the stream would give
//! the same bytes, and leaves everything else, every kind of damage included, to the stream.

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

/// libdeflate and its buffer.
pub(super) struct OneShot {
    decompressor: Decompressor,
    output: Vec<u8>,
    /// What every gzip member starts with.
    start: Finder<'static>,
}

impl OneShot {
    pub(super) fn new() -> Self {
        Self { decompressor: Decompressor::new(), output: Vec::new(), start: Finder::new(&START) }
    }

    /// The document, if `stored` is one gzip member and its document is small; and the CRC that it
    /// must prove to have.
    ///
    /// libdeflate does not say where the member ended, so what it returns is held against the last
    /// eight bytes of the file; and as a second member may have the same content and so the same
    /// trailer, nothing in the file may look like the start of one.
    pub(super) fn unpack(&mut self, stored: &[u8]) -> Option<(&[u8], u32)> {
        let (rest, trailer) = stored.split_last_chunk::<TRAILER>()?;
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        if size == 0 || size > MOST || size / DENSEST > rest.len() {
            return None;
        }
        let mut header = Header::default();
        let mut bytes = rest.iter();
        while !header.take(*bytes.next()?).ok()? {}
        let packed = bytes.as_slice();
        if self.output.len() < size + SLACK {
            self.output.resize(size + SLACK, 0);
        }
        let output = &mut self.output[..size + SLACK];
        let written = self.decompressor.deflate_decompress(packed, output).ok()?;
        // Looked at last, when unpacking has brought the file into the nearest cache.
        if written != size || self.start.find(packed).is_some() {
            return None;
        }
        Some((&self.output[..size], u32::from_le_bytes([c0, c1, c2, c3])))
    }
}
