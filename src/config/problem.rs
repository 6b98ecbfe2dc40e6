//! Mistakes and warnings as people read them: the place, the line, a caret under the exact span.
//!
//! A quoted line never shows a secret: what may be one is masked before the line is quoted, and
//! texts are written without values of the file. That is why [`Problem`]s are only made here.

use std::fmt;
use std::ops::Range;

/// Longest quoted part of a line, in characters: a line of a megabyte stays readable.
const MAX_QUOTED: usize = 120;

/// What stands where a secret stood. Always as long, so that not even a length is told.
const MASK: &str = "********";

/// Whether a [`Problem`] keeps certrelay from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It must be corrected.
    Mistake,
    /// It works and should be looked at.
    Warning,
}

/// One mistake or warning, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it must be corrected.
    pub severity: Severity,
    /// The file, `env:NAME`, `s3://…` or `ssm:…`.
    pub place: String,
    /// 1-based line; 0 where the mistake is an absence.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub text: String,
    /// The line, secrets masked and comment removed, and the columns to underline in it.
    quote: Option<(String, Range<usize>)>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        let severity = match self.severity {
            Severity::Mistake => "mistake",
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

/// Every mistake of a configuration, in the order of its lines; warnings stand among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, `env:NAME`, `s3://…` or `ssm:…`.
    pub place: String,
    /// At least one mistake.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// The one mistake that kept the configuration from being read at all.
    #[must_use]
    pub fn unreadable(place: &str, text: String) -> Self {
        let problem = Source::new(place, "").problem(Severity::Mistake, 0..0, text);
        Self { place: place.to_owned(), problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    /// Everything: each problem with its line, and how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}\n")?;
        }
        let mistakes = self.problems.iter().filter(|p| p.severity == Severity::Mistake).count();
        let warnings = self.problems.len() - mistakes;
        write!(f, "{}: {}", self.place, counted(mistakes, "mistake"))?;
        if warnings > 0 { write!(f, ", {}", counted(warnings, "warning")) } else { Ok(()) }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The text of a configuration, with what must not be quoted from it.
#[derive(Debug)]
pub(super) struct Source<'t> {
    place: &'t str,
    text: &'t str,
    masked: Vec<Range<usize>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(place: &'t str, text: &'t str) -> Self {
        Self { place, text, masked: Vec::new() }
    }

    /// Never quotes these bytes.
    pub(super) fn mask(&mut self, span: Range<usize>) {
        self.masked.push(span);
    }

    /// A problem at these bytes; an empty span at 0 is an absence, which has no line.
    pub(super) fn problem(&self, severity: Severity, span: Range<usize>, text: String) -> Problem {
        let place = self.place.to_owned();
        if span == (0..0) {
            return Problem { severity, place, line: 0, column: 0, text, quote: None };
        }
        let start = self.boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[..line_start].matches('\n').count() + 1;
        let column = self.text[line_start..start].chars().count() + 1;
        let quote = Some(self.quote(line_start, span));
        Problem { severity, place, line, column, text, quote }
    }

    /// The line that starts here as it may be shown, and the columns of `span` in it.
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

    /// `at`, or the nearest place before it where a character starts.
    fn boundary(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0)
    }
}

/// Where the comment of a line starts; comments may hold what someone did not want to delete.
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

/// The part of a long line around its carets.
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
