//! Lists and calls the tools of a server over TCP signaling: `cargo run --example client -- 127.0.0.1:8000`.
//!
//! The counterpart is `examples/server.rs`, or any server of the Python package `mcp-webrtc`.

use mcp_webrtc::signaling::TcpSignaling;
use mcp_webrtc::{Identity, Session};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8000".to_owned());
    let signaling = TcpSignaling::connect(address).await?;
    let session = Session::builder(&Identity::generate()?).answer(signaling).await?;
    println!("connected to {}", session.peer().fingerprint);

    let channel = session.next_channel().await.ok_or(anyhow::anyhow!("the session ended"))?;
    let client = ().serve(channel).await?;
    for tool in client.list_all_tools().await? {
        println!("{}: {}", tool.name, tool.description.unwrap_or_default());
        match client.call_tool(CallToolRequestParams::new(tool.name)).await {
            Ok(result) => println!("{}", serde_json::to_string(&result)?),
            Err(error) => println!("it failed: {error}"),
        }
    }
    client.cancel().await?;
    session.close().await;
    Ok(())
}
