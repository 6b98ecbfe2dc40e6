//! The log, on stderr, because stdout carries data only.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;
use crate::error::{Code, Error};

/// Starts logging; the first line has the version.
///
/// # Errors
/// The filter in `[log] level` is invalid, or a logger is set already.
pub fn init(config: &LogConfig) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Error::new(Code::LogLevel, format!("[log] level: {error}")))?;
    // A line that cannot be written is lost: reporting that on stderr would panic.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let builder = builder.with_writer(std::io::stderr);
    let started = if config.json {
        // The list has the fields of every enclosing span; the innermost alone would lack the
        // others.
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        let colours = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|off| off.is_empty());
        builder.with_ansi(colours).with_target(false).try_init()
    };
    started
        .map_err(|error| Error::new(Code::LogStart, format!("cannot start the log: {error}")))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "certrelay starting");
    Ok(())
}
