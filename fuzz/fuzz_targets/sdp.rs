//! See `gatelodge_fuzz::sdp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::sdp(data));
