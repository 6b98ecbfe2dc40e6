//! The parts of the configuration that the decoder uses.

#[path = "../../src/config/groups.rs"]
mod groups;
#[path = "../../src/config/when.rs"]
mod when;

/// Where `groups.rs` imports it from.
mod types {
    pub(super) use super::EventRule;
}

pub(crate) use groups::GROUPS;
pub(crate) use when::Pattern;

/// As `certrelay::config::Decode`; the compiler checks that it has the same fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decode {
    pub(crate) max_decompressed: u64,
    pub(crate) max_record: u64,
    pub(crate) max_records: u64,
    pub(crate) max_nesting: u32,
    pub(crate) max_ratio: u64,
    pub(crate) strict: bool,
    pub(crate) hash: bool,
}

/// As `certrelay::config::EventRule`.
#[derive(Debug, Clone)]
pub(crate) struct EventRule {
    pub(crate) source: String,
    pub(crate) name: Pattern,
}
