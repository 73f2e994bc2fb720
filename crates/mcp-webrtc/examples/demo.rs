//! A desktop and an agent on one machine, from the first packet to the last: `make demo`.
//!
//! The desktop is this process. It shares a temporary folder with two tools, listens for TCP signaling on a free port
//! of 127.0.0.1, and starts the agent as a second process. The agent connects over WebRTC, lists the tools, calls
//! them, and both end by themselves.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context;
use mcp_webrtc::signaling::{TcpSignaling, TcpSignalingListener};
use mcp_webrtc::{Admission, Fingerprint, Identity, Peer, Session};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolRequestParams;
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};

/// Stands in for a file server: it knows the files of one folder by name and nothing else.
struct Folder {
    path: PathBuf,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct File {
    /// The file's name, as `list_files` gives it.
    name: String,
}

#[tool_router]
impl Folder {
    #[tool(description = "Lists the files of the shared folder")]
    fn list_files(&self) -> Result<String, String> {
        let mut names = self.names().map_err(|error| error.to_string())?;
        names.sort();
        Ok(names.join("\n"))
    }

    #[tool(description = "Reads a file of the shared folder")]
    fn read_file(&self, Parameters(File { name }): Parameters<File>) -> Result<String, String> {
        // Only names from the listing are opened, so that no path leads out of the folder.
        let known = self.names().map_err(|error| error.to_string())?.contains(&name);
        if !known {
            return Err(format!("there is no file called {name:?}; call list_files for the names"));
        }
        std::fs::read_to_string(self.path.join(name)).map_err(|error| error.to_string())
    }

    fn names(&self) -> std::io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

#[tool_handler]
impl ServerHandler for Folder {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("agent"), Some(address), Some(desktop)) => agent(&address, desktop.parse()?).await,
        _ => desktop().await,
    }
}

async fn desktop() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("groceries.txt"), "bread, salt, two lemons\n")?;
    std::fs::write(folder.path().join("todo.txt"), "water the plants\n")?;

    let identity = Identity::generate()?;
    let listener = TcpSignalingListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    say("desktop", &format!("I am {}", identity.fingerprint()));
    say("desktop", &format!("in words: {}", identity.fingerprint().words()));
    say("desktop", &format!("sharing {} on {address}", folder.path().display()));

    let mut agent = tokio::process::Command::new(std::env::current_exe()?)
        .args(["agent", &address.to_string(), &identity.fingerprint().to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;

    let admit = |peer: Peer| async move {
        say("desktop", &format!("{} asks over {}", peer.fingerprint, peer.link));
        say("desktop", "admitted, since this is a demo; an application asks its user here");
        Admission::Admit
    };
    let session = Session::builder(&identity).admit(admit).offer(listener.accept().await?).await?;
    if let Some(path) = session.path().await {
        say("desktop", &format!("connected: {path}"));
    }
    let channel = session.next_channel().await.context("the session ended early")?;
    Folder { path: folder.path().to_owned() }.serve(channel).await?.waiting().await?;
    say("desktop", &format!("the session has ended: {}", session.closed().await));
    anyhow::ensure!(agent.wait().await?.success(), "the agent failed");
    Ok(())
}

async fn agent(address: &str, desktop: Fingerprint) -> anyhow::Result<()> {
    let identity = Identity::generate()?;
    let signaling = TcpSignaling::connect(address).await?;
    let session = Session::builder(&identity).expect(desktop).answer(signaling).await?;
    say("  agent", "connected; the handshake proved the desktop's certificate");
    let channel = session.next_channel().await.context("the session ended early")?;
    let client = ().serve(channel).await?;
    for tool in client.list_all_tools().await? {
        say("  agent", &format!("tool {}: {}", tool.name, tool.description.unwrap_or_default()));
    }
    let call = CallToolRequestParams::new("list_files");
    say(
        "  agent",
        &format!("list_files says {}", serde_json::to_string(&client.call_tool(call).await?.content)?),
    );
    let arguments = serde_json::json!({"name": "groceries.txt"}).as_object().cloned().unwrap_or_default();
    let call = CallToolRequestParams::new("read_file").with_arguments(arguments);
    say(
        "  agent",
        &format!("read_file says {}", serde_json::to_string(&client.call_tool(call).await?.content)?),
    );
    client.cancel().await?;
    session.close().await;
    say("  agent", "done");
    Ok(())
}

fn say(who: &str, what: &str) {
    println!("{who}  {what}");
}
