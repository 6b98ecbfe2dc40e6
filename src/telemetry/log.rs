//! The log: set up once, on stderr, because stdout carries data only.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;
use crate::error::{Code, Error};

/// Starts logging; the first line says which version it is that logs.
///
/// # Errors
/// The filter in `[log] level` cannot be read, or a logger is set already.
pub fn init(config: &LogConfig) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|cause| Error::new(Code::LogLevel, format!("[log] level: {cause}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if config.json {
        // Every line lists its spans, so that a field has one path: `spans.0.message_id`, `spans.1.key`.
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        let colours = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|off| off.is_empty());
        builder.with_ansi(colours).with_target(false).try_init()
    };
    started
        .map_err(|cause| Error::new(Code::LogStart, format!("the log cannot start: {cause}")))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "certrelay starts");
    Ok(())
}

/// `value` with control, ANSI and bidirectional characters written as `\u{…}`: keys and bodies are
/// other people's text and must not move the cursor or reverse a line of ours.
#[must_use]
pub fn escape(value: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    for c in value.chars() {
        let hidden = matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || hidden {
            let _ = write!(shown, "\\u{{{:x}}}", c as u32);
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_could_forge_a_log_line_is_shown_escaped() {
        assert_eq!(escape("a\nb\x1b[2J\u{202e}c"), "a\\u{a}b\\u{1b}[2J\\u{202e}c");
        assert_eq!(escape("AWSLogs/é+ü 1"), "AWSLogs/é+ü 1");
    }
}
