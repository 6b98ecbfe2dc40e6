//! The certificates of a record, each text once however often the record carries it.

use super::super::redact::Redaction;
use super::{Chain, chain};

/// One text of PEM and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::event) struct Found {
    /// Where, as `requestParameters.certificateBody`; the first place comes first.
    pub(in crate::event) paths: Vec<String>,
    /// SHA-256 of the text.
    pub(in crate::event) sha256: String,
    /// What it holds.
    pub(in crate::event) chain: Chain,
}

/// Reads every certificate text that was found for redaction in `bytes`, the record as it came.
pub(in crate::event) fn found(redactions: &[Redaction], bytes: &[u8]) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for redaction in redactions {
        let Some(sha256) = &redaction.sha256 else { continue };
        match all.iter_mut().find(|known| known.sha256 == *sha256) {
            Some(known) => known.paths.push(redaction.path.clone()),
            None => {
                let Some(text) = redaction.certificate(bytes) else { continue };
                all.push(Found {
                    paths: vec![redaction.path.clone()],
                    sha256: sha256.clone(),
                    chain: chain(&text),
                });
            }
        }
    }
    all
}

impl Found {
    /// Whether this is the certificate itself, not the chain beside it.
    pub(in crate::event) fn is_body(&self) -> bool {
        self.paths.iter().any(|path| !path.to_ascii_lowercase().ends_with("certificatechain"))
    }
}
