#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod cli;
pub mod cloudtrail;
pub mod config;
pub mod event;
pub mod outcome;
pub mod pipeline;
pub mod queue;
pub mod route;
pub mod sink;
pub mod store;
pub mod telemetry;

// Among the unit tests, so that `make quick` builds one test binary.
#[path = "../tests/tidy/mod.rs"]
#[cfg(test)]
mod tidy;
