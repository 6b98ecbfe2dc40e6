//! The stdout sink: one event a line, for pipes and terminals. Standard output carries nothing
//! else.

use std::io::{self, IsTerminal as _, Write};

use tokio_util::sync::CancellationToken;

use super::lines::{self, WriteLines};
use super::types::{BuildContext, Built, SinkType};
use crate::config::StdoutConfig;
use crate::error::{Code, Error};

impl SinkType for StdoutConfig {
    fn build(&self, context: BuildContext<'_>) -> Result<Built, Error> {
        let closed = CancellationToken::new();
        let stream = Stream { out: io::stdout(), closed: closed.clone() };
        let render = match io::stdout().is_terminal() {
            true => crate::format::render_for_terminal,
            false => crate::format::render,
        };
        let mut built = lines::start(context, stream, render);
        if built.required {
            let (driver, sink) = (built.driver, built.name.clone());
            built.driver = Box::pin(async move {
                // A pipe never gets another reader: without one the process can only end.
                if closed.run_until_cancelled(driver).await.is_none() {
                    let code = Code::StdoutClosed.as_str();
                    tracing::error!(sink, code, "standard output was closed by its reader");
                }
            });
        }
        Ok(built)
    }
}

/// A stream that cannot be truncated: after a failure a reader may see a line twice.
struct Stream<W> {
    out: W,
    /// Cancelled when the reader has closed the stream.
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
    stream.write_all(lines).and_then(|()| stream.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => {
            Error::caused(Code::StdoutClosed, "standard output was closed by its reader", error)
        }
        _ => Error::caused(Code::StdoutFailed, "cannot write to standard output", error),
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
    fn a_closed_pipe_has_its_own_code() {
        let code = |kind| write_stream(&mut Broken(kind), b"x\n").unwrap_err().code;
        assert_eq!(code(io::ErrorKind::BrokenPipe), Code::StdoutClosed);
        assert_eq!(code(io::ErrorKind::StorageFull), Code::StdoutFailed);
        assert_eq!(write_stream(&mut Vec::new(), b"x\n"), Ok(()));
    }
}
