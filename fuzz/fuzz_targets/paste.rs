//! See `gatelodge_fuzz::paste`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::paste(data));
