//! Asks a server what it has, in a process of its own.

use super::Reply;
use super::perform::Undone;
use crate::desktop::Desktop;
use crate::server::ServerDefinition;

/// The part of a tool's definition, or of a server's information, that is listed.
#[derive(serde::Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

pub(super) async fn probe(desktop: &Desktop, definition: &ServerDefinition) -> Result<Reply, Undone> {
    let report = crate::session::probe(desktop, definition).await?;
    let named = |raw: &serde_json::value::RawValue| serde_json::from_str::<Named>(raw.get()).ok();
    let server = report.server_info.as_deref().and_then(named);
    let server =
        server.map_or_else(|| definition.name.clone(), |info| format!("{} {}", info.name, info.version));
    let tools = report.tools.iter().filter_map(|tool| named(tool)).map(|tool| tool.name).collect();
    Ok(Reply::Probed { server, protocol: report.protocol_version, tools })
}
