//! The rendezvous as its clients meet it.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod desks;
mod sessions;
