//! `gatelodge host servers|agents|grants|links|pair|invitations|sessions|gate|activity|secrets|settings|status`: managing the desktop
//! from the command line, by the running instance or, while none runs, on its database.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatelodge_host::activity::{ActivityFilter, CallOutcome};
use gatelodge_host::manage::{AgentSummary, FailureCause, Reply, Request, SecretText};
use gatelodge_host::{
    EntryRule, Fingerprint, FolderAccess, Grant, LinkDefinition, LinkId, LinkKind, LinkPolicy,
    ServerDefinition, ServerId, ServerKind, SessionId, SharedFolder, Timestamp, ToolRules,
};

use crate::failure::{Exit, Failure};

mod options;
mod values;

pub(crate) use options::Manage;
use options::{Activity, Agents, Filter, Grants, Links, Secrets, Servers, Sessions};
use values::Way;
pub(super) use values::{listen_address, rendezvous, span};

/// Carries out one command.
pub(crate) async fn run(manage: Manage, json: bool) -> Result<(), Failure> {
    let desk = super::Desk::find().await?;
    let request = request(&desk, manage).await?;
    let reply = desk.ask(request).await?;
    if let Reply::Failed { message, cause } = reply {
        return Err(failed(message, cause));
    }
    let broken = matches!(&reply, Reply::Verified { broken: Some(_), .. });
    if json {
        let text = serde_json::to_string_pretty(&reply).map_err(|error| Failure::of(Exit::Other, &error))?;
        println!("{text}");
    } else if let Some(text) = super::invite::shown(&reply) {
        // What is in it was made here, and the code is drawn in colours.
        print!("{text}");
    } else {
        print!("{}", crate::terminal::harmless(&super::show::reply(&reply)));
    }
    match broken {
        true => Err(Failure::new(Exit::Other, "the activity log is not what was written")),
        false => Ok(()),
    }
}

async fn request(desk: &super::Desk, manage: Manage) -> Result<Request, Failure> {
    Ok(match manage {
        Manage::Status => Request::Status,
        Manage::Doctor(_) => Request::Diagnose,
        Manage::Servers(servers) => servers_request(servers)?,
        Manage::Agents(agents) => match agents {
            Agents::List => Request::Agents,
            Agents::Trust { fingerprint, label } => Request::Trust { agent: fingerprint, label },
            Agents::Rename { agent, label } => {
                Request::RenameAgent { agent: find(desk, &agent).await?, label }
            }
            Agents::Block { agent } => Request::Block { agent: find(desk, &agent).await? },
            Agents::Forget { agent } => Request::Forget { agent: find(desk, &agent).await? },
        },
        Manage::Grants(grants) => grants_request(desk, grants).await?,
        Manage::Links(links) => links_request(desk, links).await?,
        Manage::Pair(invite) => invite.request(),
        Manage::Invitations(invitations) => invitations.request(),
        Manage::Sessions(Sessions::List) => Request::Sessions,
        Manage::Sessions(Sessions::End { id }) => Request::EndSession { session: SessionId(id) },
        Manage::Activity(Activity::List { limit, before, filter }) => {
            Request::Activity { limit, before, filter: filter.resolve(desk).await? }
        }
        Manage::Gate { change: None } => Request::Gate,
        Manage::Gate { change: Some(gate) } => Request::SetGate { change: gate.change() },
        Manage::Settings { change: None } => Request::Settings,
        Manage::Settings { change: Some(change) } => match desk.ask(Request::Settings).await? {
            Reply::Settings { settings } => change.request(&settings)?,
            Reply::Failed { message, cause } => return Err(failed(message, cause)),
            _ => return Err(unexpected()),
        },
        Manage::Activity(Activity::Verify) => Request::VerifyActivity,
        Manage::Activity(Activity::Prune { days }) => Request::PruneActivity { days },
        Manage::Activity(Activity::Export { file, filter }) => {
            Request::ExportActivity { path: absolute(file)?, filter: filter.resolve(desk).await? }
        }
        Manage::Secrets(Secrets::List) => Request::Secrets,
        Manage::Secrets(Secrets::Set { name }) => {
            let value = std::io::read_to_string(std::io::stdin())
                .map_err(|error| Failure::of(Exit::Other, &error))?;
            Request::PutSecret { name, value: SecretText(value.trim_end_matches(['\n', '\r']).to_owned()) }
        }
        Manage::Secrets(Secrets::Remove { name }) => Request::RemoveSecret { name },
    })
}

fn servers_request(servers: Servers) -> Result<Request, Failure> {
    let define = |id: ServerId, name: Option<String>, kind| {
        let name = name.unwrap_or_else(|| id.to_string());
        Request::PutServer { server: ServerDefinition { id, name, kind, notes: String::new() } }
    };
    Ok(match servers {
        Servers::List => Request::Servers,
        Servers::AddFolder { id, folders, read_write, name } => {
            let access = if read_write { FolderAccess::ReadWrite } else { FolderAccess::ReadOnly };
            let folders = folders.into_iter().map(|path| shared(path, access)).collect::<Result<_, _>>()?;
            define(id, name, ServerKind::Files { folders })
        }
        Servers::Add { id, command, env, cwd, name } => {
            let mut words = command.into_iter();
            let command = words.next().unwrap_or_default();
            let cwd = cwd.map(absolute).transpose()?;
            let env = env.into_iter().collect::<BTreeMap<_, _>>();
            define(id, name, ServerKind::Stdio { command, args: words.collect(), env, cwd })
        }
        Servers::Remove { id } => Request::RemoveServer { server: id },
        Servers::Log { id } => Request::ServerLog { server: id },
        Servers::Probe { id } => Request::ProbeServer { server: id },
    })
}

async fn grants_request(desk: &super::Desk, grants: Grants) -> Result<Request, Failure> {
    Ok(match grants {
        Grants::List { agent: Some(agent) } => Request::Grants { agent: Some(find(desk, &agent).await?) },
        Grants::List { agent: None } => Request::Grants { agent: None },
        Grants::Set { agent, server, tools, tool, folder, folder_rw, ask, sampling, elicitation, span } => {
            let read_only = folder.into_iter().map(|path| shared(path, FolderAccess::ReadOnly));
            let read_write = folder_rw.into_iter().map(|path| shared(path, FolderAccess::ReadWrite));
            let folders = read_only.chain(read_write).collect::<Result<Vec<_>, _>>()?;
            Request::PutGrant {
                grant: Grant {
                    agent: find(desk, &agent).await?,
                    server,
                    entry: if ask { EntryRule::Ask } else { EntryRule::Open },
                    folders: (!folders.is_empty()).then_some(folders),
                    tools: ToolRules { default: tools.into(), tools: tool.into_iter().collect() },
                    sampling,
                    elicitation,
                    expires: span.map(|span| Timestamp::now().after(span)),
                    pins: BTreeMap::new(),
                },
            }
        }
        Grants::Remove { agent, server } => Request::RemoveGrant { agent: find(desk, &agent).await?, server },
    })
}

async fn links_request(desk: &super::Desk, links: Links) -> Result<Request, Failure> {
    let switched = async |id: LinkId, enabled| match desk.ask(Request::Links).await? {
        Reply::Links { links, .. } => {
            let link = links.into_iter().find(|link| link.id == id);
            let link = link.ok_or_else(|| Failure::new(Exit::Other, format!("there is no link {id}")))?;
            Ok(Request::PutLink { link: LinkDefinition { enabled, ..link } })
        }
        _ => Err(unexpected()),
    };
    Ok(match links {
        Links::List => Request::Links,
        Links::Add { id, way, url, lend, ask_unknown } => {
            let usage = |error: String| Failure::new(Exit::Usage, error);
            let kind = match (way, url) {
                (Way::Listen(kind), None) => kind,
                (Way::Listen(_), Some(_)) => {
                    return Err(usage("only a rendezvous is followed by a URL".to_owned()));
                }
                (Way::Rendezvous, Some(url)) => rendezvous(&url).map_err(usage)?,
                (Way::Rendezvous, None) => {
                    return Err(usage(
                        "say which rendezvous: https://HOST, http://HOST:PORT or embedded".to_owned(),
                    ));
                }
            };
            if ask_unknown && matches!(kind, LinkKind::Rendezvous { .. } | LinkKind::Embedded { .. }) {
                return Err(usage(
                    "at a rendezvous anybody can knock, so that unknown agents are turned away there without a question; \
                     leave --ask-unknown out"
                        .to_owned(),
                ));
            }
            let prompt = if ask_unknown { LinkPolicy::AskUnknown } else { LinkPolicy::PairedOnly };
            let name = id.to_string();
            Request::PutLink { link: LinkDefinition { id, name, kind, server: lend, enabled: true, prompt } }
        }
        Links::Remove { id } => Request::RemoveLink { link: id },
        Links::Enable { id } => switched(id, true).await?,
        Links::Disable { id } => switched(id, false).await?,
    })
}

fn failed(message: String, cause: FailureCause) -> Failure {
    let exit = if cause == FailureCause::Storage { Exit::Storage } else { Exit::Other };
    Failure::new(exit, message)
}

impl Filter {
    async fn resolve(self, desk: &super::Desk) -> Result<ActivityFilter, Failure> {
        let agent = match self.agent {
            Some(agent) => Some(find(desk, &agent).await?),
            None => None,
        };
        Ok(ActivityFilter {
            agent,
            server: self.server,
            tool: self.tool,
            outcome: self.outcome.map(CallOutcome::from),
            from: self.last.map(|span| Timestamp::now().before(span)),
            text: self.text,
            ..ActivityFilter::default()
        })
    }
}

/// Finds an agent by its fingerprint or its name.
async fn find(desk: &super::Desk, text: &str) -> Result<Fingerprint, Failure> {
    if let Ok(fingerprint) = text.parse() {
        return Ok(fingerprint);
    }
    let agents = match desk.ask(Request::Agents).await? {
        Reply::Agents { agents } => agents,
        Reply::Failed { message, cause } => return Err(failed(message, cause)),
        _ => return Err(unexpected()),
    };
    let found = agents.iter().find(|agent| agent.label == text || agent.words == text);
    let found = found.and_then(|AgentSummary { fingerprint, .. }| fingerprint.parse().ok());
    found.ok_or_else(|| {
        let known: Vec<_> = agents.iter().map(|agent| agent.label.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::new(Exit::Other, format!("no agent is known as {text:?}; known: {known}"))
    })
}

fn unexpected() -> Failure {
    Failure::new(Exit::Other, "the running desktop gave an unexpected reply; use the same version for both")
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::of(Exit::Other, &error))
}

fn shared(path: PathBuf, access: FolderAccess) -> Result<SharedFolder, Failure> {
    Ok(SharedFolder { path: absolute(path)?, access })
}
