//! A session bus with a real gnome-keyring of its own, in a folder that is removed afterwards.
//!
//! The bus starts no programs by itself, so that what is missing is missed. Both are found through environment variables,
//! which belong to a process: everything that talks to them runs as a child, the example program `trust_probe`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A bus without service activation.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=FOLDER</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A process that ends with the test.
pub(crate) struct Owned(pub(crate) Child);

impl Owned {
    /// Ends it at once, wherever it is.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session bus, with or without a keyring on it.
pub(crate) struct DesktopSession {
    keyring: Option<Owned>,
    _bus: Owned,
    address: String,
    folder: tempfile::TempDir,
}

impl DesktopSession {
    /// Starts a bus that has no keyring.
    pub(crate) fn without_keyring() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "run", "data"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let config = folder.path().join("bus.conf");
        std::fs::write(&config, BUS.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn();
        let mut bus = Owned(bus.expect("dbus-daemon has to be installed (Debian: dbus)"));
        let mut address = String::new();
        BufReader::new(bus.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { keyring: None, _bus: bus, address: address.trim().to_owned(), folder }
    }

    /// Starts a bus with an unlocked keyring.
    pub(crate) fn new() -> Self {
        let mut session = Self::without_keyring();
        session.start_keyring();
        session
    }

    /// Starts a keyring with what the one before it had, and unlocks it.
    pub(crate) fn start_keyring(&mut self) {
        let keyring = self
            .command("gnome-keyring-daemon")
            .args(["--unlock", "--components=secrets", "--foreground"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut keyring =
            Owned(keyring.expect("gnome-keyring-daemon has to be installed (Debian: gnome-keyring)"));
        keyring.0.stdin.take().unwrap().write_all(b"test").unwrap();
        self.keyring = Some(keyring);
        assert_eq!(self.probe(&["wait-for-keyring"]), "there");
    }

    /// Kills the keyring, wherever it is.
    pub(crate) fn kill_keyring(&mut self) {
        self.keyring.take().unwrap().kill();
    }

    /// Kills the keyring from another thread, while this one watches a process.
    pub(crate) fn keyring_id(&self) -> u32 {
        self.keyring.as_ref().unwrap().0.id()
    }

    /// The folder of the probe's store.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where the keyring keeps its files.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A program in this session.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let home = self.home();
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", self.folder.path().join("run"))
            .env("XDG_DATA_HOME", home.join("share"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("GNOME_KEYRING_CONTROL");
        command
    }

    /// The probe with the session's store.
    pub(crate) fn probe_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(probe());
        command.arg(self.data()).args(arguments);
        command
    }

    /// Runs the probe and returns what it says.
    pub(crate) fn probe(&self, arguments: &[&str]) -> String {
        said(&self.probe_command(arguments).output().unwrap())
    }
}

/// What a probe said.
pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// The example program, which cargo builds together with the tests unless it is told to build single ones.
fn probe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let probe = profile.join("examples/trust_probe");
    assert!(
        probe.exists(),
        "single tests need it built: cargo build --package gatelodge-host --example trust_probe"
    );
    probe
}
