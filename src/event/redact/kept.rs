//! What was found in a record, kept with its event: so that an output takes the record's bytes as they are where
//! nothing has to go, and looks for nothing twice.

use std::borrow::Cow;

use super::super::json;
use super::{Redaction, find};

/// Most redactions that an event keeps, under 4 kB of memory: IAM's own calls have three at most (a body, a chain,
/// a key). Of a record with more it keeps none and searches anew, so that hostile records do not grow in hand.
const MOST: usize = 8;

/// The redactions of a record whose bytes never change.
#[derive(Debug, Clone)]
pub(in crate::event) enum Kept {
    /// These, and no others.
    All(Box<[Redaction]>),
    /// More than are kept.
    TooMany,
}

impl Kept {
    /// Keeps what was found.
    pub(in crate::event) fn new(found: Vec<Redaction>) -> Self {
        if found.len() <= MOST { Self::All(found.into_boxed_slice()) } else { Self::TooMany }
    }

    /// The redactions of the record that this was made for: `bytes` must be the same.
    pub(in crate::event) fn of(&self, bytes: &[u8]) -> Cow<'_, [Redaction]> {
        match self {
            Self::All(redactions) => Cow::Borrowed(redactions),
            // What was read once can be read again.
            Self::TooMany => {
                Cow::Owned(json::parse(bytes).map(|root| find(&root, bytes)).unwrap_or_default())
            }
        }
    }
}
