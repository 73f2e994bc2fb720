//! Replies as text for people.

use std::fmt::Write;

use gatelodge_host::activity::ActivityRow;
use gatelodge_host::manage::{Reply, ToolSummary};
use gatelodge_host::{
    FolderAccess, GateState, Grant, HostEvent, LinkKind, LinkPolicy, ServerDefinition, ServerKind, ToolRule,
};

/// Writes a reply as lines.
pub(super) fn reply(reply: &Reply) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_reply(&mut text, reply);
    text
}

fn write_reply(out: &mut String, reply: &Reply) -> std::fmt::Result {
    match reply {
        Reply::Status { fingerprint, words, running, sessions } => {
            writeln!(out, "{fingerprint}\n{words}")?;
            match running {
                true => writeln!(out, "running, {sessions} sessions"),
                false => writeln!(out, "not running; start it with: gatelodge host"),
            }
        }
        Reply::Servers { servers } if servers.is_empty() => {
            writeln!(out, "no servers; share a folder with: gatelodge host servers add-folder ID PATH")
        }
        Reply::Servers { servers } => servers.iter().try_for_each(|one| writeln!(out, "{}", server(one))),
        Reply::ServerLog { lines } => lines.iter().try_for_each(|line| writeln!(out, "{line}")),
        Reply::Probed { server, protocol, tools } => {
            writeln!(out, "{server}, MCP {protocol}")?;
            tools.iter().try_for_each(|tool| write_tool(out, tool))
        }
        Reply::Agents { agents } if agents.is_empty() => writeln!(out, "no agents are known"),
        Reply::Agents { agents } => agents.iter().try_for_each(|agent| {
            let lent = match &agent.servers {
                Some(servers) if servers.is_empty() => "nothing".to_owned(),
                Some(servers) => servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                None => "NOTHING, since its grants were changed outside of gatelodge".to_owned(),
            };
            let since = agent.since.map_or_else(String::new, |since| format!(", since {since}"));
            writeln!(out, "{} ({}{since})", agent.label, agent.state)?;
            writeln!(out, "  {}\n  {}\n  lent: {lent}", agent.fingerprint, agent.words)
        }),
        Reply::Grants { grants, altered } => {
            for agent in altered {
                writeln!(
                    out,
                    "{agent}\n  its grants were changed outside of gatelodge and count as none; set them anew"
                )?;
            }
            if grants.is_empty() && altered.is_empty() {
                writeln!(
                    out,
                    "nothing is granted; lend a server with: gatelodge host grants set AGENT SERVER"
                )?;
            }
            grants.iter().try_for_each(|one| write_grant(out, one))
        }
        Reply::Links { links, .. } if links.is_empty() => {
            writeln!(
                out,
                "no links; add one with: gatelodge host links add ID tcp://127.0.0.1:7420 --ask-unknown"
            )
        }
        Reply::Links { links, open } => links.iter().try_for_each(|link| {
            let listens = match &link.kind {
                LinkKind::Tcp { bind } => format!("tcp://{bind}"),
                LinkKind::WebSocket { bind } => format!("ws://{bind}"),
                LinkKind::Rendezvous { url } => format!("rendezvous {url}"),
                LinkKind::Embedded { bind } => format!("embedded rendezvous on {bind}"),
            };
            let state = match open.iter().find(|(id, _)| *id == link.id) {
                Some((_, address)) => format!("open at {address}"),
                None if link.enabled => "not open".to_owned(),
                None => "disabled".to_owned(),
            };
            let policy = match link.prompt {
                LinkPolicy::AskUnknown => "asks about unknown agents",
                LinkPolicy::PairedOnly => "known agents only",
            };
            let lends =
                link.server.as_ref().map_or_else(String::new, |server| format!(", plain peers get {server}"));
            writeln!(out, "{}: {listens} ({state}; {policy}{lends})", link.id)
        }),
        Reply::Invitations { invitations } => write!(out, "{}", super::invite::list(invitations)),
        Reply::Sessions { sessions } if sessions.is_empty() => writeln!(out, "no sessions"),
        Reply::Sessions { sessions } => sessions.iter().try_for_each(|session| {
            let label = if session.label.is_empty() { "(waits for a verdict)" } else { &session.label };
            let lost = if session.interrupted { " (interrupted; its agent is waited for)" } else { "" };
            writeln!(
                out,
                "{}: {label}, since {}, by {}, {}{lost}",
                session.id, session.since, session.link, session.path
            )?;
            writeln!(out, "  {}", session.agent)?;
            if let Some(time) = session.rtt_ms.map(f64::from) {
                writeln!(
                    out,
                    "  {} ({} here, {} there), round trip {time} ms, {} calls, {} bytes in, {} bytes out",
                    session.kind,
                    session.local_kind,
                    session.remote_kind,
                    session.calls,
                    session.bytes_received,
                    session.bytes_sent
                )?;
            }
            session.channels.iter().try_for_each(|server| writeln!(out, "  uses {server}"))
        }),
        Reply::Activity { entries } => entries.iter().try_for_each(|row| write_row(out, row)),
        Reply::Verified { entries, broken: None } => {
            writeln!(out, "{entries} entries, none changed or removed")
        }
        Reply::Verified { entries, broken: Some(broken) } => writeln!(out, "{entries} entries; {broken}"),
        Reply::Pruned { entries } => writeln!(out, "{entries} old entries removed"),
        Reply::Gate { state } => writeln!(out, "{}", gate(*state)),
        Reply::Settings { settings } => super::settings::show(out, settings),
        Reply::Secrets { names } => names.iter().try_for_each(|name| writeln!(out, "{name}")),
        _ => Ok(()),
    }
}

/// A tool with what it says about itself.
fn write_tool(out: &mut String, tool: &ToolSummary) -> std::fmt::Result {
    write!(out, "  {}", tool.name)?;
    match (tool.read_only, tool.destructive) {
        (Some(true), _) => write!(out, " (says that it changes nothing)")?,
        (_, Some(true)) => write!(out, " (says that it may destroy something)")?,
        _ => {}
    }
    writeln!(out)?;
    let description = tool.description.iter().flat_map(|text| text.lines());
    description.filter(|line| !line.trim().is_empty()).try_for_each(|line| writeln!(out, "      {line}"))
}

/// An entry of the log in one line: its number and time, then its members as they are in the log.
fn write_row(out: &mut String, row: &ActivityRow) -> std::fmt::Result {
    let members = match serde_json::to_value(&row.entry) {
        Ok(serde_json::Value::Object(members)) => members,
        // Entries are objects of texts and numbers.
        _ => serde_json::Map::new(),
    };
    write!(out, "{} {} {}", row.seq, row.entry.at, row.entry.event.kind())?;
    for (name, value) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "at" | "kind")) {
        write!(out, " {name}={value}")?;
    }
    writeln!(out)
}

/// How the gate is, in one line.
fn gate(state: GateState) -> String {
    match state {
        GateState::Open => "the gate is open".to_owned(),
        GateState::Closed { until: Some(until) } => {
            format!("the gate is closed until {until}; nobody is let in")
        }
        GateState::Closed { until: None } => {
            "the gate is closed; nobody is let in until you open it".to_owned()
        }
    }
}

/// A server in one line.
pub(super) fn server(server: &ServerDefinition) -> String {
    let what = match &server.kind {
        ServerKind::Files { folders } => {
            let folder = |folder: &gatelodge_host::SharedFolder| {
                let access =
                    if folder.access == FolderAccess::ReadWrite { "read-write" } else { "read-only" };
                format!("{} ({access})", folder.path.display())
            };
            folders.iter().map(folder).collect::<Vec<_>>().join(", ")
        }
        ServerKind::Stdio { command, args, .. } => {
            std::iter::once(command).chain(args).map(String::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => "an unknown kind".to_owned(),
    };
    match server.name == server.id.as_str() {
        true => format!("{}: {what}", server.id),
        false => format!("{} ({}): {what}", server.id, server.name),
    }
}

fn write_grant(out: &mut String, grant: &Grant) -> std::fmt::Result {
    let rule = |rule: ToolRule| match rule {
        ToolRule::Allow => "allow",
        ToolRule::Ask => "ask",
        ToolRule::Deny => "deny",
    };
    writeln!(out, "{} for {}", grant.server, grant.agent)?;
    write!(out, "  tools: {}", rule(grant.tools.default))?;
    for (tool, own) in &grant.tools.tools {
        write!(out, ", {tool}: {}", rule(*own))?;
    }
    for folder in grant.folders.iter().flatten() {
        let access = if folder.access == FolderAccess::ReadWrite { "read-write" } else { "read-only" };
        write!(out, "\n  only {} ({access})", folder.path.display())?;
    }
    if grant.sampling {
        write!(out, "\n  may ask the agent's model")?;
    }
    if grant.elicitation {
        write!(out, "\n  may ask the agent's user")?;
    }
    if let Some(expires) = grant.expires {
        write!(out, "\n  until {expires}")?;
    }
    writeln!(out)
}

/// An event in one line; `None` for those that only tell others to look again.
pub(super) fn event(event: &HostEvent) -> Option<String> {
    Some(match event {
        HostEvent::LinkUp { link, address } => {
            format!("open: {address} (link {link}); agents use: gatelodge connect {address}")
        }
        HostEvent::LinkDown { link, reason } => format!("link {link} is not open: {reason}"),
        HostEvent::Refused { link, agent: Some(agent), reason } => {
            format!("refused on link {link}: {agent}: {reason}")
        }
        HostEvent::Refused { link, agent: None, reason } => format!("no session on link {link}: {reason}"),
        HostEvent::InvitationOpened { invitation, expires } => {
            format!("invitation {invitation} is open until {expires}")
        }
        HostEvent::InvitationEnded { invitation, reason } => {
            format!("invitation {invitation} is not open any more: {reason}")
        }
        HostEvent::PairingFailed { session, agent, invitation, reason } => {
            format!("session {session}: {agent} came with the invitation {invitation}, but {reason}")
        }
        HostEvent::Connected { session, agent, path, .. } => format!("session {session}: {agent}, {path}"),
        HostEvent::Admitted { session, label, servers } => {
            let lent = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let lent = if lent.is_empty() { "nothing".to_owned() } else { lent };
            format!("session {session}: \"{label}\" is in and gets {lent}")
        }
        HostEvent::Unreachable { session, agent } => {
            format!("session {session}: its agent is not reachable at the moment: {agent}")
        }
        HostEvent::Reachable { session } => format!("session {session}: its agent is reachable again"),
        HostEvent::Interrupted { session, reason, seconds } => {
            format!("session {session}: interrupted, {reason}; its agent is waited for, up to {seconds} s")
        }
        HostEvent::Resumed { session, path } => format!("session {session}: back, {path}"),
        HostEvent::PathChanged { session, path, kind } => format!("session {session}: now {kind}, {path}"),
        HostEvent::Ended { session, reason } => format!("session {session}: ended, {reason}"),
        HostEvent::ChannelOpened { session, server, .. } => format!("session {session}: uses {server}"),
        HostEvent::ChannelClosed { session, server, reason, .. } => {
            format!("session {session}: no longer uses {server}: {reason}")
        }
        HostEvent::Called { session, server, method, tool, outcome, millis } => match tool {
            Some(tool) => format!("session {session}: {server} {method} {tool}: {outcome}, {millis} ms"),
            None => format!("session {session}: {server} {method}: {outcome}, {millis} ms"),
        },
        HostEvent::ToolChanged { session, server, tool } => {
            format!("session {session}: {tool} of {server} is not the one that you lent; it is suspended")
        }
        HostEvent::GrantsAltered { agent } => {
            format!(
                "the grants of {agent} were changed outside of gatelodge and count as none; set them anew"
            )
        }
        HostEvent::KeychainUnavailable { reason } => format!("the keychain cannot be used: {reason}"),
        HostEvent::KeychainAvailable => "the keychain can be used again".to_owned(),
        HostEvent::GateChanged { state } => gate(*state),
        HostEvent::Missed { events } => format!("{events} events are not shown"),
        HostEvent::Changed | HostEvent::Checked { .. } => return None,
    })
}
