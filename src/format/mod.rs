//! Output formats: OCSF, ECS, CIM and the record itself, each with its JSON Schema.

mod cim;
mod credential_report;
mod ecs;
mod object;
mod ocsf;
mod unmapped;

pub use cim::action as cim_action;
pub use ecs::category as ecs_category;
pub use ocsf::activity as ocsf_activity;

use crate::config::OutputFormat;
use crate::escape::escape_json;
use crate::event::Event;
use crate::event::view::{with_view, write_record};

/// Appends `event` in `format` to `out`: one JSON object, no line end.
///
/// Every format is made from the redacted record. Rendering cannot fail: [`Event::read`] has parsed
/// the record, and absent values are omitted.
pub fn render(event: &Event, format: OutputFormat, out: &mut Vec<u8>) {
    match format {
        OutputFormat::Raw => write_record(event, out),
        OutputFormat::Ocsf => write(&with_view(event, ocsf::object), out),
        OutputFormat::Ecs => write(&with_view(event, ecs::object), out),
        OutputFormat::Cim => write(&with_view(event, cim::object), out),
    }
}

/// As [`render`], for a terminal: the same JSON value, without characters that control one.
pub fn render_for_terminal(event: &Event, format: OutputFormat, out: &mut Vec<u8>) {
    let mut json = Vec::new();
    render(event, format, &mut json);
    out.extend_from_slice(escape_json(&String::from_utf8_lossy(&json)).as_bytes());
}

/// Makes one line of what follows `start` in `out`, and ends it. A record that CloudTrail wrote
/// over several lines is put on one: between the tokens of JSON a line end is white space, and
/// inside a string it cannot occur.
pub(crate) fn end_line(start: usize, out: &mut Vec<u8>) {
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.push(b'\n');
}

/// Writing to memory cannot fail, and the objects have only strings for names.
fn write(object: &serde_json::Value, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, object).is_err() {
        out.truncate(start);
    }
}

/// Returns the JSON Schema of `format`, draft 2020-12. A release adds fields; removing or renaming
/// one, or changing its type, takes another `$id`.
#[must_use]
pub fn schema(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Ocsf => include_str!("schema/ocsf.json"),
        OutputFormat::Ecs => include_str!("schema/ecs.json"),
        OutputFormat::Cim => include_str!("schema/cim.json"),
        OutputFormat::Raw => include_str!("schema/raw.json"),
    }
}
