//! The one integration-test binary: everything that needs more than one room.

mod conformance;
mod real_smoke;
mod standins;
#[expect(unreachable_pub, reason = "pub is for the tests beside it")]
mod support;
