//! Pairing over real sessions: what an agent with an invitation gets, and what nobody else gets, however they try.

mod honest;
mod in_between;
mod peer;
mod refused;
mod window;
