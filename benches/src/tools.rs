//! The MCP pair: an rmcp server with one tool, and an rmcp client that calls it, over the transport.

use std::net::IpAddr;
use std::time::Instant;

use anyhow::{Context, ensure};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolRequestParams;
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};

use crate::figures::{Figures, figures, percentile};
use crate::link::Stack;
use crate::peer::{announce, report};
use crate::scenario::Scenario;
use crate::stack::Gatelodge;

/// What a call carries there and back: a short path or question.
const TEXT: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// Calls before the clock runs.
const WARM_UP: usize = 100;

struct Echo;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[tool_router]
impl Echo {
    #[tool(description = "Gives the text back")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }
}

#[tool_handler]
impl ServerHandler for Echo {}

/// Serves the tool to every peer that comes.
pub(crate) async fn listen(host: IpAddr) -> anyhow::Result<()> {
    let stack = Gatelodge::new(host)?;
    let (listener, address) = stack.listen().await?;
    announce(address)?;
    loop {
        let channel = stack.establish(stack.accept(&listener).await?).await?.into_channel();
        Echo.serve(channel).await?.waiting().await?;
    }
}

/// Calls the tool as the scenarios say.
pub(crate) async fn dial(host: IpAddr, address: &str, scenarios: &[Scenario]) -> anyhow::Result<()> {
    let stack = Gatelodge::new(host)?;
    let client = ().serve(stack.dial(address).await?.0.into_channel()).await?;
    for scenario in scenarios {
        let Scenario::Calls { count } = *scenario else { anyhow::bail!("{scenario} is not for MCP pairs") };
        calls(&client, WARM_UP).await?;
        report(*scenario, calls(&client, count).await)?;
    }
    client.cancel().await?;
    Ok(())
}

async fn calls(
    client: &rmcp::service::RunningService<rmcp::RoleClient, ()>,
    count: usize,
) -> anyhow::Result<Figures> {
    let mut times = Vec::with_capacity(count);
    let started = Instant::now();
    for _ in 0..count {
        let sent = Instant::now();
        let arguments = serde_json::json!({ "text": TEXT }).as_object().cloned().context("an object")?;
        let result = client.call_tool(CallToolRequestParams::new("echo").with_arguments(arguments)).await?;
        ensure!(result.is_error != Some(true), "the tool failed");
        times.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    let per_s = count as f64 / started.elapsed().as_secs_f64();
    Ok(figures([("per_s", per_s), ("p50_us", percentile(&mut times, 0.5))]))
}
