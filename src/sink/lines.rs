//! Sinks that write one event a line to something local: whole batches in one piece, off the runtime.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::Render;
use super::handle::{Bounds, Sent, Transmit};
use crate::config::OutputFormat;
use crate::error::{Code, Error, Outcome};
use crate::event::Event;
use crate::telemetry::{BySink, Metrics};

/// A batch is a call of `write`: one writer, one piece after the other.
pub(super) const BOUNDS: Bounds = Bounds { batch: 1000, parallel: 1, beside: 1, pending: 10_000 };

/// Where lines go. Writes all of `lines` or, as far as it can, nothing.
pub(super) trait WriteLines: Send + 'static {
    /// Appends whole lines.
    ///
    /// # Errors
    /// They are not safe there; they will be written again.
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Error>;
}

/// Renders events to lines for a [`WriteLines`].
pub(super) struct Lines<W> {
    pub(super) name: String,
    pub(super) format: OutputFormat,
    pub(super) render: Render,
    pub(super) metrics: Arc<Metrics>,
    pub(super) writer: Arc<Mutex<W>>,
}

impl<W: WriteLines> Lines<W> {
    async fn write(&self, events: &[Arc<Event>]) -> Result<(), Error> {
        let mut lines = Vec::with_capacity(events.len() * 1024);
        for event in events {
            self.render_line(event, &mut lines);
        }
        let bytes = lines.len() as u64;
        let writer = self.writer.clone();
        let written = tokio::task::spawn_blocking(move || {
            writer.lock().unwrap_or_else(PoisonError::into_inner).write_lines(&lines)
        });
        written.await.map_err(|fault| {
            Error::new(Code::SinkInternal, format!("the writer failed: {fault}"))
        })??;
        self.metrics.sink_bytes.get_or_create(&BySink { sink: self.name.clone() }).inc_by(bytes);
        Ok(())
    }

    /// One event, one line: a record that CloudTrail wrote over several lines is put on one. Between
    /// the tokens of JSON a line end is white space, and inside a string it cannot stand.
    fn render_line(&self, event: &Event, lines: &mut Vec<u8>) {
        let start = lines.len();
        (self.render)(event, self.format, lines);
        for byte in &mut lines[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        lines.push(b'\n');
    }
}

impl<W: WriteLines> Transmit for Lines<W> {
    fn send(&self, events: Vec<Arc<Event>>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            let outcome = match self.write(&events).await {
                Ok(()) => Outcome::Delivered,
                Err(error) => Outcome::Retry(error),
            };
            Sent::new(vec![outcome; events.len()])
        })
    }
}
