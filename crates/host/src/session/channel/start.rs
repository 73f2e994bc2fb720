//! What stands before a channel's first message reaches a server: the grant, perhaps a question, and a start.

use gatelodge_files::{Access, FileServer, Folder};
use gatelodge_wire::{Control, RefusalCode};
use rmcp::ServiceExt;

use super::super::ending::Refusal;
use super::super::entrance::refusal_of;
use super::Context;
use crate::approval::{Subject, Verdict, lies_in};
use crate::desktop::Desktop;
use crate::grant::{EntryRule, Grant};
use crate::server::{FolderAccess, ServerDefinition, ServerKind, SharedFolder};
use crate::time::Timestamp;
use crate::upstream::{ServerReport, StartError, Upstream, probe_upstream};

/// Goes all the way to a running server of the channel's own.
pub(super) async fn start(context: &Context, label: &str) -> Result<(Upstream, Grant), Refusal> {
    let not_lent =
        || Refusal::new(RefusalCode::NotLent, format!("{} is not lent to this agent", context.server));
    let grant = context.live.grant(&context.server, Timestamp::now()).ok_or_else(not_lent)?;
    let definition =
        context.desktop.server(&context.server).await.map_err(|error| failed(context, &error))?;
    let definition = definition.ok_or_else(not_lent)?;
    if grant.entry == EntryRule::Ask {
        ask(context, label, &definition).await?;
    }
    let upstream = match &definition.kind {
        ServerKind::Files { folders } => {
            let folders = granted(folders, grant.folders.as_deref());
            let server = FileServer::open(folders).map_err(|error| failed(context, &error))?;
            let _ = context.files.set(server.clone());
            serve_files(&context.desktop, server)
        }
        _ => {
            let desktop = &context.desktop;
            let started =
                desktop.launcher.start(&definition, &context.live.agent, &desktop.kept.secrets).await;
            started.map_err(|error| not_started(context, &error))?
        }
    };
    Ok((upstream, grant))
}

/// Asks the person whether the agent may use the server now.
async fn ask(context: &Context, label: &str, definition: &ServerDefinition) -> Result<(), Refusal> {
    let desktop = &context.desktop;
    let message =
        format!("the desktop is asking its user whether this agent may use {} now", definition.name);
    let pending =
        Control::Pending { channel: Some(label.to_owned()), message, seconds: desktop.approval_seconds() };
    context.control.say(&pending).await;
    match context.ask(Subject::Session { server: definition.id.clone() }).await {
        Verdict::Once => Ok(()),
        Verdict::Session(_) => {
            context.live.open_entry_here(&definition.id);
            Ok(())
        }
        Verdict::Always(_) => {
            desktop.open_entry(context.live.agent, &definition.id).await;
            Ok(())
        }
        Verdict::Denied(denial) => Err(refusal_of(denial)),
    }
}

/// What the agent is told is only that it failed: the reason may have paths and names of this machine in it.
fn failed(context: &Context, error: &dyn std::error::Error) -> Refusal {
    let server = &context.server;
    let reason = gatelodge_wire::with_causes(error);
    tracing::warn!(%server, reason, "a server was not started");
    let message = format!("{server} could not be started; the desktop's user can see why");
    Refusal::new(RefusalCode::ServerFailed, message)
        .because(format!("{server} could not be started: {reason}"))
}

/// The agent is told what it can do something about: to wait, or to close a connection.
fn not_started(context: &Context, error: &StartError) -> Refusal {
    let code = match error {
        StartError::CrashLoop { .. } => RefusalCode::ServerFailed,
        StartError::TooMany { .. } | StartError::TooManyForAgent { .. } => RefusalCode::TooMany,
        StartError::ShuttingDown => RefusalCode::Revoked,
        error => return failed(context, error),
    };
    Refusal::new(code, format!("{} could not be started: {error}", context.server))
}

/// The folders that are both the server's and the agent's, with the lesser access of the two.
fn granted(served: &[SharedFolder], granted: Option<&[SharedFolder]>) -> Vec<Folder> {
    let Some(granted) = granted else {
        return served.iter().map(|folder| folder_of(folder, folder.access)).collect();
    };
    let within = |wanted: &SharedFolder| {
        let around = served.iter().filter(|folder| lies_in(&wanted.path, &folder.path));
        // The most specific of the server's folders says what may be done in it.
        let nearest = around.max_by_key(|folder| folder.path.components().count())?;
        Some(folder_of(wanted, wanted.access.min(nearest.access)))
    };
    granted.iter().filter_map(within).collect()
}

fn folder_of(folder: &SharedFolder, access: FolderAccess) -> Folder {
    let access = match access {
        FolderAccess::ReadOnly => Access::ReadOnly,
        FolderAccess::ReadWrite => Access::ReadWrite,
    };
    Folder { path: folder.path.clone(), access }
}

/// Serves folders in this process, until the other side ends it.
fn serve_files(desktop: &Desktop, server: FileServer) -> Upstream {
    let (upstream, transport) = Upstream::in_process();
    desktop.tasks.spawn(async move {
        match server.serve(transport).await {
            Ok(running) => drop(running.waiting().await),
            Err(error) => tracing::debug!(%error, "the file server was not begun with"),
        }
    });
    upstream
}

/// Asks a server what it has, in a process of its own.
pub(crate) async fn probe(desktop: &Desktop, definition: &ServerDefinition) -> Result<ServerReport, String> {
    let said = |error: &dyn std::error::Error| gatelodge_wire::with_causes(error);
    if let ServerKind::Files { folders } = &definition.kind {
        let server = FileServer::open(granted(folders, None)).map_err(|error| said(&error))?;
        let begun = || std::future::ready(Ok(serve_files(desktop, server.clone())));
        return probe_upstream(begun).await.map_err(|error| said(&error));
    }
    desktop.launcher.probe(definition, &desktop.kept.secrets).await.map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str, access: FolderAccess) -> SharedFolder {
        SharedFolder { path: path.into(), access }
    }

    #[test]
    fn a_grant_only_narrows_what_the_server_has() {
        use FolderAccess::{ReadOnly, ReadWrite};
        let served = [folder("/a", ReadOnly), folder("/a/w", ReadWrite), folder("/b", ReadWrite)];
        let table: [(&str, FolderAccess, Option<Access>); 8] = [
            ("/a", ReadWrite, Some(Access::ReadOnly)),
            ("/a/x", ReadOnly, Some(Access::ReadOnly)),
            ("/a/w/y", ReadWrite, Some(Access::ReadWrite)),
            ("/b/z", ReadOnly, Some(Access::ReadOnly)),
            ("/c", ReadOnly, None),
            ("/", ReadOnly, None),
            ("/ab", ReadOnly, None),
            ("/b/../c", ReadOnly, None),
        ];
        for (path, access, expected) in table {
            let lent = granted(&served, Some(&[folder(path, access)]));
            assert_eq!(lent.first().map(|folder| folder.access), expected, "{path}");
        }
        assert_eq!(granted(&served, None).len(), 3);
    }
}
