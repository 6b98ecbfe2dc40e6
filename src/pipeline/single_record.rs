//! A record that comes without its file: in an EventBridge event, seconds after the call, or in a
//! dead letter. It passes the same checks, selection, dedup cache and sinks as a record of a file;
//! when the file of an EventBridge event arrives, the dedup cache already has the event.

use crate::error::{Disposition, Error};
use crate::pipeline::dispatch::{Batch, MessageDeliveries};
use crate::pipeline::limits::MessagePermits;
use crate::pipeline::object::ObjectProcessor;
use crate::pipeline::records::{RecordCounts, RecordSource};

/// A record, and its position in its file.
pub(super) struct SingleRecord<'o> {
    pub(super) text: &'o str,
    pub(super) source: RecordSource<'o>,
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) file_sha256: Option<String>,
}

impl<'o> SingleRecord<'o> {
    pub(super) fn new(text: &'o str, source: RecordSource<'o>) -> Self {
        Self { text, source, index: 0, offset: 0, file_sha256: None }
    }
}

/// Processes `record` until every required sink has an outcome.
///
/// # Errors
/// Poison: a record over the limits, or no record.
pub(super) async fn process(
    processor: &ObjectProcessor,
    record: SingleRecord<'_>,
    permits: &mut MessagePermits,
    deliveries: &mut MessageDeliveries,
) -> Result<Disposition, Error> {
    let SingleRecord { text, source, index, offset, file_sha256 } = record;
    let dispatcher = &processor.dispatcher;
    let mut memory = match permits.reserve(Some(text.len() as u64), false).await {
        Ok(memory) => memory,
        Err(error) => return Ok(Disposition::Retry(error)),
    };
    let decoded = processor.decode.decode_record(text, index, offset);
    let (stats, records) =
        decoded.map_err(|error| Error::new(error.code(), format!("invalid record: {error}")))?;
    memory.shrink_to_records(if records.is_empty() { 0 } else { text.len() });
    permits.stop_processing();
    let mut counts = RecordCounts::default();
    counts.decoded(&stats);
    let batch = Batch { records, delivered: None, file_sha256, source };
    let permits = permits.for_delivery(memory);
    let dispatched = dispatcher.dispatch(batch, permits, &mut counts).await;
    counts.commit(&dispatcher.metrics, source.channel());
    Ok(dispatched.outcomes(dispatcher, deliveries).await)
}
