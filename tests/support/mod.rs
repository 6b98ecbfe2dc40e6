//! Honest fakes and stand-ins: what certrelay is tested, shown and measured against.
//!
//! One queue core serves both the simulation in memory and the SQS endpoint over HTTP; the S3
//! stand-in sends its notifications into it. None of that needs anything but this machine. [`real`]
//! starts real servers where `tests/real/setup` could fetch them.

pub mod clients;
pub mod clock;
pub mod hec;
pub mod leash;
pub mod memory_queue;
pub mod queue_core;
pub mod real;
pub mod registry;
pub mod s3;
pub mod samples;
pub mod sqs;
pub mod sqs_http;
pub mod tier;
pub mod wait;
pub mod world;
