//! An agent that the tray app does not know, and the link by which it comes.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use super::session::{Session, until};
use crate::product::program;

/// What an MCP client says first.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;

/// The link that the agent takes.
pub(super) struct Agent {
    /// Where the desktop listens.
    port: u16,
}

/// An agent at the gate. It leaves with this value.
pub(super) struct Knocking {
    child: Child,
    /// When its connection came.
    pub(super) at: Instant,
}

impl Drop for Knocking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    /// Lets the desktop lend a folder, and listen for agents that it does not know.
    pub(super) fn new(session: &Session) -> anyhow::Result<Self> {
        // Free now, and nobody else looks for ports of that kind meanwhile.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (lent, link) = (session.lent(), format!("tcp://127.0.0.1:{port}"));
        let lent = lent.to_str().context("not UTF-8")?;
        for words in [
            &["host", "servers", "add-folder", "notes", lent][..],
            &["host", "links", "add", "bench", &link, "--ask-unknown"],
        ] {
            let output = session.command(program("gatelodge")?).args(words).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "gatelodge {} failed: {said}", words.join(" "));
        }
        Ok(Self { port })
    }

    /// Lets an agent connect. The time counts from when its connection is there, which is passed on to the desktop.
    pub(super) fn knock(&self, session: &Session) -> anyhow::Result<Knocking> {
        // proc_net_tcp(5): a socket that listens on this port of 127.0.0.1.
        let listening = format!("0100007F:{:04X} 00000000:0000 0A", self.port);
        until("the desktop's link", || Ok(std::fs::read_to_string("/proc/net/tcp")?.contains(&listening)))?;
        let door = TcpListener::bind("127.0.0.1:0")?;
        let link = format!("tcp://{}", door.local_addr()?);
        let mut child = session
            .command(program("gatelodge")?)
            .args(["connect", &link])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        writeln!(child.stdin.as_mut().context("no standard input")?, "{INITIALIZE}")?;
        let (agent, _) = door.accept()?;
        let at = Instant::now();
        let desktop = TcpStream::connect(("127.0.0.1", self.port))?;
        pass_on(agent.try_clone()?, desktop.try_clone()?);
        pass_on(desktop, agent);
        Ok(Knocking { child, at })
    }
}

/// Passes on what comes, until either end has closed.
fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}
