//! See `gatelodge_fuzz::rendezvous`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::rendezvous(data));
