//! Sessions between two peers of this library, in one process, over the real engine and real sockets.

mod harness;

mod messages;
