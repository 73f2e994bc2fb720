//! What must hold for any bytes that a peer sends: one function a fuzz target, all of them pure.
//!
//! The targets in `fuzz_targets/` hand over what the fuzzer comes up with; the test below runs the same functions
//! over the seeds, so that a stable compiler checks them too. A function panics if its property is broken.

#![forbid(unsafe_code)]

mod envelope;
mod fingerprint;
mod fragments;
mod message;
mod rendezvous;
mod sdp;
mod signaling;

pub use envelope::envelope;
pub use fingerprint::fingerprint;
pub use fragments::fragments;
pub use message::message;
pub use rendezvous::rendezvous;
pub use sdp::sdp;
pub use signaling::{paste, signaling};

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 8] = [
        ("envelope", super::envelope),
        ("fingerprint", super::fingerprint),
        ("fragments", super::fragments),
        ("message", super::message),
        ("paste", super::paste),
        ("rendezvous", super::rendezvous),
        ("sdp", super::sdp),
        ("signaling", super::signaling),
    ];

    #[test]
    fn the_seeds_hold() {
        for (name, target) in TARGETS {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
            let mut count = 0;
            for seed in fs::read_dir(&seeds).expect("every target has seeds") {
                target(&fs::read(seed.expect("a seed").path()).expect("a seed can be read"));
                count += 1;
            }
            assert!(count > 0, "no seeds for {name}");
        }
    }
}
