//! `when`: which events a route is for. Data, not code: lists of patterns that must all match.

use std::fmt;

use globset::{Glob, GlobMatcher};

/// One name or glob (`*`, `?`, `[…]`, `{a,b}`) as written.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The glob's own words on what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = Glob::new(text).map_err(|cause| cause.kind().to_string())?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher() })
    }

    /// Whether `value` is one of those meant.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.glob.is_match(value)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one name that is meant, where no part of the pattern stands for anything else.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.text.contains(['*', '?', '[', ']', '{', '}', '\\'])).then_some(&self.text)
    }
}

impl fmt::Debug for Pattern {
    /// As written; the compiled form would fill a page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// The conditions of a route; an empty list asks nothing. The router does the matching.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// `event`: names or globs.
    pub event: Vec<Pattern>,
    /// `outcome`: `success`, `failure`.
    pub outcome: Vec<Pattern>,
    /// `account`: recipient account ids or globs.
    pub account: Vec<Pattern>,
    /// `region`: AWS regions or globs.
    pub region: Vec<Pattern>,
}

impl When {
    /// Whether nothing is asked: every event matches.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        [&self.event, &self.outcome, &self.account, &self.region].iter().all(|list| list.is_empty())
    }
}
