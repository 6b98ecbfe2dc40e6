//! The stdout sink: one event a line, for pipes and for looking at. Standard output carries nothing else.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::lines::{BOUNDS, Lines, WriteLines};
use super::{Built, Stop, handle};
use crate::config::{SinkConfig, StdoutConfig};
use crate::error::{Code, Error};
use crate::telemetry::Metrics;

/// Makes the sink.
pub(super) fn build(
    config: &SinkConfig,
    _own: &StdoutConfig,
    metrics: &Arc<Metrics>,
    stop: Stop,
) -> Built {
    let closed = CancellationToken::new();
    let lines = Lines {
        name: config.name.clone(),
        format: config.format,
        render: crate::format::render,
        metrics: metrics.clone(),
        writer: Arc::new(Mutex::new(Stream { out: io::stdout(), closed: closed.clone() })),
    };
    let mut built = handle::start(config, lines, BOUNDS, metrics, stop);
    if built.required {
        let (driver, sink) = (built.driver, config.name.clone());
        built.driver = Box::pin(async move {
            // A pipe never gets another reader: without one there is nothing to wait for.
            if closed.run_until_cancelled(driver).await.is_none() {
                tracing::error!(sink, code = "stdout_closed", "{CLOSED}");
            }
        });
    }
    built
}

const CLOSED: &str =
    "standard output was closed by its reader, so nothing more can be delivered there";

/// A stream that cannot be taken back from: after a failure a reader may see a line twice.
struct Stream<W> {
    out: W,
    /// Said when nobody reads it any more.
    closed: CancellationToken,
}

impl WriteLines for Stream<io::Stdout> {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Error> {
        // Locked for the whole batch, so that two such sinks never mix their lines.
        let written = write_stream(&mut self.out.lock(), lines);
        if written.as_ref().is_err_and(|error| error.code == Code::StdoutClosed) {
            self.closed.cancel();
        }
        written
    }
}

fn write_stream(stream: &mut impl Write, lines: &[u8]) -> Result<(), Error> {
    stream.write_all(lines).and_then(|()| stream.flush()).map_err(|fault| match fault.kind() {
        io::ErrorKind::BrokenPipe => Error::new(Code::StdoutClosed, CLOSED),
        _ => Error::new(Code::StdoutFailed, format!("cannot write to standard output: {fault}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails with this kind.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_told_apart_from_other_faults() {
        let code = |kind| write_stream(&mut Broken(kind), b"x\n").unwrap_err().code;
        assert_eq!(code(io::ErrorKind::BrokenPipe), Code::StdoutClosed);
        assert_eq!(code(io::ErrorKind::StorageFull), Code::StdoutFailed);
        assert_eq!(write_stream(&mut Vec::new(), b"x\n"), Ok(()));
    }
}
