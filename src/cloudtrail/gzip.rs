//! Decompresses a gzip stream of any number of members (RFC 1952) and verifies each one.
//!
//! The usual readers stop after the first member, or ignore trailing bytes: both lose records
//! silently. Here every member is read, and anything else after a member is an error, zero padding
//! included (S3 adds no padding, and zeros may be all that a broken disk left of a member).

#[cfg(not(feature = "fast-inflate"))]
use flate2::Crc;
use flate2::{Decompress, FlushDecompress, Status};
#[cfg(feature = "fast-inflate")]
use libdeflater::Crc;

use super::DecodeError;

/// The first bytes of a member. No JSON text starts with the first one.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Decompresses a gzip stream that arrives in chunks.
pub(super) struct Gunzip {
    inflate: Decompress,
    part: Part,
    checksum: Checksum,
    stored: u64,
}

/// The part of a member that the next stored byte belongs to.
enum Part {
    Header(Header),
    Body,
    Trailer {
        bytes: [u8; 8],
        have: usize,
    },
    /// After a member: the file may end, or another member may follow.
    Between,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            part: Part::Header(Header::default()),
            checksum: Checksum::default(),
            stored: 0,
        }
    }

    /// Prepares for the next stream.
    pub(super) fn reset(&mut self) {
        self.part = Part::Header(Header::default());
        self.stored = 0;
    }

    /// Decompresses into `output` and returns the number of bytes written. Removes what it read
    /// from the front of `stored`. Stops when `output` is full or `stored` is empty.
    pub(super) fn decompress(
        &mut self,
        stored: &mut &[u8],
        output: &mut [u8],
    ) -> Result<usize, DecodeError> {
        let mut written = 0;
        loop {
            match &mut self.part {
                Part::Header(header) => {
                    let Some(&byte) = stored.first() else { return Ok(written) };
                    let whole = header.take(byte).map_err(|reason| self.error(reason))?;
                    self.advance(stored, 1);
                    if whole {
                        self.inflate.reset(false);
                        self.checksum = Checksum::default();
                        self.part = Part::Body;
                    }
                }
                Part::Body => {
                    let more = self.body(stored, &mut output[written..])?;
                    written += more;
                    if matches!(self.part, Part::Body) {
                        return Ok(written);
                    }
                }
                Part::Trailer { bytes, have } => {
                    let Some(&byte) = stored.first() else { return Ok(written) };
                    bytes[*have] = byte;
                    *have += 1;
                    if *have == 8 {
                        let bytes = *bytes;
                        self.check(bytes)?;
                        self.part = Part::Between;
                    }
                    self.advance(stored, 1);
                }
                Part::Between => {
                    let Some(&byte) = stored.first() else { return Ok(written) };
                    if byte != MAGIC[0] {
                        return Err(
                            self.error("the bytes after a member are not another gzip member")
                        );
                    }
                    self.part = Part::Header(Header::default());
                }
            }
        }
    }

    /// Decompresses the body of a member; leaves [`Part::Body`] at its end.
    fn body(&mut self, stored: &mut &[u8], output: &mut [u8]) -> Result<usize, DecodeError> {
        let mut written = 0;
        loop {
            let (read_before, wrote_before) = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate.decompress(stored, &mut output[written..], FlushDecompress::None);
            let read = (self.inflate.total_in() - read_before) as usize;
            let wrote = (self.inflate.total_out() - wrote_before) as usize;
            self.checksum.update(&output[written..written + wrote]);
            self.advance(stored, read);
            written += wrote;
            // The library's own message depends on how the bytes were split into chunks.
            let Ok(status) = status else {
                return Err(self.error("the compressed data is invalid"));
            };
            match status {
                Status::StreamEnd => {
                    self.part = Part::Trailer { bytes: [0; 8], have: 0 };
                    return Ok(written);
                }
                _ if written == output.len() || (read == 0 && wrote == 0) => return Ok(written),
                Status::Ok | Status::BufError => {}
            }
        }
    }

    /// Verifies the CRC and the size in a member's trailer.
    fn check(&self, trailer: [u8; 8]) -> Result<(), DecodeError> {
        let [c0, c1, c2, c3, s0, s1, s2, s3] = trailer;
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        if crc != self.checksum.sum() {
            return Err(self.error("the CRC does not match the decompressed data"));
        }
        if size != self.checksum.length {
            return Err(self.error("the size does not match the decompressed data"));
        }
        Ok(())
    }

    /// Verifies that the stream ended after a member.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        match self.part {
            Part::Between => Ok(()),
            Part::Header(_) => Err(self.error("unexpected end inside a header")),
            Part::Body => Err(self.error("unexpected end inside compressed data")),
            Part::Trailer { .. } => Err(self.error("unexpected end inside a trailer")),
        }
    }

    fn advance(&mut self, stored: &mut &[u8], by: usize) {
        *stored = &stored[by..];
        self.stored += by as u64;
    }

    fn error(&self, reason: &str) -> DecodeError {
        DecodeError::Gzip { at: self.stored, reason: reason.to_owned() }
    }
}

/// Parses and skips a member's header (RFC 1952, section 2.3) byte by byte.
#[derive(Default)]
pub(super) struct Header {
    field: Field,
    flags: u8,
    checksum: Checksum,
}

#[derive(Default, Clone, Copy)]
enum Field {
    #[default]
    FirstMagic,
    SecondMagic,
    Method,
    Flags,
    /// Modification time, extra flags and operating system, with the number of bytes left.
    Skipped(u8),
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    Crc(Option<u8>),
    Done,
}

impl Header {
    /// Takes the next byte and returns whether the header ends with it.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, &'static str> {
        let sum = self.checksum.sum();
        if self.flags & HEADER_CRC != 0 {
            self.checksum.update(&[byte]);
        }
        self.field = match self.field {
            Field::FirstMagic if byte == MAGIC[0] => Field::SecondMagic,
            Field::SecondMagic if byte == MAGIC[1] => Field::Method,
            Field::FirstMagic | Field::SecondMagic => return Err("no gzip magic number"),
            Field::Method if byte == 8 => Field::Flags,
            Field::Method => return Err("the compression method is not deflate"),
            Field::Flags if byte & RESERVED == 0 => {
                self.flags = byte;
                if byte & HEADER_CRC != 0 {
                    self.checksum.update(&[MAGIC[0], MAGIC[1], 8, byte]);
                }
                Field::Skipped(6)
            }
            Field::Flags => return Err("a reserved flag is set in the header"),
            Field::Skipped(1) => self.after(0),
            Field::Skipped(left) => Field::Skipped(left - 1),
            Field::ExtraLength(None) => Field::ExtraLength(Some(byte)),
            Field::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after(1),
                length => Field::Extra(length),
            },
            Field::Extra(1) => self.after(1),
            Field::Extra(left) => Field::Extra(left - 1),
            Field::Name if byte == 0 => self.after(2),
            Field::Comment if byte == 0 => self.after(3),
            Field::Name => Field::Name,
            Field::Comment => Field::Comment,
            // `sum` is without this byte: the checksum covers only what precedes it.
            Field::Crc(None) if (sum & 0xff) as u8 == byte => {
                Field::Crc(Some(((sum >> 8) & 0xff) as u8))
            }
            Field::Crc(Some(high)) if high == byte => Field::Done,
            Field::Crc(_) => return Err("the CRC of the header does not match"),
            Field::Done => Field::Done,
        };
        Ok(matches!(self.field, Field::Done))
    }

    /// Returns the first of the optional fields from number `from` on that the flags announce.
    fn after(&self, from: usize) -> Field {
        const ORDER: [(u8, Field); 4] = [
            (EXTRA, Field::ExtraLength(None)),
            (NAME, Field::Name),
            (COMMENT, Field::Comment),
            (HEADER_CRC, Field::Crc(None)),
        ];
        let mut present = ORDER[from..].iter().filter(|(flag, _)| self.flags & flag != 0);
        present.next().map_or(Field::Done, |&(_, field)| field)
    }
}

/// The CRC-32 and the length of the bytes so far.
///
/// Every byte of a document is checksummed, so this uses the fastest implementation: libdeflate's.
#[derive(Default)]
pub(super) struct Checksum {
    crc: Crc,
    /// Modulo 2³², as in a trailer.
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
}
