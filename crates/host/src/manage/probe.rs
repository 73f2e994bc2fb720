//! Asks a server what it has, in a process of its own.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::perform::Undone;
use super::{Reply, ToolSummary};
use crate::approval::ShownText;
use crate::desktop::Desktop;
use crate::server::ServerDefinition;

/// The longest name or title that is listed, in characters. Clients refuse tools with names over 128.
const NAME: usize = 200;

/// The longest description that is listed, in characters: a page of text. The definition itself stays whole.
const DESCRIPTION: usize = 4000;

/// The most tools that are listed; a server with more is not looked through by a person.
const TOOLS: usize = 1000;

/// The part of a server's information that is listed.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

/// The part of a tool's definition that is listed. What has another form than it should is left out.
#[derive(Deserialize)]
struct Tool<'a> {
    name: String,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotations<'a> {
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    read_only_hint: Option<&'a RawValue>,
    #[serde(borrow)]
    destructive_hint: Option<&'a RawValue>,
}

pub(super) async fn probe(desktop: &Desktop, definition: &ServerDefinition) -> Result<Reply, Undone> {
    let report = crate::session::probe(desktop, definition).await?;
    let server = report.server_info.as_deref().and_then(|raw| serde_json::from_str::<Named>(raw.get()).ok());
    let server =
        server.map_or_else(|| definition.name.clone(), |info| format!("{} {}", info.name, info.version));
    let tools = report.tools.iter().filter_map(|tool| summary(tool)).take(TOOLS).collect();
    Ok(Reply::Probed { server: shown(&server, NAME), protocol: shown(&report.protocol_version, NAME), tools })
}

fn summary(definition: &RawValue) -> Option<ToolSummary> {
    let tool: Tool<'_> = serde_json::from_str(definition.get()).ok()?;
    let annotations = tool.annotations.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let Annotations { title, read_only_hint, destructive_hint } = annotations.unwrap_or_default();
    let title = text(tool.title).or_else(|| text(title));
    Some(ToolSummary {
        name: shown(&tool.name, NAME),
        title: title.map(|title| shown(&title, NAME)),
        description: text(tool.description).map(|text| shown(&text, DESCRIPTION)),
        read_only: flag(read_only_hint),
        destructive: flag(destructive_hint),
    })
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

fn flag(raw: Option<&RawValue>) -> Option<bool> {
    serde_json::from_str(raw?.get()).ok()
}

/// A text of the server, fit to be shown, and cut.
fn shown(text: &str, limit: usize) -> String {
    // Escapes only make it longer, so that what is cut here would not be shown anyway.
    let beginning: String = text.chars().take(limit + 1).collect();
    let shown = ShownText::new(&beginning);
    let mut cut: String = shown.text().chars().take(limit).collect();
    if cut.len() < shown.text().len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(definition: &str) -> Option<ToolSummary> {
        summary(serde_json::from_str::<Box<RawValue>>(definition).unwrap().as_ref())
    }

    #[test]
    fn what_a_tool_says_about_itself_is_listed() {
        let listed = tool(
            r#"{"name":"write","title":"Write","description":"Writes.\nA lot.",
                "annotations":{"readOnlyHint":false,"destructiveHint":true,"title":"other"},"inputSchema":{}}"#,
        );
        let expected = ToolSummary {
            name: "write".to_owned(),
            title: Some("Write".to_owned()),
            description: Some("Writes.\nA lot.".to_owned()),
            read_only: Some(false),
            destructive: Some(true),
        };
        assert_eq!(listed, Some(expected));
        assert_eq!(tool(r#"{"name":"a","annotations":{"title":"A"}}"#).unwrap().title.as_deref(), Some("A"));
    }

    #[test]
    fn odd_forms_and_texts_do_no_harm() {
        assert_eq!(tool(r#"{"title":"no name"}"#), None);
        let odd = tool(r#"{"name":"a","title":7,"description":null,"annotations":[1],"x":{}}"#).unwrap();
        assert_eq!((odd.title, odd.description, odd.read_only), (None, None, None));
        let odd =
            tool(r#"{"name":"a","annotations":{"readOnlyHint":"yes","destructiveHint":true}}"#).unwrap();
        assert_eq!((odd.read_only, odd.destructive), (None, Some(true)));
        let sly = tool("{\"name\":\"a\\u202eb\\u0000\",\"description\":\"\\u200bx\"}").unwrap();
        assert_eq!(sly.name, "a\\u202eb\\u0000");
        assert_eq!(sly.description.as_deref(), Some("\\u200bx"));
        let long = format!(r#"{{"name":"a","description":"{}"}}"#, "é".repeat(1 << 20));
        assert_eq!(tool(&long).unwrap().description.unwrap().chars().count(), DESCRIPTION + 1);
    }
}
