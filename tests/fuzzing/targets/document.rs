//! See `tests/fuzzing/functions.rs`, or `tests/decode/fuzz.rs` for the decoder.
#![no_main]

#[path = "all.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::decode::fuzz::any_document(data);
});
