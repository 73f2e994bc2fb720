//! Serves one tool to whoever connects over TCP signaling: `cargo run --example server -- 127.0.0.1:8000`.
//!
//! The counterpart is `examples/client.rs`, or any client of the Python package `mcp-webrtc`.

use mcp_webrtc::signaling::TcpSignalingListener;
use mcp_webrtc::{Identity, Session};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};

struct Greeter;

#[tool_router]
impl Greeter {
    #[tool(description = "Greets the caller")]
    fn greet(&self) -> String {
        "Hello from the other side!".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Greeter {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8000".to_owned());
    let identity = Identity::generate()?;
    let listener = TcpSignalingListener::bind(address).await?;
    println!("listening on {} as {}", listener.local_addr()?, identity.fingerprint());

    let session = Session::builder(&identity).offer(listener.accept().await?).await?;
    println!("connected to {}", session.peer().fingerprint);
    if let Some(channel) = session.next_channel().await {
        Greeter.serve(channel).await?.waiting().await?;
    }
    session.close().await;
    Ok(())
}
