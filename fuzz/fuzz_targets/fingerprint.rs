//! See `gatelodge_fuzz::fingerprint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatelodge_fuzz::fingerprint(data));
