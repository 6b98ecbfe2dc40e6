#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod app;
mod aws_error;
pub mod cli;
pub mod cloudtrail;
pub mod config;
pub mod error;
pub mod escape;
pub mod event;
pub mod format;
pub mod jobs;
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
