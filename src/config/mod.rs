//! What the operator may configure: as written → checked. Code that has a [`Config`] checks nothing
//! again.
//!
//! The text is parsed into a spanned TOML tree and walked. *All* errors are collected, each with
//! its line, a caret and, for a misspelt name, a "did you mean". `settings.rs` describes every
//! setting once: its default, range and documentation.

mod accounts;
mod choices;
mod diagnostic;
mod groups;
mod kafka;
mod load;
mod location;
mod mapping;
mod read;
mod reader;
mod region;
mod renamed;
mod schema;
mod secret;
mod secrets_in_text;
mod setting;
mod settings;
mod source;
mod summary;
mod types;
mod values;
mod when;

pub(crate) use accounts::{ACCOUNT_LABELS, has_open_quote, span_of};
pub use accounts::{Account, Accounts, Refreshed, TableLocation};
pub use diagnostic::{ConfigError, Diagnostic, Severity};
pub use groups::{AUDIT_TRAIL, GROUPS, Group, IAM_EVENT_SOURCE};
#[cfg(test)]
pub(crate) use groups::{CERTIFICATE_FLAGS, FINDINGS, SEVERITIES};
pub use kafka::{KafkaAuth, KafkaConfig, KafkaKey, RegistryConfig, SubjectName};
pub(crate) use load::MAX_BYTES;
pub use load::{load, parse, parse_fetched, parse_with, walk};
pub use location::ConfigLocation;
pub use mapping::{Mapping, MappingKey, MappingTable};
#[cfg(test)]
pub(crate) use read::kafka::PROPERTIES as KAFKA_PROPERTIES;
pub use reader::{KafkaOption, Keys};
pub(crate) use region::is_in_partition_of;
pub use schema::schema;
pub use secret::{AwsSecret, Secret, Stage, Tls, Version, Versions};
pub use source::{
    Bucket, FaultPolicies, FaultPolicy, KeyFilter, KeyPattern, Role, SourceConfig, SourceKind,
};
pub use types::*;
pub use values::Lookup;
pub use when::{Condition, Network, Pattern, When};
