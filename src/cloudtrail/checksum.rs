//! The checksum of gzip, by the fastest way there is: each byte of a document goes through it.

#[cfg(not(feature = "fast-inflate"))]
use flate2::Crc;
#[cfg(feature = "fast-inflate")]
use libdeflater::Crc;

/// CRC and length of what has been seen.
#[derive(Default)]
pub(super) struct Checksum {
    crc: Crc,
    length: u32,
}

impl Checksum {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.length = self.length.wrapping_add(bytes.len() as u32);
    }

    pub(super) fn sum(&self) -> u32 {
        self.crc.sum()
    }

    /// How many bytes that was, modulo 2³².
    pub(super) fn length(&self) -> u32 {
        self.length
    }
}
