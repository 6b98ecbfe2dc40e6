//! The one integration-test binary: everything that needs more than one module.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a test prints, its runner captures"
)]

mod aws_environment;
mod backfill;
mod canary;
mod cli;
mod config;
mod conformance;
mod decode;
mod deploy;
mod e2e;
mod error {
    //! Lets files of `src/` that are compiled into this binary find the error type.
    pub(crate) use certrelay::error::*;
}
mod event_actors;
mod event_advice;
mod event_context;
mod event_docs;
mod event_explain;
mod event_fixtures;
mod event_formats;
mod event_golden;
mod event_ocsf;
mod event_openssl;
mod event_properties;
mod event_remediations;
mod event_samples;
mod event_semantics;
mod event_stories;
mod event_trail;
mod event_validators;
mod first_run;
mod fuzzing;
mod hostile_memory;
mod pipeline;
mod pipeline_channels;
mod poisoned;
mod readme;
mod real_smoke;
mod replay;
mod samples;
mod scan_corpus;
#[expect(unreachable_pub, reason = "pub is for the tests beside it")]
mod service;
mod shutdown;
#[expect(unreachable_pub, reason = "pub is for the tests beside it")]
#[expect(clippy::unwrap_used, reason = "a poisoned lock is a failed test")]
mod sim;
#[expect(clippy::unwrap_used, reason = "a poisoned lock is a failed test")]
mod simulation;
mod sinks;
mod skip;
mod standins;
mod startup_diagnostics;
#[expect(unreachable_pub, reason = "pub is for the tests beside it")]
mod support;
