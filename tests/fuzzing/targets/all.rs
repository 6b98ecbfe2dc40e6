//! The functions that the targets call, as the tests have them.
#![allow(dead_code, reason = "each target calls a few of them")]

#[path = "../decode.rs"]
pub(crate) mod decode;
#[path = "../functions.rs"]
pub(crate) mod functions;
#[path = "../../../src/sink/splunk/response.rs"]
mod response;
