//! The rendezvous: where desktops wait to be found, and agents knock at them.
//!
//! Both come by outgoing WebSockets and prove their keys; the server passes signaling objects on between a desktop and the
//! agents that it answers, and keeps nothing on disk. It is not trusted: it sees who knocks at whom and from where, but no
//! MCP traffic, and it can impersonate nobody, since each side checks the other's certificate in the DTLS handshake.
//!
//! [`Rendezvous`] is a server that runs; the program `gatelodge-rendezvous` wraps it in options, signals and logs, and a
//! desktop can have one in its own process. What is said over the wire is in `gatelodge_wire`.
//!
//! ```no_run
//! use gatelodge_rendezvous::{Config, Rendezvous};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Rendezvous::bind(Config::new("127.0.0.1:0".parse()?)).await?;
//! println!("http://{}", server.local_addr());
//! server.shutdown().await;
//! # Ok(()) }
//! ```

mod address;
mod bucket;
mod config;
mod connection;
mod hub;
mod metrics;
mod outbox;
mod proof;
mod server;
mod tls;
mod turn;

pub use config::{AuthorityRule, Config, IceConfig, Limits, TlsFiles, TurnSecret};
pub use server::{Counts, Rendezvous, StartError};
pub use tls::TlsError;
