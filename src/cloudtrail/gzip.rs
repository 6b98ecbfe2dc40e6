//! Unpacks gzip as it comes: every member, each with its checks.
//!
//! Ready-made readers stop after the first member, or take what follows it for the end of the file:
//! both lose records without a word. Here a further member is read on, and whatever follows a member
//! and is no member is damage, zero padding included (S3 pads nothing, and a run of zeros may be what
//! a broken disk left of a member).

use flate2::{Decompress, FlushDecompress, Status};

use super::DecodeError;
use super::checksum::Checksum;

/// First byte of the magic: no JSON text starts with it.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// A gzip stream, unpacked step by step.
pub(super) struct Gunzip {
    inflate: Decompress,
    part: Part,
    checksum: Checksum,
    stored: u64,
}

/// Where in a member the next stored byte belongs.
enum Part {
    Header(Header),
    Body,
    Trailer {
        bytes: [u8; 8],
        have: usize,
    },
    /// After a member: the end, or the next one.
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

    /// Forgets everything but the buffers.
    pub(super) fn reset(&mut self) {
        self.part = Part::Header(Header::default());
        self.stored = 0;
    }

    /// Unpacks from the front of `stored`, which it shortens, into `output`, and says how many bytes
    /// it wrote. It stops when `output` is full or `stored` is used up.
    pub(super) fn unpack(
        &mut self,
        stored: &mut &[u8],
        output: &mut [u8],
    ) -> Result<usize, DecodeError> {
        let mut written = 0;
        loop {
            match &mut self.part {
                Part::Header(header) => {
                    let Some(&byte) = stored.first() else { return Ok(written) };
                    let whole = header.take(byte).map_err(|reason| self.damage(reason))?;
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
                        return Err(self.damage("what follows the end is no further gzip member"));
                    }
                    self.part = Part::Header(Header::default());
                }
            }
        }
    }

    /// Unpacks compressed data; leaves [`Part::Body`] at the end of it.
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
            // What the library says of it depends on how the bytes came in.
            let Ok(status) = status else {
                return Err(self.damage("the compressed data is invalid"));
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

    /// The member's own word on what it holds.
    fn check(&self, trailer: [u8; 8]) -> Result<(), DecodeError> {
        let [c0, c1, c2, c3, s0, s1, s2, s3] = trailer;
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        if crc != self.checksum.sum() {
            return Err(self.damage("the CRC does not match what was unpacked"));
        }
        if size != self.checksum.length() {
            return Err(self.damage("the size does not match what was unpacked"));
        }
        Ok(())
    }

    /// Says whether the stored bytes ended where a gzip file may end.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        match self.part {
            Part::Between => Ok(()),
            Part::Header(_) => Err(self.damage("it ends inside a header")),
            Part::Body => Err(self.damage("it ends inside compressed data")),
            Part::Trailer { .. } => Err(self.damage("it ends inside a trailer")),
        }
    }

    fn advance(&mut self, stored: &mut &[u8], by: usize) {
        *stored = &stored[by..];
        self.stored += by as u64;
    }

    fn damage(&self, reason: &str) -> DecodeError {
        DecodeError::Gzip { at: self.stored, reason: reason.to_owned() }
    }
}

/// A member's header (RFC 1952, 2.3), taken byte by byte; nothing of it is kept.
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
    /// Time, extra flags, operating system: bytes left.
    Skipped(u8),
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    Crc(Option<u8>),
    Done,
}

impl Header {
    /// Takes the next byte and says whether the header is complete with it.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, &'static str> {
        let sum = self.checksum.sum();
        if self.flags & HEADER_CRC != 0 {
            self.checksum.update(&[byte]);
        }
        self.field = match self.field {
            Field::FirstMagic if byte == MAGIC[0] => Field::SecondMagic,
            Field::SecondMagic if byte == MAGIC[1] => Field::Method,
            Field::FirstMagic | Field::SecondMagic => return Err("it does not start as gzip does"),
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
            // The checksum covers what stands before it: `sum` is taken before its own bytes.
            Field::Crc(None) if (sum & 0xff) as u8 == byte => {
                Field::Crc(Some(((sum >> 8) & 0xff) as u8))
            }
            Field::Crc(Some(high)) if high == byte => Field::Done,
            Field::Crc(_) => return Err("the CRC of the header does not match"),
            Field::Done => Field::Done,
        };
        Ok(matches!(self.field, Field::Done))
    }

    /// The first field that is there, of those from number `from` on.
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
