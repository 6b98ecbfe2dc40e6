//! Names inside certificates, formatted as OpenSSL and RFC 4514 do.

use std::fmt::Write;

use data_encoding::{HEXLOWER, HEXUPPER};
use x509_parser::der_parser::Oid;
use x509_parser::prelude::*;

/// Most characters of one name: a subject may be as long as the certificate.
const MAX_NAME: usize = 1024;

/// Short names of attribute types. Source: RFC 4514 section 3 and OpenSSL's `objects.txt`.
const ATTRIBUTES: [(&str, &str); 22] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// Signature algorithms. Source: OpenSSL's `objects.txt`.
const SIGNATURES: [(&str, &str); 14] = [
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.113549.1.1.10", "rsassaPss"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.3.101.112", "ED25519"),
    ("1.3.101.113", "ED448"),
];

/// Keys without parameters, and the bits that OpenSSL prints for them.
const KEYS: [(&str, &str, Option<usize>); 5] = [
    ("1.3.101.112", "ED25519", Some(253)),
    ("1.3.101.113", "ED448", Some(456)),
    ("1.3.101.110", "X25519", Some(253)),
    ("1.3.101.111", "X448", Some(448)),
    ("1.2.840.113549.1.1.10", "RSA-PSS", None),
];

/// Bits of the named curves.
const CURVES: [(&str, usize); 7] = [
    ("1.2.840.10045.3.1.1", 192),
    ("1.3.132.0.33", 224),
    ("1.2.840.10045.3.1.7", 256),
    ("1.3.132.0.10", 256),
    ("1.3.132.0.34", 384),
    ("1.3.132.0.35", 521),
    ("1.3.36.3.3.2.8.1.1.7", 256),
];

/// Formats a distinguished name by RFC 4514: last attribute first, special characters escaped.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    let relative = name.iter_rdn().map(|set| {
        let mut parts: Vec<_> = set.iter().map(attribute).collect();
        parts.reverse();
        parts.join("+")
    });
    let mut parts: Vec<_> = relative.collect();
    parts.reverse();
    shortened(parts.join(","))
}

fn shortened(mut name: String) -> String {
    if let Some((at, _)) = name.char_indices().nth(MAX_NAME) {
        name.truncate(at);
        name.push('…');
    }
    name
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let id = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    match ATTRIBUTES.iter().find(|(known, _)| *known == id) {
        Some((_, short)) => format!("{short}={}", escaped(&decoded(value.tag().0, value.data))),
        None => format!("{id}=#{}", HEXUPPER.encode(&der(value.tag().0, value.data))),
    }
}

/// Encodes a value with its tag and length, as RFC 4514 requires for types without a name.
fn der(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(tag & 0x1f).unwrap_or_default()];
    let length = data.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match length {
        [] => bytes.push(0),
        [short @ 0..0x80] => bytes.push(*short),
        long => {
            bytes.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            bytes.extend_from_slice(long);
        }
    }
    bytes.extend_from_slice(data);
    bytes
}

/// Decodes a string of any type that certificates use. T61 is read as Latin-1, as is customary.
fn decoded(tag: u32, data: &[u8]) -> String {
    match tag {
        30 => {
            let units = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        28 => data
            .chunks_exact(4)
            .map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
            .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        20 => data.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(data).into_owned(),
    }
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    value.chars().enumerate().fold(String::new(), |mut text, (at, c)| {
        let at_edge = (c == ' ' && (at == 0 || at == last)) || (c == '#' && at == 0);
        if at_edge || ",+\"\\<>;".contains(c) {
            text.push('\\');
            text.push(c);
        } else if c.is_ascii_control() {
            let _ = write!(text, "\\{:02X}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

/// Returns one subject alternative name, with the kind that OpenSSL prints.
pub(super) fn general(name: &GeneralName<'_>) -> (&'static str, String) {
    let (kind, text) = match name {
        GeneralName::DNSName(text) => ("DNS", (*text).to_owned()),
        GeneralName::RFC822Name(text) => ("email", (*text).to_owned()),
        GeneralName::URI(text) => ("URI", (*text).to_owned()),
        GeneralName::IPAddress(bytes) => ("IP Address", address(bytes)),
        GeneralName::DirectoryName(name) => ("DirName", distinguished(name)),
        GeneralName::RegisteredID(id) => ("Registered ID", id.to_id_string()),
        GeneralName::OtherName(id, _) => ("othername", id.to_id_string()),
        GeneralName::Invalid(tag, data) => {
            ("invalid", format!("[{}] {}", tag.0, HEXLOWER.encode(data)))
        }
        _ => ("other", String::new()),
    };
    (kind, shortened(text))
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(four).to_string();
    }
    <[u8; 16]>::try_from(bytes).map_or_else(
        |_| format!("invalid {}", HEXLOWER.encode(bytes)),
        |sixteen| std::net::Ipv6Addr::from(sixteen).to_string(),
    )
}

/// Returns the usual name of a signature algorithm, else its object identifier.
pub(super) fn signature(id: &Oid<'_>) -> String {
    let id = id.to_id_string();
    SIGNATURES.iter().find(|(known, _)| *known == id).map_or(id, |(_, name)| (*name).to_owned())
}

/// Returns the name and size of a key that is neither RSA nor EC.
pub(super) fn key_algorithm(id: &Oid<'_>) -> (String, Option<usize>) {
    let id = id.to_id_string();
    match KEYS.iter().find(|(known, ..)| *known == id) {
        Some((_, name, bits)) => ((*name).to_owned(), *bits),
        None => (id, None),
    }
}

/// Returns the size of a named curve.
pub(super) fn curve_bits(id: &Oid<'_>) -> Option<usize> {
    let id = id.to_id_string();
    CURVES.iter().find(|(known, _)| *known == id).map(|(_, bits)| *bits)
}
