//! Dead letters in memory, by their deterministic names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use certrelay::error::{Code, Error};
use certrelay::pipeline::{DeadLetter, DeadLetterWriter};
use futures_util::future::BoxFuture;

use super::Steps;

/// What all processes of a world share.
#[derive(Default)]
pub struct MemoryDeadLetters {
    pub written: Mutex<BTreeMap<String, DeadLetter>>,
    /// How many writes fail, as when the bucket cannot be written.
    pub fail: Mutex<u32>,
}

impl MemoryDeadLetters {
    /// Returns the dead letters of a kind.
    pub fn of(&self, kind: &str) -> Vec<DeadLetter> {
        self.written.lock().unwrap().values().filter(|one| one.kind == kind).cloned().collect()
    }
}

/// A process's view of them.
pub struct SteppedDeadLetters {
    pub inner: Arc<MemoryDeadLetters>,
    pub steps: Arc<Steps>,
}

impl DeadLetterWriter for SteppedDeadLetters {
    fn put(&self, dead_letter: DeadLetter) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.steps.step().await;
            {
                let mut fail = self.inner.fail.lock().unwrap();
                if *fail > 0 {
                    *fail -= 1;
                    return Err(Error::new(Code::DeadLetterFailed, "the folder cannot be written"));
                }
            }
            self.inner.written.lock().unwrap().insert(dead_letter.name.clone(), dead_letter);
            self.steps.step().await;
            Ok(())
        })
    }
}
