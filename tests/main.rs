//! The one integration-test binary: everything that needs more than one room.

mod aws_environment;
mod backfill;
mod canary;
mod cli;
mod config;
mod conformance;
mod decode;
mod deploy;
mod e2e;
mod event_actors;
mod event_advice;
mod event_context;
mod event_explain;
mod event_fixtures;
mod event_golden;
mod event_openssl;
mod event_properties;
mod event_remedies;
mod event_samples;
mod event_semantics;
mod event_stories;
mod event_trail;
mod event_validators;
mod first_run;
mod first_signs;
mod fuzzing;
mod letters;
mod pipeline;
mod pipeline_lanes;
mod poisoned;
mod readme;
mod real_smoke;
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
#[expect(unreachable_pub, reason = "pub is for the tests beside it")]
mod support;
