//! The command as it is used: real processes, a real keyring, terminals, and servers and agents that behave badly.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod activity;
mod admission;
mod agent;
mod altered_grants;
mod asked_calls;
mod bad_agents;
mod bad_servers;
mod desk;
#[path = "../../../host/tests/it/desktop_session.rs"]
mod desktop_session;
mod doctor;
mod files_alone;
mod floods;
mod gate;
mod isolation;
mod keyring_outages;
mod life;
mod pairing;
mod program;
mod rendezvous;
mod resuming;
mod revocation;
mod road;
mod session_answers;
mod settings;
mod terminal;
mod terminal_prompts;
