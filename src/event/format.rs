//! An event as its readers want it: OCSF, or exactly the record.

use super::Event;
use crate::config::OutputFormat;

/// Appends `event` in `format` to `out`: one JSON object, no line end.
pub fn render(_event: &Event, _format: OutputFormat, _out: &mut Vec<u8>) {
    todo!("event helper")
}
