//! The stacks that are written in Rust: the transport itself, and UDP and TCP as what is below and beside it.

mod gatelodge;
mod tcp;
mod udp;

pub(crate) use gatelodge::Gatelodge;
pub(crate) use tcp::Tcp;
pub(crate) use udp::Udp;
