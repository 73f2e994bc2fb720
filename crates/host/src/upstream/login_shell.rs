//! The environment of the user's login shell, which an app that was started from a menu doesn't inherit: above all the
//! `PATH` under which `npx` and `uvx` are found.
//!
//! The shell is asked once ([`LoginShell`]), and again when somebody wants that. [`super::launcher`] gives the answer to
//! servers, after [`super::program`] has taken out what isn't theirs.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

use super::group::Group;
use super::guard::GuardCommand;

/// How long the shell may take. Start-up files with version managers need one to two seconds on slow machines.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The most that is read of what the shell prints: well above what Linux lets an environment have by default, plus
/// what start-up files print.
const ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Set while the shell is asked, so that start-up files can leave out what only people need.
const ASKING: &str = "GATELODGE_RESOLVING_ENVIRONMENT";

/// Variables that describe the shell that was asked, and mean nothing to anybody else.
const OF_THE_SHELL: [&str; 4] = ["_", "OLDPWD", "PWD", "SHLVL"];

/// The prefix of Gatelodge's own variables. No server gets any of them.
pub(crate) const OWN_PREFIX: &[u8] = b"GATELODGE_";

/// An environment to start servers in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginEnvironment {
    /// The variables, without those of Gatelodge itself (`GATELODGE_*`).
    pub variables: BTreeMap<OsString, OsString>,
    /// If these are not the login shell's variables but Gatelodge's own: why. A sentence for people.
    pub fallback: Option<String>,
}

impl LoginEnvironment {
    /// Returns the value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, fallback: Option<String>) -> Self {
        let foreign = |name: &OsStr| {
            !name.as_bytes().starts_with(OWN_PREFIX)
                && !OF_THE_SHELL.iter().any(|own| name == OsStr::new(own))
        };
        let variables = variables.into_iter().filter(|(name, _)| foreign(name)).collect();
        Self { variables, fallback }
    }
}

/// Asks the login shell for its environment, and remembers the answer.
#[derive(Debug)]
pub struct LoginShell {
    shell: PathBuf,
    starter: GuardCommand,
    wait: Duration,
    answer: Mutex<Option<Arc<LoginEnvironment>>>,
}

impl LoginShell {
    /// Will ask the user's shell: `$SHELL`, else the one of the user database, else `/bin/sh`.
    pub fn of_user(starter: GuardCommand) -> Self {
        let named = std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).map(PathBuf::from);
        let listed =
            || nix::unistd::User::from_uid(nix::unistd::Uid::current()).ok().flatten().map(|user| user.shell);
        let shell = named.or_else(listed).filter(|shell| !shell.as_os_str().is_empty());
        Self::new(shell.unwrap_or_else(|| "/bin/sh".into()), starter)
    }

    /// Will ask the given shell.
    pub fn new(shell: PathBuf, starter: GuardCommand) -> Self {
        Self { shell, starter, wait: ANSWER_WAIT, answer: Mutex::new(None) }
    }

    /// Changes how long the shell may take. Defaults to 5 s.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Returns the environment; asks the shell if that hasn't been done yet. Never fails: without a usable answer it is
    /// Gatelodge's own environment, with the reason.
    pub async fn environment(&self) -> Arc<LoginEnvironment> {
        let mut answer = self.answer.lock().await;
        match &*answer {
            Some(known) => Arc::clone(known),
            None => Arc::clone(answer.insert(self.find_out().await)),
        }
    }

    /// Asks the shell again, for instance after something has been installed.
    pub async fn refresh(&self) -> Arc<LoginEnvironment> {
        let mut answer = self.answer.lock().await;
        Arc::clone(answer.insert(self.find_out().await))
    }

    async fn find_out(&self) -> Arc<LoginEnvironment> {
        let environment = match self.ask().await {
            Ok(variables) => LoginEnvironment::new(variables, None),
            Err(reason) => {
                let shell = self.shell.display();
                let reason =
                    format!("the login shell {shell} {reason}, so Gatelodge's own environment is used");
                tracing::warn!("{reason}");
                LoginEnvironment::new(std::env::vars_os(), Some(reason))
            }
        };
        Arc::new(environment)
    }

    /// Asks the shell; the error completes the sentence "the shell ...".
    async fn ask(&self) -> Result<Vec<(OsString, OsString)>, String> {
        // Two markers, since some shells put the last word of a command, here the first marker, into a variable.
        let marks = (marker(), marker());
        // Every shell that people log in with reads this the same way. Start-up files may print before and after.
        let question = format!("echo {}; /usr/bin/env -0; echo {}", marks.0, marks.1);
        // Without a terminal of its own (the start stage makes a session) an interactive shell can't be stopped for
        // reading from one in the background.
        let mut child = self
            .starter
            .start(&self.shell, &["-l", "-i", "-c", &question])
            .envs(std::env::vars_os().filter(|(name, _)| !name.as_bytes().starts_with(OWN_PREFIX)))
            .env(ASKING, "1")
            .current_dir(home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("could not be started ({error})"))?;
        let group = child.id().and_then(Group::of_leader);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let answer = tokio::time::timeout(self.wait, async {
            if let Some(mut stdin) = stdin {
                // Lets the shell begin, and leaves it nothing to read.
                let _ = stdin.write_all(b"\n").await;
            }
            read_answer(stdout.ok_or("has no standard output")?.take(ANSWER_BYTES), &marks).await
        })
        .await;
        let answer = answer.unwrap_or_else(|_| {
            if let Some(group) = group {
                group.signal_with_leader(Signal::SIGKILL);
            }
            Err(format!("did not answer within {} s", self.wait.as_secs_f32()))
        });
        // What start-up files have left running in the background is the user's.
        let _ = child.start_kill();
        let _ = child.wait().await;
        answer
    }
}

/// Reads up to the second marker. Not to the end: a background process may hold the pipe open.
async fn read_answer(
    mut output: impl tokio::io::AsyncRead + Unpin,
    marks: &(String, String),
) -> Result<Vec<(OsString, OsString)>, String> {
    let mut read = Vec::new();
    loop {
        if let Some(variables) = parse(&read, &marks.0, &marks.1) {
            return Ok(variables);
        }
        match output.read_buf(&mut read).await {
            Ok(0) => return Err("did not print its environment".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("could not be read ({error})")),
        }
    }
}

/// Takes the variables from between the two markers.
fn parse(output: &[u8], begin: &str, end: &str) -> Option<Vec<(OsString, OsString)>> {
    let first = memchr::memmem::find(output, begin.as_bytes())? + begin.len();
    let rest = output[first..].strip_prefix(b"\r").unwrap_or(&output[first..]).strip_prefix(b"\n")?;
    let end = memchr::memmem::find(rest, end.as_bytes())?;
    let entries = rest[..end].split(|&byte| byte == 0);
    let variables = entries.filter_map(|entry| {
        let equals = entry.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
        let (name, value) = (&entry[..equals], &entry[equals + 1..]);
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    });
    let variables: Vec<_> = variables.collect();
    (!variables.is_empty()).then_some(variables)
}

/// A word that no start-up file prints by chance. It needs no secrecy.
fn marker() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("environment-{:016x}{:016x}", random(), random())
}

/// The user's home directory, or the root if there is none.
pub(crate) fn home() -> PathBuf {
    let named = std::env::home_dir().filter(|home| home.is_dir());
    named.unwrap_or_else(|| Path::new("/").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(output: &str) -> Option<Vec<(String, String)>> {
        let variables = parse(output.as_bytes(), "BEGIN", "END")?;
        let text = |text: OsString| text.into_string().unwrap();
        Some(variables.into_iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn noise_around_the_markers_is_ignored() {
        let answer = parsed("Welcome!\nA=no\nBEGIN\nA=1\0_=BEGIN\0B=two=2\nlines\0C=\0END\nbye").unwrap();
        let expected = [("A", "1"), ("_", "BEGIN"), ("B", "two=2\nlines"), ("C", "")];
        assert_eq!(answer, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn an_unfinished_or_empty_answer_is_none() {
        for output in ["", "BEGIN", "BEGIN\nA=1\0", "BEGIN\nEND\n", "BEGIN\nnonsense\0END\n", "A=1\0END\n"] {
            assert_eq!(parsed(output), None, "{output:?}");
        }
    }

    #[test]
    fn own_and_shell_variables_are_taken_out() {
        let all = ["PATH", "GATELODGE_HOME", "PWD", "_", "HOME"].map(|name| (name.into(), "x".into()));
        let environment = LoginEnvironment::new(all, None);
        let names: Vec<_> = environment.variables.keys().collect();
        assert_eq!(names, ["HOME", "PATH"]);
    }
}
