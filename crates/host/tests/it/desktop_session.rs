//! A session bus with a real gnome-keyring of its own, in a folder that is removed afterwards.
//!
//! The bus starts no programs by itself, so that what is missing is missed. Both are found through environment variables,
//! which belong to a process: what is tested with them runs as a child. The tests of the `gatelodge` command share this
//! file.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use zbus::blocking::{Connection, Proxy, connection, fdo::DBusProxy};

/// A bus without service activation. `FOLDER` stands for where its socket is.
const BUS: &str = include_str!("session_bus.conf");

/// The name of whoever keeps secrets.
const SECRETS: &str = "org.freedesktop.secrets";

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
    pub(crate) keyring: Option<Owned>,
    _bus: Owned,
    address: String,
    folder: tempfile::TempDir,
}

impl DesktopSession {
    /// Starts a bus that has no keyring.
    pub(crate) fn without_keyring() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "run"] {
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
        let bus = self.connect();
        let bus = DBusProxy::new(&bus).unwrap();
        let mut changes = bus.receive_name_owner_changed().unwrap();
        let name = zbus::names::BusName::try_from(SECRETS).unwrap();
        while !bus.name_has_owner(name.clone()).unwrap() {
            changes.next().unwrap();
        }
    }

    /// Locks the keyring; no prompt can unlock it here.
    pub(crate) fn lock_keyring(&self) {
        let bus = self.connect();
        let service =
            Proxy::new(&bus, SECRETS, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service").unwrap();
        let keyring: zbus::zvariant::OwnedObjectPath = service.call("ReadAlias", &("default",)).unwrap();
        let locked: (Vec<zbus::zvariant::OwnedObjectPath>, zbus::zvariant::OwnedObjectPath) =
            service.call("Lock", &(vec![keyring],)).unwrap();
        assert_eq!(locked.0.len(), 1);
    }

    /// Unlocks the keyring, as its own prompt does it when the person has typed the password.
    pub(crate) fn unlock_keyring(&self) {
        use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
        let bus = self.connect();
        let path = "/org/freedesktop/secrets";
        let service = Proxy::new(&bus, SECRETS, path, "org.freedesktop.Secret.Service").unwrap();
        let keyring: OwnedObjectPath = service.call("ReadAlias", &("default",)).unwrap();
        let (_, session): (OwnedValue, OwnedObjectPath) =
            service.call("OpenSession", &("plain", Value::from(""))).unwrap();
        let prompt =
            Proxy::new(&bus, SECRETS, path, "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface");
        let password = (session, Vec::<u8>::new(), b"test".to_vec(), "text/plain");
        let () = prompt.unwrap().call("UnlockWithMasterPassword", &(keyring, password)).unwrap();
    }

    /// Kills the keyring, wherever it is.
    pub(crate) fn kill_keyring(&mut self) {
        self.keyring.take().unwrap().kill();
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

    fn connect(&self) -> Connection {
        connection::Builder::address(self.address.as_str()).unwrap().build().unwrap()
    }
}
