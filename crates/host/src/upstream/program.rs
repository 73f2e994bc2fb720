//! From a definition to a program that can be started: where it is, what environment it gets.
//!
//! A server gets the login shell's environment (see [`super::login_shell`]) without any variable of Gatelodge
//! (`GATELODGE_*`), and on top of it the variables of its definition with their secrets filled in. Nothing else: no
//! variable of the process that Gatelodge happens to run in, unless the login shell could not be asked.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::{SecretError, Secrets};

use super::child::Program;
use super::login_shell::{LoginEnvironment, OWN_PREFIX, home};

/// What a reference to a secret begins with.
const REFERENCE: &str = "${secret:";

/// Puts the values of secrets in place of their references. Cheap to clone.
pub trait ResolveSecrets: Clone + Send + 'static {
    /// Resolves the references in the value of one variable. May wait for a keychain; it isn't called on an async
    /// worker.
    ///
    /// # Errors
    ///
    /// If there is no such secret, or it can't be had.
    fn resolve(&self, value: &str) -> Result<Zeroizing<String>, SecretError>;
}

impl ResolveSecrets for Secrets {
    fn resolve(&self, value: &str) -> Result<Zeroizing<String>, SecretError> {
        Secrets::resolve(self, value)
    }
}

impl<F: Fn(&str) -> Result<Zeroizing<String>, SecretError> + Clone + Send + 'static> ResolveSecrets for F {
    fn resolve(&self, value: &str) -> Result<Zeroizing<String>, SecretError> {
        self(value)
    }
}

/// Resolves the secrets in the variables of a definition.
pub(crate) async fn resolved(
    env: &BTreeMap<String, String>,
    secrets: &impl ResolveSecrets,
) -> Result<BTreeMap<String, String>, SecretError> {
    if !env.values().any(|value| value.contains(REFERENCE)) {
        return Ok(env.clone());
    }
    let (mut env, secrets) = (env.clone(), secrets.clone());
    let resolving = tokio::task::spawn_blocking(move || {
        for value in env.values_mut().filter(|value| value.contains(REFERENCE)) {
            *value = secrets.resolve(value)?.to_string();
        }
        Ok(env)
    });
    resolving.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Why a definition is no program that can be started.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no such program in the `PATH`.
    #[error("{command} is not in the {origin} PATH ({path}); {hint}")]
    NotInPath {
        /// What was looked for.
        command: String,
        /// Whose `PATH` it was: "login shell's", "server's own" or "Gatelodge's".
        origin: &'static str,
        /// The `PATH`.
        path: String,
        /// What the person can do.
        hint: String,
    },
    /// There is no such file, or it can't be executed.
    #[error("{0} is not a program that can be run; check the path and its permissions")]
    NotRunnable(PathBuf),
    /// The working directory isn't there.
    #[error("the working directory {0} is not a directory; correct it in the server's settings")]
    NoDirectory(PathBuf),
    /// A variable or argument that no process can be given.
    #[error(
        "{0} cannot be passed to a program: it has a NUL character, or '=' in a variable's name, or is empty"
    )]
    NotPassable(String),
}

impl Program {
    /// Looks everything up. `env` has its secrets resolved, `environment` is the login shell's.
    pub(crate) fn find(
        command: &str,
        arguments: &[String],
        env: &BTreeMap<String, String>,
        directory: Option<&Path>,
        environment: &LoginEnvironment,
    ) -> Result<Self, ProgramError> {
        let directory = directory.map_or_else(home, Path::to_owned);
        if !directory.is_dir() {
            return Err(ProgramError::NoDirectory(directory));
        }
        if let Some(bad) =
            [command].into_iter().chain(arguments.iter().map(String::as_str)).find(|text| text.contains('\0'))
        {
            return Err(ProgramError::NotPassable(bad.replace('\0', "\u{fffd}")));
        }
        let mut variables = environment.variables.clone();
        for (name, value) in env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(ProgramError::NotPassable(format!("the variable {name:?}")));
            }
            if !name.as_bytes().starts_with(OWN_PREFIX) {
                variables.insert(name.into(), value.into());
            }
        }
        let origin = match (env.contains_key("PATH"), &environment.fallback) {
            (true, _) => "server's own",
            (false, None) => "login shell's",
            (false, Some(_)) => "Gatelodge's",
        };
        let path = variables.get(OsStr::new("PATH")).map(OsString::as_os_str).unwrap_or_default();
        let path = find_program(command, path, origin, &directory)?;
        Ok(Self { path, arguments: arguments.to_vec(), environment: variables, directory })
    }
}

/// Finds the file that a server's program would be, and what else keeps it from being started.
pub(crate) fn locate(
    command: &str,
    arguments: &[String],
    env: &BTreeMap<String, String>,
    directory: Option<&Path>,
    environment: &LoginEnvironment,
) -> Result<PathBuf, ProgramError> {
    Program::find(command, arguments, env, directory, environment).map(|program| program.path)
}

/// Finds the file of a command, the way execvp(3) does.
fn find_program(
    command: &str,
    path: &OsStr,
    origin: &'static str,
    directory: &Path,
) -> Result<PathBuf, ProgramError> {
    if command.contains('/') {
        let file = directory.join(command);
        return if is_program(&file) { Ok(file) } else { Err(ProgramError::NotRunnable(file)) };
    }
    let found = std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|file| !command.is_empty() && is_program(file));
    found.ok_or_else(|| ProgramError::NotInPath {
        command: if command.is_empty() { "an empty command".to_owned() } else { command.to_owned() },
        origin,
        path: path.to_string_lossy().into_owned(),
        hint: hint(command),
    })
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// What to install for the commands that servers are commonly started with.
fn hint(command: &str) -> String {
    let install = match command {
        "npx" | "npm" | "node" => "install Node.js",
        "uvx" | "uv" => "install uv",
        "python" | "python3" | "pip" | "pipx" => "install Python",
        "bunx" | "bun" => "install Bun",
        "deno" => "install Deno",
        "docker" => "install Docker",
        "podman" => "install Podman",
        _ => "install it",
    };
    format!("{install}, or give the full path of the program in the server's settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(path: &str) -> LoginEnvironment {
        let variables = BTreeMap::from([("PATH".into(), path.into())]);
        LoginEnvironment { variables, fallback: None }
    }

    fn find(command: &str, env: &[(&str, &str)]) -> Result<Program, ProgramError> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Program::find(command, &[], &env, Some(Path::new("/")), &environment("/usr/bin:/bin"))
    }

    #[test]
    fn a_missing_command_names_the_path_and_the_next_step() {
        let error = Program::find("npx", &[], &BTreeMap::new(), None, &environment("/nowhere")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "npx is not in the login shell's PATH (/nowhere); install Node.js, or give the full path of the program in \
             the server's settings",
        );
        let error = find("sh", &[("PATH", "/nowhere")]).unwrap_err();
        assert!(error.to_string().contains("the server's own PATH (/nowhere)"), "{error}");
    }

    #[test]
    fn relative_entries_of_the_path_are_not_searched() {
        let error =
            Program::find("sh", &[], &BTreeMap::new(), Some(Path::new("/bin")), &environment(".:bin:"));
        assert!(matches!(error, Err(ProgramError::NotInPath { .. })), "{error:?}");
    }

    #[test]
    fn paths_are_taken_from_the_working_directory() {
        assert_eq!(find("bin/sh", &[]).unwrap().path, Path::new("/bin/sh"));
        assert!(matches!(find("/etc/passwd", &[]), Err(ProgramError::NotRunnable(_))), "it isn't executable");
        assert!(matches!(find("/etc", &[]), Err(ProgramError::NotRunnable(_))), "it is a directory");
    }

    #[tokio::test]
    async fn secrets_are_asked_for_only_where_there_is_a_reference() {
        let resolve = |value: &str| match value {
            "x ${secret:A}" => Ok(Zeroizing::new("x 1".to_owned())),
            "${secret:" => Err(SecretError::Unclosed),
            other => panic!("{other} has no reference"),
        };
        let env = |value: &str| {
            BTreeMap::from([("K".to_owned(), value.to_owned()), ("L".to_owned(), "$".to_owned())])
        };
        assert_eq!(resolved(&env("plain"), &resolve).await.unwrap(), env("plain"));
        assert_eq!(resolved(&env("x ${secret:A}"), &resolve).await.unwrap(), env("x 1"));
        assert!(matches!(resolved(&env("${secret:"), &resolve).await, Err(SecretError::Unclosed)));
    }

    #[test]
    fn what_no_process_can_get_is_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0y")] {
            assert!(matches!(find("sh", &[(name, value)]), Err(ProgramError::NotPassable(_))), "{name:?}");
        }
        assert!(matches!(find("s\0h", &[]), Err(ProgramError::NotPassable(_))));
    }

    #[test]
    fn own_variables_are_left_out_even_if_the_definition_has_them() {
        assert!(
            !find("sh", &[("GATELODGE_HOME", "x")])
                .unwrap()
                .environment
                .contains_key(OsStr::new("GATELODGE_HOME"))
        );
    }
}
