//! From a checked configuration to a running service: AWS clients, the configuration's location,
//! secrets, enrichment, probes and checks.

mod access_check;
mod aws;
mod build;
mod enrichment;
mod fetch_config;
mod queue_check;
mod secrets;
mod sink_probe;

pub(crate) use access_check::check_access;
pub use build::build;
pub(crate) use build::{own_store, queue_and_store, sink_credentials, sources};
pub use enrichment::Enrichment;
pub(crate) use fetch_config::{fetch_config, list_keys, read_text};
pub use secrets::secrets;
