//! Dead letters in memory, by their deterministic names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use certrelay::error::{Code, Error};
use certrelay::pipeline::{DeadLetter, DeadLetterWriter};
use futures_util::future::BoxFuture;

use super::Steps;

/// What all processes of a world share.
#[derive(Default)]
pub struct MemoryLetters {
    pub letters: Mutex<BTreeMap<String, DeadLetter>>,
    /// Letters still to be refused, as when the bucket cannot be written.
    pub fail: Mutex<u32>,
}

impl MemoryLetters {
    /// Letters of a kind.
    pub fn of(&self, kind: &str) -> Vec<DeadLetter> {
        self.letters.lock().unwrap().values().filter(|l| l.kind == kind).cloned().collect()
    }
}

/// A process's view of them.
pub struct SteppedLetters {
    pub inner: Arc<MemoryLetters>,
    pub steps: Arc<Steps>,
}

impl DeadLetterWriter for SteppedLetters {
    fn put(&self, letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.steps.step().await;
            {
                let mut fail = self.inner.fail.lock().unwrap();
                if *fail > 0 {
                    *fail -= 1;
                    return Err(Error::new(Code::DeadLetterFailed, "the folder cannot be written"));
                }
            }
            self.inner.letters.lock().unwrap().insert(letter.name.clone(), letter);
            self.steps.step().await;
            Ok(())
        })
    }
}
