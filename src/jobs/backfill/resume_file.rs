//! How far a backfill has come: the last key up to which everything is final, in a file, so that
//! the next run continues there after an interruption.
//!
//! Objects are listed in the order of their keys and complete in any order, so that key moves only
//! over keys that are complete without a gap. What comes after it is processed again: at least
//! once, as everywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::plan::Scope;
use crate::error::{Code, Error};
use crate::jobs::job_queue::{Job, JobHandler};

/// Completed objects after which the file is written again; it is also written at the end.
const WRITE_INTERVAL: u32 = 50;

/// What an earlier run recorded; without a path nothing is recorded.
#[derive(Debug, Clone, Default)]
pub struct ResumeFile {
    path: Option<PathBuf>,
    /// The backfill that the file belongs to: it is of no use for another range.
    scope: Value,
    after: Option<String>,
}

impl ResumeFile {
    /// Reads `path`, if it exists; later progress is written to it.
    ///
    /// # Errors
    /// It cannot be read, or belongs to another backfill than that of `scope`.
    pub fn open(path: Option<PathBuf>, scope: &Scope) -> Result<Self, Error> {
        let text = |time: time::OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        let scope = json!({
            "bucket": scope.bucket, "prefix": scope.prefix, "accounts": scope.accounts,
            "regions": scope.regions, "since": text(scope.since), "until": text(scope.until),
        });
        let Some(path) = path else { return Ok(Self { path, scope, after: None }) };
        let after = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text, &scope)
                .map_err(|what| failed(&path, &format!("{what}; delete it to start over")))?,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(failed(&path, &cause.to_string())),
        };
        Ok(Self { path: Some(path), scope, after })
    }

    /// Returns the last key up to which everything was final.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Writes a new file and renames it, so that a crash leaves the old or the new content.
    fn write(&self) -> Result<(), Error> {
        let (Some(path), Some(after)) = (&self.path, &self.after) else { return Ok(()) };
        let text = json!({"backfill": self.scope, "after": after}).to_string();
        let mut new = path.clone().into_os_string();
        new.push(".new");
        std::fs::write(&new, text + "\n")
            .and_then(|()| std::fs::rename(&new, path))
            .map_err(|cause| failed(path, &cause.to_string()))
    }
}

fn parse(text: &str, scope: &Value) -> Result<Option<String>, &'static str> {
    let file: Value = serde_json::from_str(text).map_err(|_| "it is not a resume file")?;
    if file["backfill"] != *scope {
        return Err("it belongs to another backfill");
    }
    Ok(file["after"].as_str().map(str::to_owned))
}

fn failed(path: &Path, cause: &str) -> Error {
    Error::new(Code::ResumeFile, format!("the resume file {}: {cause}", path.display()))
}

/// Tracks which listed objects are complete, and writes the resume file.
pub(super) struct Progress {
    state: Mutex<State>,
    tick: Box<dyn Fn() + Send + Sync>,
}

struct State {
    resume: ResumeFile,
    /// Keys listed and not passed by `resume.after` yet, and whether each is complete.
    pending: BTreeMap<String, bool>,
    /// An object has failed: no key after it is recorded any more.
    failed: bool,
    unwritten: u32,
}

impl Progress {
    pub(super) fn new(resume: ResumeFile, tick: Box<dyn Fn() + Send + Sync>) -> Self {
        let state = State { resume, pending: BTreeMap::new(), failed: false, unwritten: 0 };
        Self { state: Mutex::new(state), tick }
    }

    pub(super) fn after(&self) -> Option<String> {
        self.state.lock().resume.after.clone()
    }

    /// Records that `key` will be processed.
    pub(super) fn add(&self, key: &str) {
        let mut state = self.state.lock();
        if !state.failed {
            state.pending.insert(key.to_owned(), false);
        }
    }

    /// Records that `key` is final.
    pub(super) fn complete(&self, key: &str) {
        (self.tick)();
        let mut state = self.state.lock();
        if let Some(complete) = state.pending.get_mut(key) {
            *complete = true;
        }
        while let Some(first) = state.pending.first_entry().filter(|first| *first.get()) {
            state.resume.after = Some(first.remove_entry().0);
            state.unwritten += 1;
        }
        if state.unwritten >= WRITE_INTERVAL {
            state.unwritten = 0;
            if let Err(error) = state.resume.write() {
                let code = error.code.as_str();
                tracing::warn!(code, error = error.text, "resume file not written");
            }
        }
    }

    /// Writes what is not written yet.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.state.lock().resume.write()
    }
}

impl JobHandler for Progress {
    fn completed<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), Error>> {
        self.complete(&job.key);
        Box::pin(async { Ok(()) })
    }

    fn failed(&self, job: &Job) {
        (self.tick)();
        tracing::error!(key = job.key, "object not delivered; run the backfill again");
        let mut state = self.state.lock();
        // What was recorded up to the gap stays; the rest would only grow.
        state.failed = true;
        state.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        let progress = Progress::new(ResumeFile::default(), Box::new(|| ()));
        for key in ["a", "b", "c", "d"] {
            progress.add(key);
        }
        progress
    }

    #[test]
    fn only_keys_without_a_gap_are_recorded() {
        let progress = progress();
        progress.complete("b");
        assert_eq!(progress.after(), None);
        progress.complete("a");
        assert_eq!(progress.after().as_deref(), Some("b"));
        progress.complete("d");
        assert_eq!(progress.after().as_deref(), Some("b"));
    }

    #[test]
    fn no_key_after_a_failed_one_is_recorded() {
        let progress = progress();
        progress.complete("a");
        progress.failed(&Job { id: "b".into(), body: String::new(), key: "b".into() });
        progress.add("e");
        for key in ["c", "d", "e"] {
            progress.complete(key);
        }
        assert_eq!(progress.after().as_deref(), Some("a"));
    }
}
