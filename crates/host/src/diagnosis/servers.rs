//! Checks of what is lent: whether each server could be started. None is.

use std::path::Path;

use super::Check;
use crate::manage::Kept;
use crate::secret::{SecretName, secret_references};
use crate::server::{FolderAccess, ServerDefinition, ServerKind, SharedFolder};
use crate::upstream::{LoginEnvironment, ProgramError, locate};

/// Checks `login-shell` where it could not be asked, and `server.<id>` for each server.
pub(super) async fn checks(
    servers: &[ServerDefinition],
    kept: &Kept,
    environment: &LoginEnvironment,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(reason) = &environment.fallback {
        checks.push(Check::warning(
            "login-shell",
            reason.as_str(),
            "repair the shell's start-up files; until then servers may miss programs that the shell would find",
        ));
    }
    if servers.is_empty() {
        checks.push(Check::warning(
            "servers",
            "nothing can be lent, since there are no servers",
            "share a folder with: gatelodge host servers add-folder ID PATH",
        ));
    }
    let secrets = kept.secrets.clone();
    let known = kept.store.run(move |_| secrets.names()).await.unwrap_or_default();
    checks.extend(servers.iter().map(|server| check(server, &known, environment)));
    checks
}

fn check(server: &ServerDefinition, secrets: &[SecretName], environment: &LoginEnvironment) -> Check {
    let id = format!("server.{}", server.id);
    match &server.kind {
        ServerKind::Files { folders } => match folders.iter().find_map(folder_trouble) {
            Some((found, advice)) => Check::failed(id, found, advice),
            None => Check::ok(id, format!("all its folders are there ({})", folders.len())),
        },
        ServerKind::Stdio { command, args, env, cwd } => {
            for (variable, value) in env {
                let missing = match secret_references(value) {
                    Ok(names) => names.into_iter().find(|name| !secrets.contains(name)),
                    Err(error) => {
                        let found = format!("its variable {variable} cannot be filled in: {error}");
                        return Check::failed(
                            id,
                            found,
                            "correct the variable: gatelodge host servers add --help",
                        );
                    }
                };
                if let Some(name) = missing {
                    let name = name.as_str();
                    return Check::failed(
                        id,
                        format!("its variable {variable} refers to the secret {name}, which there is not"),
                        format!("keep it with: gatelodge host secrets set {name}"),
                    );
                }
            }
            match locate(command, args, env, cwd.as_deref(), environment) {
                Ok(path) => Check::ok(id, format!("its program is {}", path.display())),
                Err(error) => {
                    let (found, advice) = program_trouble(&error);
                    Check::failed(id, found, advice)
                }
            }
        }
    }
}

fn program_trouble(error: &ProgramError) -> (String, String) {
    match error {
        ProgramError::NotInPath { command, origin, path, hint } => {
            (format!("its program {command} is not in the {origin} PATH ({path})"), hint.clone())
        }
        ProgramError::NotRunnable(path) => (
            format!("{} is not a program that can be run", path.display()),
            "check the path, and that the file may be executed (chmod +x)".to_owned(),
        ),
        ProgramError::NoDirectory(path) => (
            format!("its working directory {} is not there", path.display()),
            "make it, or add the server again with another --cwd".to_owned(),
        ),
        other => (other.to_string(), "add the server again without it".to_owned()),
    }
}

/// What is wrong with a folder, and what to do.
fn folder_trouble(folder: &SharedFolder) -> Option<(String, String)> {
    let path: &Path = &folder.path;
    let shown = path.display();
    match std::fs::read_dir(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some((
                format!("the folder {shown} is gone"),
                "put it back (plug its disk in), or share another one in its place".to_owned(),
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Some((format!("{shown} is no folder"), "share the folder that it is in".to_owned()));
        }
        Err(error) => {
            return Some((
                format!("the folder {shown} cannot be read ({error})"),
                "make it yours to read, or share another one in its place".to_owned(),
            ));
        }
    }
    let locked = std::fs::metadata(path).is_ok_and(|data| data.permissions().readonly());
    (folder.access == FolderAccess::ReadWrite && locked).then(|| {
        (
            format!("the folder {shown} is shared to be changed, but nobody may write there"),
            "make it yours to write (chmod u+w), or share it read-only".to_owned(),
        )
    })
}
