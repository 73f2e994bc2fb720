//! Why a session comes about, or does not: checks of the network and of a rendezvous, as findings in sentences.
//!
//! [`network`] runs all of them; each part is there on its own: [`rendezvous()`], [`mapping()`], [`relay()`] and [`gather()`].
//! Each has a time limit, and all of them together take less than 15 s. Nothing is printed, and no finding has a secret in it.
//!
//! A check contacts the servers that a session would contact, and tells them this machine's address, as a session does.

mod check;
mod gathering;
mod mapping;
mod network;
mod relay;
mod rendezvous;
mod udp;

pub use check::{Check, CheckState};
pub use gathering::{Gathered, gather};
pub use mapping::{Mapping, MappingReport, StunReply, mapping};
pub use network::{Network, network};
pub use relay::{RelayError, relay};
pub use rendezvous::{Found, rendezvous};
