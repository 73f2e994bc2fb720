//! See `gatelodge_fuzz::signaling`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::signaling(data));
