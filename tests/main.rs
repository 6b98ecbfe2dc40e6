//! The one integration-test binary: everything that needs more than one room.

mod support;
