//! What the operator may say: as written → checked. Once a [`Config`] exists no code re-checks it.
//!
//! The text is parsed into a spanned TOML tree and walked; *all* mistakes are collected, each with
//! its line, a caret and, for a misspelt name, a "did you mean". `${NAME}` and `${NAME:-default}` are
//! expanded in values after parsing, so that no value can change the structure.

mod accounts;
mod aws_secret;
pub mod csv;
mod cursor;
mod dead_letter;
mod defaults;
mod elsewhere;
mod expand;
mod groups;
mod item;
mod kafka;
mod load;
mod mapping;
mod network;
mod problem;
mod read;
mod secret;
mod secrets_in_text;
mod source;
mod suggest;
mod summary;
mod types;
mod units;
mod when;

pub use accounts::{ACCOUNT_LABELS, Account, Accounts, Place, Refreshed};
pub use aws_secret::{AwsSecret, Stage, Version, Versions};
pub use cursor::Keys;
pub use dead_letter::{DeadLetterConfig, DeadLetterLocation};
pub use elsewhere::Elsewhere;
pub use expand::Lookup;
pub use groups::{
    AUDIT_TRAIL, CERTIFICATE_FLAGS, FINDINGS, GROUPS, Group, IAM_EVENT_SOURCE, SEVERITIES,
};
pub use kafka::{KafkaAuth, KafkaConfig, KafkaKey, RegistryConfig, SubjectName};
pub use load::{KafkaOption, MAX_BYTES, load, parse, parse_fetched, parse_with, walk};
pub use mapping::{Mapping, MappingKey, MappingTable};
pub use network::Network;
pub use problem::{ConfigError, Problem, Severity};
pub use secret::Secret;
pub use source::{
    Bucket, FaultPolicies, FaultPolicy, KeyFilter, KeyPattern, Role, SourceConfig, SourceKind,
    iam_region,
};
pub use types::*;
pub use when::{Condition, Pattern, When};

/// The JSON Schema (draft 2020-12) of the configuration, for editors and pipelines. A test holds it to
/// the keys that the reader knows. It says less than the reader does: `check` finds the rest.
#[must_use]
pub fn schema() -> &'static str {
    include_str!("schema.json")
}

/// What to check when AWS gives no credentials. Appended to the errors of AWS clients.
pub(crate) const CREDENTIALS_ADVICE: &str = "; check the task's role (on ECS), AWS_PROFILE or \
     AWS_ACCESS_KEY_ID, and where a `role` is configured its trust policy";

/// Whether this is an account's id: 12 digits.
fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_digit())
}
