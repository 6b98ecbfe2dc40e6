//! The fast lane: a record that its message carries itself, seconds after the call. It passes the same
//! checks, selection, ledger and sinks as a record of a file; when the file comes, the ledger knows it.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::error::{Code, Disposition, Error};
use crate::pipeline::context::Wire;
use crate::pipeline::dispatch::{self, Batch, Carrier};
use crate::pipeline::message::Place;
use crate::pipeline::record_counts::Account;
use crate::telemetry::escape;

/// Takes `record` to the outcomes of its sinks.
///
/// # Errors
/// Poison: a record over the limits, or none at all. The message is its only copy.
pub(super) async fn process(
    wire: &Arc<Wire>,
    record: &RawValue,
    carrier: Carrier<'_>,
    place: &mut Place,
) -> Result<Disposition, Error> {
    let size = record.get().len() as u64;
    let Some(mut reservation) = wire.gates.reserve(Some(size), false).await else {
        return Ok(Disposition::Retry(Error::new(Code::Stopping, "the memory gate is closed")));
    };
    let (tally, found) = wire.stage.read_inline(record.get()).map_err(|damage| {
        Error::new(damage.code(), format!("the inline record: {}", escape(&damage.to_string())))
    })?;
    reservation.shrink(if found.is_empty() { 0 } else { record.get().len() });
    place.leave_work();
    let mut account = Account::default();
    account.read(&tally);
    let batch = Batch { found, delivered: None, file_sha256: None, carrier };
    let handed = dispatch::hand_over(wire, batch, place.keep(reservation), &mut account).await;
    account.commit(wire, carrier.lane());
    Ok(handed.outcomes(wire, place).await)
}
