//! The stand-ins themselves are tested: a fake that is too kind proves nothing about a consumer.

mod conversations;
mod core;
mod leash;
mod memory;
pub(crate) mod program;
