//! The decoder against what it must never get wrong: other readers of JSON, damage, limits.

mod damage;
pub(crate) mod fuzz;
mod generator;
mod instructions;
mod mutations;
mod oracle;
mod properties;
mod support;

use support::{
    DecodeResult, LIMITS, assert_same, certificates, decode, decode_in_chunks, decoder, gzip, rule,
};

/// How many documents the larger tests make, if somebody asks for more than usual.
fn documents() -> Option<usize> {
    std::env::var("CERTRELAY_DOCUMENTS").ok()?.parse().ok()
}

/// A record that is wanted.
const RECORD: &str = r#"{"eventSource":"iam.amazonaws.com","eventName":"GetServerCertificate"}"#;
