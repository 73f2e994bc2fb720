//! The file server from outside: a client that writes JSON by hand, so that what is on the wire is what is tested.
#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod access;
mod cancelling;
mod changes;
mod client;
mod eras;
mod escapes;
mod messages;
mod racing;
mod reading;
mod resources;
mod searching;
mod special;
mod writing;
