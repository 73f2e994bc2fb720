//! The rendezvous as its clients meet it.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod desks;
mod diagnosis;
mod life;
mod limits;
mod program;
mod raw;
mod registration;
mod relayed;
mod sessions;
mod tls;
