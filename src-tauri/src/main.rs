//! The tray app as it is shipped.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use gatelodge_desktop::RemoteControl;

fn main() -> ExitCode {
    gatelodge_desktop::main(RemoteControl::Refused)
}
