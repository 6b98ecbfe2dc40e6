//! Errors and warnings as people read them: location, line, a caret under the exact span, "did you
//! mean".
//!
//! A quoted line never shows a secret: what may be one is masked before the line is quoted, and
//! texts never contain values of the file. That is why [`Diagnostic`]s are made only here.

use std::fmt;
use std::ops::Range;

use strsim::damerau_levenshtein;

/// Longest quoted part of a line, in characters: a line of a megabyte stays readable.
const MAX_QUOTED: usize = 120;

/// Replaces a secret. Always as long, so that it does not reveal the secret's length.
const MASK: &str = "********";

/// Whether a [`Diagnostic`] prevents the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It must be corrected.
    Error,
    /// It works and should be reviewed.
    Warning,
}

/// One error or warning, with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it must be corrected.
    pub severity: Severity,
    /// The file, `env:NAME` or `s3://…`.
    pub location: String,
    /// 1-based line; 0 if something is absent.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub text: String,
    /// The line, secrets masked and comment removed, and the columns to underline in it.
    quote: Option<(String, Range<usize>)>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: {}", self.text)?;
        if let Some((quoted, carets)) = &self.quote {
            let gutter = self.line.to_string();
            let blank = " ".repeat(gutter.len());
            let before = " ".repeat(carets.start);
            let under = "^".repeat(carets.len().max(1));
            write!(f, "\n {blank} |\n {gutter} | {quoted}\n {blank} | {before}{under}")?;
        }
        Ok(())
    }
}

/// Every error and warning of a configuration, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, `env:NAME` or `s3://…`.
    pub location: String,
    /// At least one error.
    pub diagnostics: Vec<Diagnostic>,
}

impl ConfigError {
    /// Returns the one error that kept the configuration from being read at all.
    #[must_use]
    pub fn unreadable(location: &str, text: String) -> Self {
        let diagnostic = Source::new(location, "").diagnostic(Severity::Error, 0..0, text);
        Self { location: location.to_owned(), diagnostics: vec![diagnostic] }
    }
}

impl fmt::Display for ConfigError {
    /// Writes each diagnostic with its line, and how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{diagnostic}\n")?;
        }
        let errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
        let warnings = self.diagnostics.len() - errors;
        write!(f, "{}: {}", self.location, counted(errors, "error"))?;
        if warnings > 0 { write!(f, ", {}", counted(warnings, "warning")) } else { Ok(()) }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The text of a configuration, with what must not be quoted from it.
#[derive(Debug)]
pub(super) struct Source<'t> {
    location: &'t str,
    text: &'t str,
    masked: Vec<Range<usize>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(location: &'t str, text: &'t str) -> Self {
        Self { location, text, masked: Vec::new() }
    }

    /// Excludes these bytes from every quote.
    pub(super) fn mask(&mut self, span: Range<usize>) {
        self.masked.push(span);
    }

    /// Returns a diagnostic at these bytes; an empty span at 0 is an absence, which has no line.
    pub(super) fn diagnostic(
        &self,
        severity: Severity,
        span: Range<usize>,
        text: String,
    ) -> Diagnostic {
        let location = self.location.to_owned();
        if span == (0..0) {
            return Diagnostic { severity, location, line: 0, column: 0, text, quote: None };
        }
        let start = self.boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[..line_start].matches('\n').count() + 1;
        let column = self.text[line_start..start].chars().count() + 1;
        let quote = Some(self.quote(line_start, span));
        Diagnostic { severity, location, line, column, text, quote }
    }

    /// Returns the line that starts here as it may be shown, and the columns of `span` in it.
    fn quote(&self, line_start: usize, span: Range<usize>) -> (String, Range<usize>) {
        let line = self.text[line_start..].lines().next().unwrap_or("");
        let shown = &line[..comment_start(line)];
        let mut out: Vec<char> = Vec::new();
        let mut carets = 0..0;
        let mut open_mask: Option<&Range<usize>> = None;
        for (at, letter) in shown.char_indices() {
            let at = line_start + at;
            if at <= span.start {
                carets.start = out.len();
            }
            let mask = self.masked.iter().find(|mask| mask.contains(&at));
            match mask {
                Some(mask) if open_mask == Some(mask) => {}
                Some(_) => out.extend(MASK.chars()),
                None if letter.is_control() => out.push(' '),
                None => out.push(letter),
            }
            open_mask = mask;
            if at < span.end {
                carets.end = out.len();
            }
        }
        if span.start >= line_start + shown.len() {
            carets = out.len()..out.len() + 1;
        }
        cut(out, carets)
    }

    /// Returns `at`, or the nearest byte before it where a character starts.
    fn boundary(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0)
    }
}

/// Returns where the comment of a line starts; comments may contain what someone did not want to
/// delete.
fn comment_start(line: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') => return line[..at].trim_end().len(),
            (None, '"' | '\'') => quote = Some(letter),
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), close) if open == close && !escaped => quote = None,
            _ => {}
        }
        escaped = false;
    }
    line.trim_end().len()
}

/// Returns the part of a long line around its carets.
fn cut(line: Vec<char>, carets: Range<usize>) -> (String, Range<usize>) {
    if line.len() <= MAX_QUOTED {
        return (line.into_iter().collect(), carets);
    }
    let from = carets.start.saturating_sub(MAX_QUOTED / 2);
    let to = (from + MAX_QUOTED).min(line.len());
    let lead = if from > 0 { "…" } else { "" };
    let tail = if to < line.len() { "…" } else { "" };
    let middle: String = line[from..to].iter().collect();
    let shift = |column: usize| column.min(to + 1) - from + usize::from(from > 0);
    (format!("{lead}{middle}{tail}"), shift(carets.start)..shift(carets.end))
}

/// Returns `; did you mean `x`?`, or nothing if no known name is near.
pub(super) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Returns the known name with the fewest edits from `name`: at most one edit in three letters, or
/// the rest of a word.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| {
            let is_start = candidate.starts_with(&lower) || lower.starts_with(candidate);
            *edits <= (candidate.len() / 3).max(1)
                || is_start && candidate.len().min(lower.len()) >= 4
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_found_and_a_foreign_one_is_not() {
        let known = ["strict", "refresh", "hash"];
        assert_eq!(nearest("stritc", known), Some("strict"));
        assert_eq!(nearest("Refresch", known), Some("refresh"));
        assert_eq!(nearest("bucket", known), None);
        assert_eq!(nearest("refr", known), Some("refresh"));
        assert_eq!(nearest("hashing-of-all", known), Some("hash"));
        assert_eq!(did_you_mean("hsh", known), "; did you mean `hash`?");
        assert_eq!(did_you_mean("zzz", known), "");
    }
}
