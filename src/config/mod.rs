//! What the operator may say: as written → checked. Once a [`Config`] exists no code re-checks it.
//!
//! The text is parsed into a spanned TOML tree and walked; *all* mistakes are collected, each with
//! its line, a caret and, for a misspelt name, a "did you mean". `${NAME}` and `${NAME:-default}` are
//! expanded in values after parsing, so that no value can change the structure.

mod groups;
mod load;
mod network;
mod read;
mod secret;
mod types;
mod when;

pub use groups::{GROUPS, IAM_EVENT_SOURCE};
pub use load::{ConfigError, Problem, load, parse};
pub use network::Network;
pub use secret::Secret;
pub use types::*;
pub use when::{Pattern, When};
