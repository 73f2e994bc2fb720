//! The login shell is asked for its environment; whatever it does, there is an answer in time.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use gatelodge_host::upstream::{LoginEnvironment, LoginShell};

use super::{Lab, guard_command, script, within};

/// Asks a shell that is a script; `$4` is the question.
async fn ask(lab: &Lab, text: &str) -> LoginEnvironment {
    let shell = script(lab.folder.path(), "fake", &format!("#!/bin/sh\n{text}\n"));
    asked(shell, Duration::from_secs(30)).await
}

async fn asked(shell: PathBuf, wait: Duration) -> LoginEnvironment {
    let shell = LoginShell::new(shell, guard_command()).wait(wait);
    within(shell.environment()).await.as_ref().clone()
}

#[tokio::test]
async fn a_shell_is_asked_as_a_login_shell_and_its_noise_ignored() {
    let lab = Lab::new();
    let environment = ask(
        &lab,
        "echo Welcome; export ARGS=\"$1 $2 $3\" LINES_='a\nb'; printf 'no newline'; sh -c \"$4\"; echo Goodbye",
    )
    .await;
    assert_eq!(environment.fallback, None);
    assert_eq!(environment.get("ARGS"), Some(OsStr::new("-l -i -c")));
    assert_eq!(environment.get("LINES_"), Some(OsStr::new("a\nb")));
    assert_eq!(environment.get("GATELODGE_RESOLVING_ENVIRONMENT"), None);
}

#[tokio::test]
async fn start_up_files_can_tell_that_nobody_looks() {
    let lab = Lab::new();
    let environment = ask(&lab, "export SEEN=$GATELODGE_RESOLVING_ENVIRONMENT; eval \"$4\"").await;
    assert_eq!(environment.get("SEEN"), Some(OsStr::new("1")));
}

#[tokio::test]
async fn real_shells_answer() {
    for shell in ["/bin/sh", "/bin/bash"] {
        let environment = asked(shell.into(), Duration::from_secs(30)).await;
        assert_eq!(environment.fallback, None, "{shell}");
        assert!(environment.get("PATH").is_some_and(|path| !path.is_empty()), "{shell}");
    }
}

#[tokio::test]
async fn a_background_process_that_holds_the_output_does_not_delay_the_answer() {
    let lab = Lab::new();
    let fifo = lab.fifo("go");
    let environment = ask(&lab, &format!("(read line < {}) & eval \"$4\"", fifo.display())).await;
    assert_eq!(environment.fallback, None);
    // It is the user's own, and still there.
    super::release(&fifo);
}

#[tokio::test]
async fn a_shell_that_hangs_is_given_up() {
    let lab = Lab::new();
    let fifo = lab.fifo("alive");
    let shell = script(
        lab.folder.path(),
        "hangs",
        &format!(
            "#!/bin/sh\nexec 3> {}\ntrap '' TERM\nsleep 1000 &\nwhile :; do sleep 1000; done\n",
            fifo.display()
        ),
    );
    let gone = super::closed(&fifo);
    let environment = asked(shell, Duration::from_millis(500)).await;
    let reason = environment.fallback.unwrap();
    assert!(reason.contains("did not answer within 0.5 s"), "{reason}");
    within(gone).await.unwrap();
}

#[tokio::test]
async fn nonsense_falls_back_to_the_own_environment_with_a_reason() {
    let lab = Lab::new();
    let silent = script(lab.folder.path(), "silent", "#!/bin/sh\nexit 0\n");
    let chatty = script(lab.folder.path(), "chatty", "#!/bin/sh\nexec yes\n");
    for shell in ["/no/such/shell".into(), "/bin/false".into(), "nonsense".into(), silent, chatty] {
        let environment = asked(shell.clone(), Duration::from_secs(30)).await;
        let reason = environment.fallback.clone().unwrap();
        assert!(reason.contains(shell.to_str().unwrap()), "{reason}");
        assert_eq!(environment.get("PATH"), std::env::var_os("PATH").as_deref());
    }
}

#[tokio::test]
async fn the_answer_is_remembered_until_it_is_refreshed() {
    let lab = Lab::new();
    let count = lab.path("count");
    let text =
        format!("#!/bin/sh\necho x >> {0}; export COUNT=$(wc -l < {0}); eval \"$4\"\n", count.display());
    let shell = LoginShell::new(script(lab.folder.path(), "counts", &text), guard_command());
    let first = within(shell.environment()).await;
    assert_eq!(first.get("COUNT"), Some(OsStr::new("1")));
    assert_eq!(within(shell.environment()).await, first);
    assert_eq!(within(shell.refresh()).await.get("COUNT"), Some(OsStr::new("2")));
    assert_eq!(within(shell.environment()).await.get("COUNT"), Some(OsStr::new("2")));
}
