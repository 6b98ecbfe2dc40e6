//! How a sink is doing, kept in one place, and said once when it changes.

use std::sync::{Mutex, PoisonError};

use super::SinkState;
use crate::error::{Code, Error};

/// A sink's state; shared by its handle and its driver.
#[derive(Debug)]
pub(super) struct Status {
    name: String,
    state: Mutex<SinkState>,
}

impl Status {
    /// A sink that has not been tried yet.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), state: Mutex::new(SinkState::Unverified) }
    }

    /// The state now.
    pub(super) fn get(&self) -> SinkState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records the state, and logs it if it is another than before: an outage of an hour is two
    /// lines, not thousands.
    pub(super) fn set(&self, next: SinkState) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if kind(&state) != kind(&next) {
            self.say(&next);
        }
        *state = next;
    }

    fn say(&self, next: &SinkState) {
        let sink = self.name.as_str();
        match next {
            SinkState::Unverified => {}
            SinkState::Up => tracing::info!(sink, "the sink accepts events again"),
            SinkState::Degraded(Error { code, text, .. }) => {
                tracing::warn!(
                    sink,
                    code = code.as_str(),
                    "the sink fails and is tried again: {text}"
                );
            }
            SinkState::Paused(Error { code, text, .. }) => {
                tracing::error!(
                    sink,
                    code = code.as_str(),
                    "the sink is paused until this is mended: {text}"
                );
            }
        }
    }
}

/// What makes two states the same to a reader of the log: that the first event was taken is no news.
fn kind(state: &SinkState) -> (u8, Option<Code>) {
    match state {
        SinkState::Unverified | SinkState::Up => (0, None),
        SinkState::Degraded(error) => (1, Some(error.code)),
        SinkState::Paused(error) => (2, Some(error.code)),
    }
}
