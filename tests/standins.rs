//! Tests of the stand-ins: one that lacks a behaviour of AWS proves nothing about a consumer.

mod conversations;
mod core;
mod memory;
mod process;
pub(crate) mod program;
