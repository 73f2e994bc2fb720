//! The host's parts together, with real processes and against the software of the system.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[cfg(target_os = "linux")]
mod desktop_session;
#[cfg(target_os = "linux")]
mod keyring;
mod pairing;
mod rendezvous;
#[cfg(unix)]
mod shown;
mod upstream;
