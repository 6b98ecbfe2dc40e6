//! What the decoder knows of the configuration.

#[path = "../../src/config/groups.rs"]
mod groups;
#[path = "../../src/config/when.rs"]
mod when;

pub(crate) use groups::GROUPS;
pub(crate) use when::Pattern;

/// `certrelay::config::Decode`: that it is the same, the compiler sees.
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

/// `certrelay::config::EventRule`, likewise.
#[derive(Debug, Clone)]
pub(crate) struct EventRule {
    pub(crate) source: String,
    pub(crate) name: Pattern,
}
