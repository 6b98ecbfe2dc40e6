//! All that commands print. Nothing else prints: `println!` and `eprintln!` panic if the stream is
//! closed or full.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::escape::escape;

/// Prints data on stdout and returns the exit code.
pub(super) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed_code(printed)
}

/// Returns the exit code after printing on stdout. A reader that closes the pipe early (head, less)
/// is no failure.
pub(super) fn printed_code(printed: io::Result<()>) -> ExitCode {
    match printed {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            print_error(&format!("stdout: {cause}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints every line of `text` on stderr, escaped.
pub(super) fn print_lines(text: &impl Display) {
    text.to_string().lines().for_each(|line| print_line(&line));
}

/// Prints an error as one line on stderr, escaped.
pub(super) fn print_error(error: &impl Display) {
    print_line(&format_args!("error: {error}"));
}

/// Prints a warning as one line on stderr, escaped.
pub(super) fn print_warning(warning: &impl Display) {
    print_line(&format_args!("warning: {warning}"));
}

/// Prints `text` as one line on stderr, with characters that control a terminal escaped.
pub(super) fn print_line(text: &impl Display) {
    print_stderr(&format!("{}\n", escape(&text.to_string())));
}

/// Prints text for people on stderr. If nobody can read it, the command goes on: its data and its
/// exit code do not depend on it.
pub(super) fn print_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Creates a progress bar on stderr, hidden unless stderr is a terminal.
pub(super) fn progress_bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
