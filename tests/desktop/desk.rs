//! A person's desktop: the screen with all that belongs to it, and a place for what Gatelodge keeps.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex};

use gatelodge_tests::Programs;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desktop_session::{DesktopSession, Owned};
use crate::driver::{configure, free_port};
use crate::notices::{DUNSTRC, Notices};
use crate::program::{Ended, Program};
use crate::screen::Screen;
use crate::tray::Tray;
use crate::waiting::until;

/// How many desktops there are at a time: each runs some web processes, and small machines have two cores.
const MOST: usize = 2;

/// Marks the processes of one desktop, so that what has run away is found.
const MARK: &str = "GATELODGE_TEST_DESKTOP";

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A place among the desktops that run at a time.
struct Slot;

impl Slot {
    fn take() -> Self {
        let mut running =
            RUNNING.1.wait_while(RUNNING.0.lock().unwrap(), |running| *running >= MOST).unwrap();
        *running += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap() -= 1;
        RUNNING.1.notify_one();
    }
}

/// The `gatelodge` command.
pub(crate) fn gatelodge() -> &'static Path {
    &Programs::get().gatelodge
}

/// A person's desktop, whether or not Gatelodge runs on it. Dropping it ends all that runs on it.
pub(crate) struct Desk {
    pub(crate) notices: Notices,
    pub(crate) tray: Tray,
    _manager: Owned,
    _notifier: Owned,
    pub(crate) screen: Screen,
    pub(crate) session: DesktopSession,
    /// What Gatelodge keeps.
    pub(crate) home: TempDir,
    mark: String,
    _slot: Slot,
}

impl Desk {
    /// A desktop with an unlocked keyring.
    pub(crate) fn new() -> Self {
        let mut desk = Self::without_keyring();
        desk.session.start_keyring();
        desk
    }

    /// A desktop on which nobody keeps secrets.
    pub(crate) fn without_keyring() -> Self {
        let slot = Slot::take();
        let (session, screen) = (DesktopSession::without_keyring(), Screen::start());
        let home = tempfile::Builder::new().prefix("gatelodge-desk-").tempdir().unwrap();
        let mark = home.path().file_name().unwrap().to_str().unwrap().to_owned();
        let start = |program: &str, arguments: &[&str]| {
            let mut command = in_session(&session, &screen, &mark, &home, "setpriv");
            command.args(["--pdeathsig", "KILL", "--", program]).args(arguments);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Owned(command.spawn().unwrap_or_else(|error| panic!("{program} cannot be started: {error}")))
        };
        let manager = start("openbox", &[]);
        let settings = home.path().join("dunstrc");
        std::fs::write(&settings, DUNSTRC).unwrap();
        let notifier = start("dunst", &["-config", settings.to_str().unwrap()]);
        let address = session.command("true");
        let address = address.get_envs().find(|(name, _)| *name == OsStr::new("DBUS_SESSION_BUS_ADDRESS"));
        let address = address.and_then(|(_, value)| value?.to_str()).unwrap().to_owned();
        let (notices, tray) = (Notices::watch(&address), Tray::start(&address));
        screen.is_managed();
        until("a notification service", || tray.is_on_bus("org.freedesktop.Notifications"));
        Self {
            notices,
            tray,
            _manager: manager,
            _notifier: notifier,
            screen,
            session,
            home,
            mark,
            _slot: slot,
        }
    }

    /// Starts a keyring on a desktop that had none.
    pub(crate) fn start_keyring(&self) -> Owned {
        let mut command = self.command("gnome-keyring-daemon");
        command.args(["--unlock", "--components=secrets", "--foreground"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = Owned(command.spawn().unwrap());
        keyring.0.stdin.take().unwrap().write_all(b"test").unwrap();
        until("a keyring", || self.tray.is_on_bus("org.freedesktop.secrets"));
        keyring
    }

    /// A program on this desktop.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        in_session(&self.session, &self.screen, &self.mark, &self.home, program)
    }

    /// Runs `gatelodge host ... --json` to its end.
    pub(crate) fn manage(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(gatelodge());
        let (what, rest) = arguments.split_at(arguments.len().min(2));
        command.arg("host").args(what).arg("--json").args(rest);
        Program::run(command)
    }

    /// Has something managed, and returns the answer.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> Value {
        let ended = self.manage(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Shares a folder with one file in it as the server `notes`, at a link that asks about unknown agents.
    pub(crate) fn share_notes(&self) -> PathBuf {
        let folder = self.home.path().join("notes");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("note.txt"), "buy milk").unwrap();
        self.done(&["servers", "add-folder", "notes", folder.to_str().unwrap(), "--read-write"]);
        self.done(&["links", "add", "home", "tcp://127.0.0.1:0", "--ask-unknown"]);
        folder
    }

    /// Adds the hostile server, whose pictures would be fetched from this address.
    pub(crate) fn add_hostile(&self, address: &str) {
        self.done(&["servers", "add", "hostile", "--", env!("CARGO_BIN_EXE_hostile"), address]);
    }

    /// Trusts an agent, and lends it a server, with this rule for its tools.
    pub(crate) fn lend(&self, agent: &str, label: &str, server: &str, rule: &str) {
        self.done(&["agents", "trust", agent, label]);
        self.done(&["grants", "set", label, server, "--tools", rule]);
    }

    /// Asks the running app without a process in between, so that it can be timed.
    #[track_caller]
    fn ask(&self, request: &Value) -> Value {
        let mut socket = UnixStream::connect(self.home.path().join("desktop/control.sock")).unwrap();
        writeln!(socket, "{request}").unwrap();
        let mut reply = String::new();
        BufReader::new(socket).read_line(&mut reply).unwrap();
        serde_json::from_str(&reply).unwrap()
    }

    /// How many sessions are up.
    #[track_caller]
    pub(crate) fn sessions(&self) -> usize {
        self.ask(&json!({"request": "sessions"}))["sessions"].as_array().unwrap().len()
    }

    /// Where the link is reached, once it is.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        crate::waiting::eventually("an open link", || {
            let links = self.done(&["links", "list"]);
            Some(links["open"][0][1].as_str()?.to_owned())
        })
    }

    /// Starts a WebDriver: its port, and its process with all that it will start.
    pub(crate) fn driver(&self) -> (u16, Group) {
        let log = self.home.path().join("app.log");
        let file = File::options().create(true).append(true).open(log).unwrap();
        let port = free_port();
        let mut command = self.command("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "WebKitWebDriver"]);
        configure(&mut command, port);
        command.stdout(Stdio::from(file.try_clone().unwrap())).stderr(Stdio::from(file));
        (port, Group::start(command))
    }

    /// What the app has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("app.log")).unwrap_or_default()
    }

    /// What the pictures of this test are called.
    pub(crate) fn keep_picture(&self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../desktop-failures");
        std::fs::create_dir_all(&folder).unwrap();
        let test = std::thread::current().name().unwrap_or("unnamed").replace("::", "-");
        let file = folder.join(format!("{test}.png"));
        self.screen.picture(&file);
        eprintln!("the screen: {}", file.display());
    }

    /// The processes that were started on this desktop and run still, with their command lines. The desktop's own are left out.
    pub(crate) fn processes(&self) -> Vec<(Pid, String)> {
        let own = ["Xvfb", "openbox", "dunst", "gnome-keyring-d", "WebKitWebDriver"];
        marked(&self.mark)
            .into_iter()
            .filter(|(_, _, name)| !own.contains(&name.as_str()))
            .map(|(pid, line, _)| (pid, line))
            .collect()
    }
}

fn in_session(
    session: &DesktopSession,
    screen: &Screen,
    mark: &str,
    home: &TempDir,
    program: impl AsRef<OsStr>,
) -> Command {
    let mut command = session.command(program);
    // Where programs look that do not ask.
    command.env("XDG_CONFIG_HOME", session.home().join(".config"));
    command
        .env("DISPLAY", &screen.display)
        .env("GATELODGE_HOME", home.path())
        .env("GATELODGE_LOG", "info")
        .env(MARK, mark)
        .env("SHELL", "/bin/sh")
        .env("LANG", "C.UTF-8")
        .env("GDK_BACKEND", "x11")
        .env("XDG_SESSION_TYPE", "x11")
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("NO_AT_BRIDGE", "1")
        .env_remove("LC_ALL")
        // With one of these a WebDriver waits for its pictures for ever.
        .env_remove("WEBKIT_DISABLE_DMABUF_RENDERER")
        .env_remove("WEBKIT_DISABLE_COMPOSITING_MODE");
    command
}

/// The processes that have the mark or descend from one that has it, since servers get an environment of their own: their
/// ids, command lines and names.
fn marked(mark: &str) -> Vec<(Pid, String, String)> {
    let mark = format!("{MARK}={mark}");
    let mut parents = HashMap::new();
    let mut found = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let folder = entry.path();
        let Ok(stat) = std::fs::read_to_string(folder.join("stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        parents.insert(pid, parent.unwrap_or_default());
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
        found.insert(
            pid,
            (is_marked, String::from_utf8_lossy(&line).replace('\0', " "), name.trim().to_owned()),
        );
    }
    let descends = |pid: i32| {
        let mut ancestors = std::iter::successors(Some(pid), |pid| parents.get(pid).copied());
        ancestors.any(|pid| found.get(&pid).is_some_and(|(is_marked, ..)| *is_marked))
    };
    // One that has ended and was not waited for has no command line.
    let running = found.iter().filter(|(pid, (_, line, _))| !line.is_empty() && descends(**pid));
    running.map(|(pid, (_, line, name))| (Pid::from_raw(*pid), line.clone(), name.clone())).collect()
}

impl Drop for Desk {
    fn drop(&mut self) {
        for (process, ..) in marked(&self.mark) {
            let _ = kill(process, Signal::SIGKILL);
        }
    }
}

/// A process with all that it starts.
pub(crate) struct Group(Owned);

impl Group {
    pub(crate) fn start(mut command: Command) -> Self {
        command.process_group(0);
        Self(Owned(command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.0.id().try_into().unwrap()), Signal::SIGKILL);
    }
}
