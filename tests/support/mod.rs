//! Honest fakes and stand-ins: what certrelay is tested, shown and measured against.
//!
//! One queue core serves both the simulation in memory and the SQS endpoint over HTTP; the S3
//! stand-in sends its notifications into it. None of it needs anything but this machine.

pub mod clock;
pub mod memory_queue;
pub mod queue_core;
pub mod s3;
pub mod samples;
pub mod sim;
pub mod sqs;
pub mod sqs_http;
pub mod world;
