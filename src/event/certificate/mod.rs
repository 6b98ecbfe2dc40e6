//! X.509 facts, which the event has instead of the PEM.
//!
//! Nothing here can fail: a certificate that cannot be parsed is a fact too, and AWS's own examples
//! are deliberately broken. No signature is checked; "self-signed" means that the certificate names
//! itself as its issuer.

mod name;
#[cfg(test)]
mod tests;

use ::time::OffsetDateTime;
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::nom::Err as Parsed;
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

use super::redact::Redaction;

/// Most subject alternative names that are listed; the rest are counted.
const MAX_NAMES: usize = 100;

/// Most certificates of one text that are parsed; the rest are counted.
const MAX_CERTIFICATES: usize = 16;

/// One parsed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Subject, RFC 4514.
    pub(crate) subject: String,
    /// Issuer, RFC 4514.
    pub(crate) issuer: String,
    /// Serial number as `openssl x509 -serial` prints it.
    pub(crate) serial: String,
    /// X.509 version: 1 to 3.
    pub(crate) version: u32,
    /// Subject alternative names with their kind: `DNS`, `web.example.com`.
    pub(crate) names: Vec<(&'static str, String)>,
    /// How many names are not listed.
    pub(crate) more_names: usize,
    /// Valid from.
    pub(crate) not_before: Option<OffsetDateTime>,
    /// Valid until.
    pub(crate) not_after: Option<OffsetDateTime>,
    /// `RSA`, `EC`, `ED25519`… or the algorithm's object identifier.
    pub(crate) key_type: String,
    /// Bits of the key, where its kind has a size.
    pub(crate) key_bits: Option<usize>,
    /// Signature algorithm: its usual name, or its object identifier.
    pub(crate) signature: String,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub(crate) sha256: String,
    /// SHA-1 of the DER, lower-case hexadecimal: only for look-ups in other systems.
    pub(crate) sha1: String,
    /// Subject and issuer are the same.
    pub(crate) self_signed: bool,
    /// A certificate authority: it may sign others.
    pub(crate) is_authority: bool,
}

/// A condition of a certificate that is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// No longer valid at the time of the call.
    Expired,
    /// Not yet valid at the time of the call.
    NotYetValid,
    /// Valid for over 398 days: more than browsers accept of public authorities since 2020.
    LongValidity,
    /// Valid for over 825 days: more than browsers have accepted since 2018.
    VeryLongValidity,
    /// RSA below 2048 bits.
    ShortKey,
    /// SHA-1, MD5 or MD2.
    WeakSignature,
    /// It names itself as its issuer.
    SelfSigned,
    /// It may sign others.
    Authority,
    /// A name begins with `*.`.
    Wildcard,
    /// A name that no public authority may certify.
    InternalName,
}

impl Flag {
    /// Returns the name in events and in `when.certificate`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LongValidity => "valid_over_398_days",
            Self::VeryLongValidity => "valid_over_825_days",
            Self::ShortKey => "rsa_below_2048",
            Self::WeakSignature => "weak_signature",
            Self::SelfSigned => "self_signed",
            Self::Authority => "certificate_authority",
            Self::Wildcard => "wildcard",
            Self::InternalName => "internal_name",
        }
    }

    /// Returns whether it makes the certificate a weak one, for a finding.
    pub(crate) fn is_weakness(self) -> bool {
        !matches!(self, Self::Wildcard | Self::InternalName | Self::Authority | Self::LongValidity)
    }
}

impl Certificate {
    /// Parses one DER certificate.
    ///
    /// # Errors
    /// The parser's error.
    pub(crate) fn read(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|cause| match cause {
            Parsed::Incomplete(_) => "the certificate ends early".to_owned(),
            Parsed::Error(cause) | Parsed::Failure(cause) => cause.to_string(),
        })?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        let (names, more_names) = alternative_names(&parsed);
        let (key_type, key_bits) = key(parsed.public_key());
        Ok(Self {
            subject: name::distinguished(parsed.subject()),
            issuer: name::distinguished(parsed.issuer()),
            serial: serial(parsed.raw_serial()),
            version: parsed.version().0.saturating_add(1),
            names,
            more_names,
            not_before: Some(parsed.validity().not_before.to_datetime()),
            not_after: Some(parsed.validity().not_after.to_datetime()),
            key_type,
            key_bits,
            signature: name::signature(&parsed.signature_algorithm.algorithm),
            sha256: HEXLOWER.encode(&Sha256::digest(der)),
            sha1: HEXLOWER.encode(&Sha1::digest(der)),
            self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            is_authority: parsed.is_ca(),
        })
    }

    /// Returns its flags as of `now`, the time of the call.
    pub(crate) fn flags(&self, now: OffsetDateTime) -> Vec<Flag> {
        let days =
            self.not_before.zip(self.not_after).map(|(from, until)| (until - from).whole_days());
        let name = |matches: fn(&str) -> bool| self.host_names().any(matches);
        [
            (Flag::Expired, self.not_after.is_some_and(|until| until < now)),
            (Flag::NotYetValid, self.not_before.is_some_and(|from| from > now)),
            (Flag::LongValidity, days.is_some_and(|days| days > 398)),
            (Flag::VeryLongValidity, days.is_some_and(|days| days > 825)),
            (
                Flag::ShortKey,
                self.key_type == "RSA" && self.key_bits.is_some_and(|bits| bits < 2048),
            ),
            (Flag::WeakSignature, self.has_weak_signature()),
            (Flag::SelfSigned, self.self_signed),
            (Flag::Authority, self.is_authority),
            (Flag::Wildcard, name(|host| host.starts_with("*."))),
            (Flag::InternalName, name(is_internal)),
        ]
        .into_iter()
        .filter_map(|(flag, is_set)| is_set.then_some(flag))
        .collect()
    }

    fn has_weak_signature(&self) -> bool {
        let name = self.signature.to_ascii_lowercase();
        name.contains("sha1") || name.contains("md5") || name.contains("md2")
    }

    fn host_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|(kind, _)| *kind == "DNS").map(|(_, name)| name.as_str())
    }
}

/// Returns whether no public authority may certify this host name.
fn is_internal(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let internal = ["local", "internal", "corp", "lan", "home", "localhost", "intranet", "private"];
    host.rsplit('.').next().is_some_and(|last| !host.contains('.') || internal.contains(&last))
}

/// Formats a serial number as OpenSSL does: two upper-case digits a byte, no leading zero byte, `-`
/// before a negative.
fn serial(der: &[u8]) -> String {
    let negative = der.first().is_some_and(|first| first & 0x80 != 0);
    let mut bytes = der.to_vec();
    if negative {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (value, overflow);
        }
    }
    let zeros =
        bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len().saturating_sub(1));
    let digits = HEXUPPER.encode(&bytes[zeros..]);
    let digits = if digits.is_empty() { "00".to_owned() } else { digits };
    if negative { format!("-{digits}") } else { digits }
}

fn alternative_names(parsed: &X509Certificate<'_>) -> (Vec<(&'static str, String)>, usize) {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return (Vec::new(), 0) };
    let all = &extension.value.general_names;
    let names = all.iter().take(MAX_NAMES).map(name::general).collect();
    (names, all.len().saturating_sub(MAX_NAMES))
}

fn key(info: &SubjectPublicKeyInfo<'_>) -> (String, Option<usize>) {
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => ("RSA".to_owned(), Some(bits(rsa.modulus))),
        Ok(PublicKey::DSA(value)) => ("DSA".to_owned(), Some(bits(value))),
        Ok(PublicKey::EC(point)) => {
            let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let known = curve.and_then(|curve| name::curve_bits(&curve));
            ("EC".to_owned(), Some(known.unwrap_or_else(|| point.key_size())))
        }
        _ => name::key_algorithm(&info.algorithm.algorithm),
    }
}

/// Returns the number of bits of an unsigned integer.
fn bits(integer: &[u8]) -> usize {
    let digits = integer.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &integer[at..]);
    digits.first().map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize)
}

/// Returns the certificates' PEM blocks in `text`, each after its `-----BEGIN `; if there is none,
/// all blocks. Parameters, keys and comments may stand before a certificate.
fn blocks(text: &str) -> Vec<&str> {
    let all: Vec<&str> = text.split("-----BEGIN ").skip(1).collect();
    let is_certificate =
        |block: &&&str| block.split_once("-----").is_some_and(|(label, _)| names_one(label));
    let certificates: Vec<&str> = all.iter().filter(is_certificate).copied().collect();
    if certificates.is_empty() { all } else { certificates }
}

fn names_one(label: &str) -> bool {
    label.ends_with("CERTIFICATE")
}

/// Returns the DER of a block, or why it cannot be decoded. Line lengths, line ends and text after
/// it do not matter.
fn decode(block: &str) -> Result<Vec<u8>, String> {
    let (label, rest) = block.split_once("-----").ok_or("the first line of PEM has no end")?;
    if !names_one(label) {
        return Err(format!("PEM of something else: {}", label.escape_default()));
    }
    let (body, _) = rest.split_once("-----END").ok_or("the PEM has no last line")?;
    let body: String = body.split_whitespace().collect();
    BASE64.decode(body.as_bytes()).map_err(|cause| format!("not Base64: {cause}"))
}

/// The certificates of a PEM text: one, or a chain with the leaf's issuer first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Chain {
    /// The certificates in the order of the text, or why one cannot be parsed.
    pub(crate) certificates: Vec<Result<Certificate, String>>,
    /// How many PEM blocks of certificates the text has.
    pub(crate) count: usize,
}

/// Parses the certificates in `text`.
pub(crate) fn chain(text: &str) -> Chain {
    let blocks = blocks(text);
    let read = |block: &&str| decode(block).and_then(|der| Certificate::read(&der));
    let certificates = blocks.iter().take(MAX_CERTIFICATES).map(read).collect();
    Chain { certificates, count: blocks.len() }
}

impl Chain {
    /// Returns whether every certificate was issued by the one after it; `None` for fewer than two,
    /// or if one cannot be parsed.
    pub(crate) fn is_ordered(&self) -> Option<bool> {
        let read: Vec<_> = self.certificates.iter().filter_map(|one| one.as_ref().ok()).collect();
        if read.len() < 2 || read.len() != self.count {
            return None;
        }
        Some(read.windows(2).all(|pair| pair[0].issuer == pair[1].subject))
    }

    /// Returns whether the last certificate issued itself, so that the chain is complete.
    pub(crate) fn ends_in_root(&self) -> Option<bool> {
        let last = self.certificates.last()?.as_ref().ok()?;
        (self.certificates.len() == self.count).then_some(last.self_signed)
    }

    /// Returns the first certificate, if it can be parsed.
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()?.as_ref().ok()
    }
}

/// One PEM text of a record; equal texts are one, however often the record has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its paths, as `requestParameters.certificateBody`, in the order of the record.
    pub(crate) paths: Vec<String>,
    /// SHA-256 of the text; none if it also has a private key.
    pub(crate) sha256: Option<String>,
    /// Its certificates.
    pub(crate) chain: Chain,
}

/// Returns every certificate text of `bytes`, the unredacted record.
pub(crate) fn found(redactions: &[Redaction], bytes: &[u8]) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for redaction in redactions {
        let sha256 = &redaction.sha256;
        match all.iter_mut().find(|known| sha256.is_some() && known.sha256 == *sha256) {
            Some(known) => known.paths.push(redaction.path.clone()),
            None => {
                let Some(text) = redaction.certificate(bytes) else { continue };
                let chain = chain(&text);
                // Why a text with a private key cannot be parsed might show a part of the key.
                if sha256.is_none() && chain.leaf().is_none() {
                    continue;
                }
                let paths = vec![redaction.path.clone()];
                all.push(Found { paths, sha256: sha256.clone(), chain });
            }
        }
    }
    all
}

impl Found {
    /// Returns whether this is the certificate itself and not its chain.
    fn is_body(&self) -> bool {
        self.paths.iter().any(|path| !path.to_ascii_lowercase().ends_with("certificatechain"))
    }
}

/// Returns the certificate itself, without its chain.
pub(crate) fn body(found: &[Found]) -> Option<&Found> {
    found.iter().find(|found| found.is_body())
}
