//! The decoder: stored bytes in, selected records out.

use std::sync::Arc;

use super::{Damage, Found, Selection, Tally};
use crate::config::Decode;

/// What every decoder of a process shares.
#[derive(Debug, Clone)]
pub struct DecoderSettings {
    /// Which records.
    pub selection: Arc<Selection>,
    /// `[decode]`.
    pub limits: Decode,
}

/// Decodes one object after another; its buffers are kept from object to object.
pub struct Decoder {
    _settings: DecoderSettings,
}

impl Decoder {
    /// A decoder with fresh buffers.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self { _settings: settings }
    }

    /// Takes the next stored bytes of the object and appends what is found to `found`.
    ///
    /// # Errors
    /// The file is damaged or over a limit: nothing of it may be delivered. The decoder is ready
    /// for the next object.
    pub fn push(&mut self, _stored: &[u8], _found: &mut Vec<Found>) -> Result<(), Damage> {
        todo!("cloudtrail helper")
    }

    /// Ends the object: its checks, and its accounting. The decoder is ready for the next one.
    ///
    /// # Errors
    /// As [`push`](Self::push); also for a file that ends early.
    pub fn finish(&mut self, _found: &mut Vec<Found>) -> Result<Tally, Damage> {
        todo!("cloudtrail helper")
    }

    /// Decodes an object that is wholly in memory, by the fastest way there is.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn decode(&mut self, stored: &[u8], found: &mut Vec<Found>) -> Result<Tally, Damage> {
        self.push(stored, found)?;
        self.finish(found)
    }

    /// Forgets a half-read object, so that the next one starts clean.
    pub fn reset(&mut self) {}
}
