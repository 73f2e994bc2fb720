//! Sessions between two peers of this library, in one process, over the real engine and real sockets.

mod harness;

mod admission;
mod closing;
mod descriptions;
mod hostile;
mod identity;
mod messages;
mod sizes;
mod typed;
