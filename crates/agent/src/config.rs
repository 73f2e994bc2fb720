//! `gatelodge config`: what to put into an MCP client's settings so that it uses a lent server.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::failure::{Exit, Failure};
use crate::identity::Profile;
use crate::known::KnownDesktops;
use crate::target::Target;
use crate::terminal::say;

/// Print settings for an MCP client that make it use a desktop's server
#[derive(Debug, clap::Args)]
pub(crate) struct Config {
    /// The desktop: its name, the beginning of its fingerprint, or a link
    desktop: String,

    /// The server; may be left out where only one is lent
    server: Option<String>,

    /// The client whose settings they are
    #[arg(long, value_enum, default_value_t = Client::Claude)]
    client: Client,

    #[command(flatten)]
    profile: Profile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    /// Claude Desktop and Claude Code, and others with "mcpServers"
    Claude,
    /// Cursor
    Cursor,
    /// Visual Studio Code, in .vscode/mcp.json
    Vscode,
}

/// Prints the settings on standard output, and where they go on standard error.
pub(crate) fn run(options: &Config) -> Result<(), Failure> {
    let folder = options.profile.folder()?;
    let known = KnownDesktops::load(&folder).map_err(|error| Failure::of(Exit::Storage, &error))?;
    Target::resolve(&options.desktop, &known)?;
    // A name says more than what somebody typed of the fingerprint.
    let desktop = known.find(&options.desktop).map_or(options.desktop.as_str(), |found| found.name.as_str());
    let program = std::env::current_exe().map_err(|error| Failure::of(Exit::Other, &error))?;
    let program = program.to_str().ok_or_else(|| {
        Failure::new(Exit::Other, "this program's path is not UTF-8, which no client's settings can have")
    })?;
    let mut arguments = vec!["connect"];
    if options.profile.name() != Profile::DEFAULT {
        arguments.extend(["--profile", options.profile.name()]);
    }
    arguments.push(desktop);
    arguments.extend(options.server.as_deref());
    let home = std::env::var(gatelodge_host::HOME_VARIABLE).ok();
    let settings =
        settings(options.client, program, &arguments, home.as_deref(), desktop, options.server.as_deref());
    let text = serde_json::to_string_pretty(&settings).map_err(|error| Failure::of(Exit::Other, &error))?;
    say!(
        "{}",
        match options.client {
            Client::Claude =>
                "for claude_desktop_config.json (Claude Desktop: Settings, Developer, Edit Config), or .mcp.json of a project",
            Client::Cursor => "for ~/.cursor/mcp.json, or .cursor/mcp.json of a project",
            Client::Vscode =>
                "for .vscode/mcp.json, or what the command \"MCP: Open User Configuration\" opens",
        }
    );
    println!("{text}");
    Ok(())
}

fn settings(
    client: Client,
    program: &str,
    arguments: &[&str],
    home: Option<&str>,
    desktop: &str,
    server: Option<&str>,
) -> Value {
    let mut entry = Map::new();
    // Only this client tells its kinds of servers apart by a member.
    if client == Client::Vscode {
        entry.insert("type".to_owned(), "stdio".into());
    }
    entry.insert("command".to_owned(), program.into());
    entry.insert("args".to_owned(), arguments.into());
    if let Some(home) = home {
        // Clients start servers with an environment of their own.
        entry.insert("env".to_owned(), json!({ gatelodge_host::HOME_VARIABLE: home }));
    }
    let name = match server {
        Some(server) => format!("{desktop}-{server}"),
        None => desktop.to_owned(),
    };
    let fits = |character: char| {
        if character.is_ascii_alphanumeric() || "-_".contains(character) { character } else { '-' }
    };
    let servers =
        Value::from(Map::from_iter([(name.chars().map(fits).collect::<String>(), Value::from(entry))]));
    match client {
        Client::Claude | Client::Cursor => json!({ "mcpServers": servers }),
        Client::Vscode => json!({ "servers": servers }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_gets_its_shape() {
        let arguments = ["connect", "studio", "files"];
        let made = |client| settings(client, "/opt/gatelodge", &arguments, None, "studio", Some("files"));
        let entry = json!({"command": "/opt/gatelodge", "args": ["connect", "studio", "files"]});
        assert_eq!(made(Client::Claude), json!({"mcpServers": {"studio-files": entry}}));
        assert_eq!(made(Client::Cursor), made(Client::Claude));
        let typed =
            json!({"type": "stdio", "command": "/opt/gatelodge", "args": ["connect", "studio", "files"]});
        assert_eq!(made(Client::Vscode), json!({"servers": {"studio-files": typed}}));
        let made = settings(Client::Claude, "g", &["connect", "tcp://a:1"], Some("/h"), "tcp://a:1", None);
        assert_eq!(made["mcpServers"]["tcp---a-1"]["env"], json!({"GATELODGE_HOME": "/h"}));
    }
}
