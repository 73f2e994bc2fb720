//! Signaling: how offer and answer cross an untrusted link.
