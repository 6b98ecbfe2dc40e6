//! How far a backfill is: the last key up to which everything is final, on disk, so that a run which
//! was interrupted goes on there.
//!
//! Objects are listed in the order of their keys and end in any order, so that key moves only over an
//! unbroken row of ends. What lies after it is done again: at least once, as everywhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::plan::Span;
use crate::error::{Code, Error};
use crate::jobs::job_queue::{Progress, Work};

/// The file is written each time so many objects more are final, and at the end.
const EVERY: u32 = 50;

/// What an earlier run noted; without a file nothing is noted.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    path: Option<PathBuf>,
    /// What the file is about: it is of no use for another range.
    about: Value,
    after: Option<String>,
}

impl Resume {
    /// Reads `path`, if it is there; later notes go to it.
    ///
    /// # Errors
    /// It cannot be read, or is about something else than `span`.
    pub fn open(path: Option<PathBuf>, span: &Span) -> Result<Self, Error> {
        let text = |time: time::OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        let about = json!({
            "bucket": span.bucket, "prefix": span.prefix, "accounts": span.accounts,
            "regions": span.regions, "since": text(span.since), "until": text(span.until),
        });
        let Some(path) = path else { return Ok(Self { path, about, after: None }) };
        let after = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text, &about)
                .map_err(|what| failed(&path, &format!("{what}; remove it to begin anew")))?,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(failed(&path, &cause.to_string())),
        };
        Ok(Self { path: Some(path), about, after })
    }

    /// The last key up to which everything was final.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Beside and renamed: a crash leaves the old note or the new one.
    fn write(&self) -> Result<(), Error> {
        let (Some(path), Some(after)) = (&self.path, &self.after) else { return Ok(()) };
        let text = json!({"backfill": self.about, "after": after}).to_string();
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        std::fs::write(&beside, text + "\n")
            .and_then(|()| std::fs::rename(&beside, path))
            .map_err(|cause| failed(path, &cause.to_string()))
    }
}

fn read(text: &str, about: &Value) -> Result<Option<String>, &'static str> {
    let noted: Value = serde_json::from_str(text).map_err(|_| "it is no note of a backfill")?;
    if noted["backfill"] != *about {
        return Err("it is about another backfill");
    }
    Ok(noted["after"].as_str().map(str::to_owned))
}

fn failed(path: &std::path::Path, cause: &str) -> Error {
    Error::new(Code::ResumeFile, format!("the resume file {}: {cause}", path.display()))
}

/// What is listed and what of it has ended.
pub(super) struct Notes {
    inner: Mutex<Inner>,
    tick: Box<dyn Fn() + Send + Sync>,
}

struct Inner {
    resume: Resume,
    /// Listed and not passed by `resume.after` yet: whether it has ended.
    row: BTreeMap<String, bool>,
    /// Something was given up: nothing behind it is noted any more.
    broken: bool,
    unwritten: u32,
}

impl Notes {
    pub(super) fn new(resume: Resume, tick: Box<dyn Fn() + Send + Sync>) -> Self {
        let inner = Inner { resume, row: BTreeMap::new(), broken: false, unwritten: 0 };
        Self { inner: Mutex::new(inner), tick }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn after(&self) -> Option<String> {
        self.inner().resume.after.clone()
    }

    /// Notes that `key` is about to be worked on.
    pub(super) fn listed(&self, key: &str) {
        let mut inner = self.inner();
        if !inner.broken {
            inner.row.insert(key.to_owned(), false);
        }
    }

    /// Notes that `key` is final.
    pub(super) fn done(&self, key: &str) {
        (self.tick)();
        let mut inner = self.inner();
        if let Some(ended) = inner.row.get_mut(key) {
            *ended = true;
        }
        while let Some(first) = inner.row.first_entry().filter(|first| *first.get()) {
            inner.resume.after = Some(first.remove_entry().0);
            inner.unwritten += 1;
        }
        if inner.unwritten >= EVERY {
            inner.unwritten = 0;
            if let Err(error) = inner.resume.write() {
                tracing::warn!(code = error.code.as_str(), "{error}");
            }
        }
    }

    /// Writes what is not written yet.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.inner().resume.write()
    }
}

impl Progress for Notes {
    fn done<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), Error>> {
        Self::done(self, &work.place);
        Box::pin(async { Ok(()) })
    }

    fn kept(&self, work: &Work) {
        (self.tick)();
        tracing::error!(key = %crate::telemetry::escape(&work.place), "not final; run the backfill again");
        let mut inner = self.inner();
        // The row up to the first gap stays as it was noted; the rest would only grow.
        inner.broken = true;
        inner.row.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(key: &str) -> Work {
        Work { id: key.into(), body: String::new(), place: key.into() }
    }

    fn notes() -> Notes {
        let notes = Notes::new(Resume::default(), Box::new(|| ()));
        for key in ["a", "b", "c", "d"] {
            notes.listed(key);
        }
        notes
    }

    #[test]
    fn only_an_unbroken_row_of_ends_is_noted() {
        let notes = notes();
        notes.done("b");
        assert_eq!(notes.after(), None);
        notes.done("a");
        assert_eq!(notes.after().as_deref(), Some("b"));
        notes.done("d");
        assert_eq!(notes.after().as_deref(), Some("b"));
    }

    #[test]
    fn nothing_behind_what_was_given_up_is_noted() {
        let notes = notes();
        notes.done("a");
        notes.kept(&work("b"));
        notes.listed("e");
        for key in ["c", "d", "e"] {
            notes.done(key);
        }
        assert_eq!(notes.after().as_deref(), Some("a"));
    }
}
