//! From a checked configuration to a running service: AWS clients, where the configuration is, secrets,
//! enrichment, probes and checks.

mod access_check;
mod aws;
mod build;
mod configuration;
mod enrichment;
mod queue_check;
mod secrets;
mod secrets_manager;
mod sink_probe;
mod text;

pub use access_check::places;
pub use build::{build, sink_credentials, sources};
pub(crate) use build::{own_store, queue_and_store};
pub use configuration::configuration;
pub use enrichment::{Enrichment, Unusable};
pub use secrets::secrets;
pub use secrets_manager::SecretsManager;
