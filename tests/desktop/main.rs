//! The tray app on a real desktop without a screen: an X server, a window manager, a keyring, a notification service, a panel
//! with a tray, and agents in processes of their own. A module a behaviour.
//!
//! The app is its test build, whose pages a WebDriver may drive; what a person does to windows is done by the X server. Pictures
//! of failed tests are in `target/desktop-failures`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[expect(dead_code, reason = "these tests need less of it than others")]
#[path = "../../crates/agent/tests/it/agent.rs"]
mod agent;
mod app;
mod corpus;
mod desk;
#[expect(dead_code, reason = "these tests need less of it than others")]
#[path = "../../crates/host/tests/it/desktop_session.rs"]
mod desktop_session;
mod driver;
mod notices;
#[expect(dead_code, reason = "these tests need less of it than others")]
#[path = "../../crates/agent/tests/it/program.rs"]
mod program;
#[expect(dead_code, reason = "these tests need less of it than others")]
#[path = "../../crates/agent/tests/it/road.rs"]
mod road;
mod screen;
mod tray;
mod waiting;

mod confinement;
mod first_start;
mod focus;
mod forgeries;
mod gate;
mod hostile_texts;
mod keychain;
mod pairing;
mod queue;
mod quitting;
mod refusals;
mod restarting;
mod revoking;
mod second_start;
mod starting;
mod windows;
