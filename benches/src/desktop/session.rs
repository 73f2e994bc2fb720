//! A headless desktop: an X server, a window manager, a bus, a keyring, and a panel that counts tray icons.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask};
use zbus::blocking::fdo::DBusProxy;
use zbus::blocking::{Connection, connection};

use crate::product::ENDING_WITH_STANDARD_INPUT;

/// How long a part of the desktop may take to come up on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A bus that starts no services by itself, as those would differ from machine to machine: the one of the tests. `FOLDER`
/// stands for where its socket is.
const BUS: &str = include_str!("../../../crates/host/tests/it/session_bus.conf");

/// The desktop. It ends with this value, or with this process.
pub(super) struct Session {
    icons: Receiver<Instant>,
    _panel: Connection,
    /// In the order in which they end.
    _parts: Vec<Part>,
    address: String,
    display: String,
    folder: tempfile::TempDir,
}

/// A process of the desktop.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Session {
    pub(super) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["home", "run", "lent"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let (server, display) =
            speaking(&["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])?;
        let config = folder.path().join("bus.conf");
        std::fs::write(&config, BUS.replace("FOLDER", folder.path().to_str().context("not UTF-8")?))?;
        let config = format!("--config-file={}", config.display());
        let (bus, address) = speaking(&["dbus-daemon", &config, "--nofork", "--print-address"])?;
        let (sender, icons) = channel();
        let panel = connection::Builder::address(address.as_str())?
            .serve_at("/StatusNotifierWatcher", Panel(sender))?
            .name("org.kde.StatusNotifierWatcher")?
            .build()?;
        let display = format!(":{display}");
        let mut session = Self { icons, _panel: panel, _parts: Vec::new(), address, display, folder };
        let window_manager = session.command("openbox").stderr(Stdio::null()).spawn()?;
        session._parts.push(Part(window_manager));
        let mut keyring = session.command("sh");
        keyring
            .args(["-c", "printf secret | gnome-keyring-daemon --unlock --components=secrets --foreground"]);
        let keyring = keyring.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        session._parts.extend([Part(keyring), bus, server]);
        session.wait_for("org.freedesktop.secrets")?;
        Ok(session)
    }

    /// Waits until somebody on the bus has this name.
    fn wait_for(&self, name: &'static str) -> anyhow::Result<()> {
        let bus = connection::Builder::address(self.address.as_str())?.build()?;
        let bus = DBusProxy::new(&bus)?;
        until(name, || Ok(bus.name_has_owner(name.try_into()?)?))
    }

    /// A program on this desktop.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let home = self.folder.path().join("home");
        let mut command = Command::new(program);
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("DISPLAY", &self.display)
            .env("GDK_BACKEND", "x11")
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", self.folder.path().join("run"))
            .env("XDG_DATA_HOME", home.join("share"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .stdin(Stdio::null());
        for other in ["WAYLAND_DISPLAY", "GNOME_KEYRING_CONTROL", "GATELODGE_HOME", "NO_AT_BRIDGE"] {
            command.env_remove(other);
        }
        command
    }

    /// Closes the window with this title, as the button in its frame does.
    pub(super) fn close_window(&self, title: &str) -> anyhow::Result<()> {
        let (connection, screen) = x11rb::connect(Some(&self.display))?;
        let root = connection.setup().roots.get(screen).context("no screen")?.root;
        let atom = |name: &str| anyhow::Ok(connection.intern_atom(false, name.as_bytes())?.reply()?.atom);
        let [clients, name, close] = ["_NET_CLIENT_LIST", "_NET_WM_NAME", "_NET_CLOSE_WINDOW"].map(atom);
        let (clients, name, close) = (clients?, name?, close?);
        let property = |window, property| {
            let reply = connection.get_property(false, window, property, AtomEnum::ANY, 0, 1024)?;
            anyhow::Ok(reply.reply()?)
        };
        let windows = property(root, clients)?;
        for window in windows.value32().context("no list of windows")? {
            if property(window, name)?.value == title.as_bytes() {
                // 2: a person wants it (EWMH, source indication).
                let message = ClientMessageEvent::new(32, window, close, [x11rb::CURRENT_TIME, 2, 0, 0, 0]);
                let to = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
                connection.send_event(false, root, to, message)?.check()?;
                return Ok(());
            }
        }
        bail!("there is no window {title:?}")
    }

    /// A folder to lend.
    pub(super) fn lent(&self) -> PathBuf {
        self.folder.path().join("lent")
    }

    /// Forgets the icons that came so far.
    pub(super) fn forget_icons(&self) {
        while self.icons.try_recv().is_ok() {}
    }

    /// Returns when the next icon came.
    pub(super) fn next_icon(&self) -> anyhow::Result<Instant> {
        self.icons.recv_timeout(LIMIT).context("no tray icon came")
    }
}

/// Starts what ends with this process, and returns the first line that it says.
fn speaking(words: &[&str]) -> anyhow::Result<(Part, String)> {
    let mut child = Command::new("sh")
        .args(["-c", ENDING_WITH_STANDARD_INPUT, "sh"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("no standard output")?;
    // Its standard input stays open for as long as the value is there.
    let part = Part(child);
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(!line.is_empty(), "{} does not start; is it installed?", words[0]);
    Ok((part, line.trim().to_owned()))
}

/// Looks until something is so.
pub(super) fn until(what: &str, is_so: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < LIMIT, "{what} did not come about in {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The panel's side of tray icons.
struct Panel(Sender<Instant>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Panel {
    fn register_status_notifier_item(&self, _service: String) {
        // The measurement may be over.
        let _ = self.0.send(Instant::now());
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}
