//! The tray app with windows that a WebDriver can drive, for the tests on a headless desktop. Never shipped.

use std::process::ExitCode;

use gatelodge_desktop::RemoteControl;

fn main() -> ExitCode {
    gatelodge_desktop::main(RemoteControl::Allowed)
}
