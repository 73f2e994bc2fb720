//! See `gatelodge_fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::message(data));
