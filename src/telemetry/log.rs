//! The log, on stderr, because stdout carries data only.

use std::io::{self, IsTerminal as _, Write};
use std::panic;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;
use crate::error::{Code, Error};
use crate::escape::escape_json;

/// Starts logging, of panics too; the first line has the version.
///
/// # Errors
/// The filter in `[log] level` is invalid, or a logger is set already.
pub fn init(config: &LogConfig) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Error::new(Code::LogLevel, format!("[log] level: {error}")))?;
    // A line that cannot be written is lost: reporting that on stderr would panic.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let started = if config.json {
        // The list has the fields of every enclosing span; the innermost alone would lack the
        // others.
        let builder = builder.json().flatten_event(true).with_current_span(false);
        builder.with_writer(|| JsonLines(io::stderr())).try_init()
    } else {
        let colours = io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|off| off.is_empty());
        builder.with_ansi(colours).with_target(false).with_writer(io::stderr).try_init()
    };
    started
        .map_err(|error| Error::new(Code::LogStart, format!("cannot start the log: {error}")))?;
    log_panics();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "certrelay starting");
    Ok(())
}

/// Logs panics, unless errors are not logged: then they are printed.
fn log_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !tracing::enabled!(tracing::Level::ERROR) {
            return print(info);
        }
        let message = info.payload_as_str().unwrap_or_default();
        let location = info.location().map(ToString::to_string);
        tracing::error!(panic = message, location, "panicked");
    }));
}

/// Writes one line of JSON per call, with the characters escaped that JSON allows and a terminal
/// obeys. Lines of text need no such writer: they have strings in Rust's own escaped form.
struct JsonLines<W>(W);

impl<W: Write> Write for JsonLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let json = text.trim_end_matches('\n');
        self.0.write_all(format!("{}\n", escape_json(json)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
#[path = "../../tests/edges/log.rs"]
mod tests;
