//! Sinks that write one event a line to a local stream: each batch in one write, off the runtime.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;

use super::driver::{self, BatchLimits, Sent, Transport};
use super::types::{BuildContext, Built, Render};
use crate::config::OutputFormat;
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::BySink;

/// A batch is one call of `write`; one writer, one batch after the other.
const LIMITS: BatchLimits = BatchLimits { batch: 1000, requests: 1, min_batch: 1, pending: 10_000 };

/// Bytes after which a write is full: the rendered form of a batch takes no more, but for its last
/// event.
const MAX_WRITE: usize = 1024 * 1024;

/// A destination of lines. Writes all of `lines` or, as far as it can, nothing.
pub(super) trait WriteLines: Send + 'static {
    /// Appends whole lines.
    ///
    /// # Errors
    /// They are not stored; they will be written again.
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Error>;
}

/// Creates a sink that renders events to lines for `writer`.
pub(super) fn start(context: BuildContext<'_>, writer: impl WriteLines, render: Render) -> Built {
    let BuildContext { config, metrics, .. } = context;
    let bytes = metrics.sink_bytes.get_or_create(&BySink::new(&config.name)).clone();
    let writer = Arc::new(Mutex::new(writer));
    let lines = Lines { format: config.format, render, bytes, writer };
    driver::start(context, lines, LIMITS)
}

struct Lines<W> {
    format: OutputFormat,
    render: Render,
    bytes: Counter,
    writer: Arc<Mutex<W>>,
}

impl<W: WriteLines> Lines<W> {
    /// Renders and writes as many events as fit into one write; returns how many.
    async fn write(&self, events: &[Arc<Event>]) -> Result<usize, Error> {
        let mut lines = Vec::with_capacity(MAX_WRITE.min(events.len() * 1024));
        let mut count = 0;
        while count < events.len() && lines.len() < MAX_WRITE {
            self.render_line(&events[count], &mut lines);
            count += 1;
        }
        let bytes = lines.len() as u64;
        let writer = self.writer.clone();
        let written = tokio::task::spawn_blocking(move || writer.lock().write_lines(&lines)).await;
        written
            .map_err(|panic| Error::caused(Code::SinkInternal, "the writer failed", panic))??;
        self.bytes.inc_by(bytes);
        Ok(count)
    }

    /// Renders one event to one line.
    fn render_line(&self, event: &Event, lines: &mut Vec<u8>) {
        let start = lines.len();
        (self.render)(event, self.format, lines);
        crate::format::end_line(start, lines);
    }
}

impl<W: WriteLines> Transport for Lines<W> {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(events.len());
            while outcomes.len() < events.len() {
                let (outcome, count) = match self.write(&events[outcomes.len()..]).await {
                    Ok(count) => (Outcome::Delivered, outcomes.len() + count),
                    Err(error) => (Outcome::Retry(error), events.len()),
                };
                outcomes.resize(count, outcome);
            }
            Sent::new(outcomes)
        })
    }
}
