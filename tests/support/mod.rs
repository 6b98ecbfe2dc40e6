//! Stand-ins for the services that certrelay talks to, and helpers of the tests, demo and benches.
//!
//! | to … | use |
//! |---|---|
//! | run S3, SQS and a bucket that notifies a queue on loopback | [`aws::AwsStandIns`], with [`clients`] |
//! | run Splunk HEC or a schema registry | [`hec::HecStandIn`], [`registry::Registry`] |
//! | run the pipeline on a paused clock, without HTTP | [`memory_queue::MemoryQueue`] over [`sqs::Sqs`], and `tests/sim` |
//! | inject faults | [`s3::Fault`], [`sqs_http::Fault`] by request; [`queue_core::Faults`] by seed |
//! | make CloudTrail files | [`samples::generate`] |
//! | run moto, Apache Kafka or another real server | [`real`], where `tests/real/setup` installed it; [`tier`] skips |
//! | run a child process that ends with the test | [`process`] |
//! | wait for something to happen in another process | [`wait::until`] |
//!
//! [`queue_core`] is the one model of SQS: both the HTTP endpoint and the simulation use it, and
//! the S3 stand-in sends its notifications to it.

pub mod aws;
pub mod clients;
pub mod clock;
pub mod hec;
pub mod memory_queue;
pub mod process;
pub mod queue_core;
pub mod real;
pub mod registry;
pub mod s3;
pub mod samples;
pub mod sqs;
pub mod sqs_http;
pub mod tier;
pub mod wait;
