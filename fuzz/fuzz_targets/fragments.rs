//! See `gatelodge_fuzz::fragments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::fragments(data));
