//! Names the formats of files that are not JSON, so that their error says what they are.

/// The first bytes of a format, its name, and the command that makes JSON of it.
const FORMATS: [(&[u8], &str); 9] = [
    (&super::gzip::MAGIC, "gzip inside gzip"),
    (b"PK\x03\x04", "a zip file (`unzip -p FILE`)"),
    (b"\x28\xb5\x2f\xfd", "zstd (`zstd -dc FILE`)"),
    (b"BZh", "bzip2 (`bzip2 -dc FILE`)"),
    (b"\xfd7zXZ\0", "xz (`xz -dc FILE`)"),
    (b"PAR1", "Parquet"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"Obj\x01", "Avro"),
];

const UTF_16: &str = "UTF-16 text (`iconv -f UTF-16 -t UTF-8 FILE`)";

/// Returns the name of the format that `document` starts as, if that is a known one and not JSON.
pub(super) fn of(document: &[u8]) -> Option<&'static str> {
    match document {
        // UTF-16 without a byte order mark.
        [b'{' | b'[', 0, _, 0, ..] => Some("UTF-16 text (`iconv -f UTF-16LE -t UTF-8 FILE`)"),
        [0, b'{' | b'[', 0, _, ..] => Some("UTF-16 text (`iconv -f UTF-16BE -t UTF-8 FILE`)"),
        _ => FORMATS.iter().find_map(|(magic, name)| document.starts_with(magic).then_some(*name)),
    }
}
