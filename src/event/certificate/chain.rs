//! A text of PEM blocks: one certificate, or a chain with the leaf's issuer first.

use super::{Certificate, blocks};

/// Certificates of one text that are read; a chain of more is counted, not shown.
const MAX_CERTIFICATES: usize = 16;

/// What a text of PEM holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::event) struct Chain {
    /// The certificates, in the order of the text; unreadable ones with the reason.
    pub(in crate::event) certificates: Vec<Result<Certificate, String>>,
    /// Blocks of PEM in the text.
    pub(in crate::event) count: usize,
}

/// Reads the certificates in `text`.
pub(in crate::event) fn chain(text: &str) -> Chain {
    let certificates = blocks(text)
        .take(MAX_CERTIFICATES)
        .map(|block| block.and_then(|der| Certificate::read(&der)))
        .collect();
    Chain { certificates, count: text.matches("-----BEGIN ").count() }
}

impl Chain {
    /// Whether every certificate was issued by the one after it; nothing is said of fewer than two,
    /// nor where one could not be read.
    pub(in crate::event) fn is_ordered(&self) -> Option<bool> {
        let read: Vec<_> = self.certificates.iter().filter_map(|one| one.as_ref().ok()).collect();
        if read.len() < 2 || read.len() != self.count {
            return None;
        }
        Some(read.windows(2).all(|pair| pair[0].issuer == pair[1].subject))
    }

    /// Whether the last certificate issued itself: the chain needs nothing more.
    pub(in crate::event) fn ends_in_root(&self) -> Option<bool> {
        let last = self.certificates.last()?.as_ref().ok()?;
        (self.certificates.len() == self.count).then_some(last.self_signed)
    }

    /// The first certificate, if it can be read.
    pub(in crate::event) fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()?.as_ref().ok()
    }
}
