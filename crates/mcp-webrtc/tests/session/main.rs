//! Sessions between two peers of this library, in one process, over the real engine and real sockets.

mod harness;

mod admission;
mod closing;
mod identity;
mod messages;
