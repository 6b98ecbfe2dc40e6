//! A file has one subject, and a function fits on a screen.

use super::tracked::sources;
use super::{Source, assert_none};

/// Without what only tests see.
const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 60;
/// Columns of code (rustfmt) and of comments.
const WIDTH: usize = 100;
/// A test may be a table of cases.
const TEST_FUNCTION_LINES: usize = 100;

/// Lines of a file under `src/` up to its unit tests; all lines of any other file.
fn length(source: &Source) -> usize {
    let tests = source.text.find("\n#[cfg(test)]\nmod tests {");
    let end = tests.filter(|_| source.path.starts_with("src/")).unwrap_or(source.text.len());
    source.text[..end].lines().count()
}

fn file_rule(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| (source, length(source)))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(source, lines)| format!("{}: {lines} lines; split it", source.path))
        .collect()
}

/// Whether a line, without its indentation, opens a function.
fn opens_function(line: &str) -> bool {
    let mut rest = line;
    loop {
        if let Some(after) = rest.strip_prefix("fn ") {
            return after.starts_with(|c: char| c.is_alphabetic() || c == '_');
        }
        let word = rest.split(' ').next().unwrap_or_default();
        let qualifies =
            word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(&word);
        let Some(after) = rest.strip_prefix(word).and_then(|r| r.strip_prefix(' ')) else {
            return false;
        };
        if !qualifies {
            return false;
        }
        rest = after;
    }
}

/// As rustfmt lays it out: a function ends at the first `}` with its own indentation.
fn function_rule(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let is_test = source.path.starts_with("tests/") || source.path.ends_with("/tests.rs");
        let most = if is_test { TEST_FUNCTION_LINES } else { FUNCTION_LINES };
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            if !opens_function(code) || line.ends_with('}') || line.ends_with(';') {
                continue;
            }
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[at..].iter().position(|l| *l == end).map_or(0, |length| length + 1);
            if length > most {
                complaints.push(format!(
                    "{}:{}: a function of {length} lines",
                    source.path,
                    at + 1
                ));
            }
        }
    }
    complaints
}

/// rustfmt leaves comments as they are; URLs and tables cannot be wrapped.
fn comment_rule(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        for (number, line) in source.text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if is_comment
                && line.chars().count() > WIDTH
                && !line.contains("http")
                && !line.contains("| ")
            {
                complaints.push(format!(
                    "{}:{}: a comment over {WIDTH} columns",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    complaints
}

#[test]
fn comments_are_as_wide_as_code() {
    assert_none(&comment_rule(&sources()));
}

#[test]
fn a_wide_comment_is_found() {
    let text = format!("    // {}\n", "x".repeat(WIDTH));
    assert_eq!(comment_rule(&[Source::sample("src/x.rs", &text)]).len(), 1);
    assert_none(&comment_rule(&[Source::sample("src/x.rs", &text[8..])]));
}

#[test]
fn files_have_at_most_600_lines() {
    assert_none(&file_rule(&sources()));
}

#[test]
fn functions_fit_a_screen() {
    assert_none(&function_rule(&sources()));
}

#[test]
fn a_long_file_is_found() {
    let complaints = file_rule(&[Source::sample("src/x.rs", &"//\n".repeat(FILE_LINES + 1))]);
    assert_eq!(complaints.len(), 1);
    assert_none(&file_rule(&[Source::sample("src/x.rs", &"//\n".repeat(FILE_LINES))]));
}

#[test]
fn a_long_function_is_found() {
    for head in ["fn f() {", "pub(crate) async fn f() {", "pub const unsafe fn f() {"] {
        let body = "        work();\n".repeat(FUNCTION_LINES);
        let text = format!("impl X {{\n    {head}\n{body}    }}\n}}\n");
        assert_eq!(function_rule(&[Source::sample("src/x.rs", &text)]).len(), 1, "{head}");
        assert_none(&function_rule(&[Source::sample("tests/x.rs", &text)]));
    }
    let body = "    work();\n".repeat(FUNCTION_LINES - 2);
    let fits = format!("fn f() {{\n{body}}}\nfn g() {{ }}\n");
    assert_none(&function_rule(&[Source::sample("src/x.rs", &fits)]));
}
