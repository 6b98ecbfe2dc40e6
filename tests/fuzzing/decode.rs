//! What of the decoder's tests the targets need.

#[path = "../decode/fuzz.rs"]
pub(crate) mod fuzz;
#[path = "../decode/generator.rs"]
mod generator;
#[path = "../decode/support.rs"]
mod support;

use support::{
    Decoded, LIMITS, assert_same, certificates, decode, decode_in_chunks, decoder, gzip, rule,
};
