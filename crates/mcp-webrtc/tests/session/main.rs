//! Sessions between two peers of this library, in one process, over the real engine and real sockets.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod harness;

mod admission;
mod closing;
mod descriptions;
mod hostile;
mod identity;
mod measuring;
mod messages;
mod opening;
mod reopening;
mod resuming;
mod sizes;
mod typed;
