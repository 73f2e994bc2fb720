//! rmcp's servers and clients over channels, several to a session, with either side as the server.

use mcp_webrtc::Channel;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolRequestParams;
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};

use crate::harness::{builder, connect, within_limit};

#[derive(Clone)]
struct Echo {
    name: &'static str,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Size {
    bytes: usize,
}

#[tool_router]
impl Echo {
    #[tool(description = "Says who answers")]
    fn who(&self) -> String {
        self.name.to_owned()
    }

    #[tool(description = "Answers with so many bytes")]
    fn big(&self, Parameters(Size { bytes }): Parameters<Size>) -> String {
        "x".repeat(bytes)
    }
}

#[tool_handler]
impl ServerHandler for Echo {}

async fn text(
    client: &rmcp::service::RunningService<rmcp::RoleClient, ()>,
    call: CallToolRequestParams,
) -> String {
    let result = client.call_tool(call).await.unwrap();
    serde_json::to_value(result).unwrap()["content"][0]["text"].as_str().unwrap().to_owned()
}

async fn serve(name: &'static str, channel: Channel) {
    Echo { name }.serve(channel).await.unwrap().waiting().await.unwrap();
}

#[tokio::test]
async fn several_servers_share_a_session_and_either_side_may_serve() {
    within_limit(async {
        let pair = connect(builder().channel("mcp:one"), builder()).await;
        let (one, agent_one) = pair.channels().await;
        let two = pair.agent.open_channel("mcp:two").await.unwrap();
        let desktop_two = pair.desktop.next_channel().await.unwrap();
        assert_eq!(desktop_two.label(), "mcp:two");
        let servers = [tokio::spawn(serve("desktop", one)), tokio::spawn(serve("agent", two))];

        let of_desktop = ().serve(agent_one).await.unwrap();
        let of_agent = ().serve(desktop_two).await.unwrap();
        assert_eq!(text(&of_desktop, CallToolRequestParams::new("who")).await, "desktop");
        assert_eq!(text(&of_agent, CallToolRequestParams::new("who")).await, "agent");
        let arguments = serde_json::json!({"bytes": 3_000_000}).as_object().cloned().unwrap();
        let big = CallToolRequestParams::new("big").with_arguments(arguments);
        assert_eq!(text(&of_desktop, big).await.len(), 3_000_000);

        of_desktop.cancel().await.unwrap();
        of_agent.cancel().await.unwrap();
        for server in servers {
            server.await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_the_types_do_not_take_is_answered() {
    within_limit(async {
        let pair = connect(builder(), builder()).await;
        let (channel, mut agent) = pair.channels().await;
        let server = tokio::spawn(async move {
            let _ = Echo { name: "desktop" }.serve(channel).await;
        });
        agent.send(r#"{"jsonrpc":"2.0","id":"odd","method":"tools/call","params":7}"#).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&agent.recv().await.unwrap()).unwrap();
        assert_eq!(answer["id"], "odd");
        assert!(answer["error"]["code"].is_i64(), "{answer}");
        pair.agent.close().await;
        server.await.unwrap();
    })
    .await;
}
