//! The JSON Schema of each format: what a consumer may rely on. Additions come with every release;
//! a removal, a new name or another type comes with another `$id`.

use crate::config::OutputFormat;

/// The schema of `format`, JSON Schema draft 2020-12.
#[must_use]
pub fn schema(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Ocsf => include_str!("ocsf.json"),
        OutputFormat::Ecs => include_str!("ecs.json"),
        OutputFormat::Cim => include_str!("cim.json"),
        OutputFormat::Raw => include_str!("raw.json"),
    }
}
