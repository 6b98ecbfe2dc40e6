//! The one integration-test binary.

mod pipeline;
mod shutdown;
mod simulation;
mod standins;
mod support;
