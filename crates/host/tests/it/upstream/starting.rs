//! What is started, with what, and what is not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatelodge_host::upstream::{Ending, LaunchOptions, LoginShell, ProgramError, ServerLauncher, StartError};
use gatelodge_host::{Fingerprint, ServerDefinition, ServerKind};
use zeroize::Zeroizing;

use super::{AGENT, Lab, definition, guard_command, no_secrets, recv, script, within};

/// Changes the parts of a definition that a test is about.
fn with(
    mut server: ServerDefinition,
    change: impl FnOnce(&mut BTreeMap<String, String>, &mut Option<PathBuf>),
) -> ServerDefinition {
    if let ServerKind::Stdio { env, cwd, .. } = &mut server.kind {
        change(env, cwd);
    }
    server
}

#[tokio::test]
async fn a_missing_program_names_where_it_was_looked_for() {
    let lab = Lab::new();
    let error = lab.launcher.start(&definition("no-such-npx", &[]), &AGENT, &no_secrets).await.unwrap_err();
    assert!(matches!(error, StartError::Program(ProgramError::NotInPath { .. })), "{error:?}");
    let path = std::env::var("PATH").unwrap();
    assert!(error.to_string().starts_with(&format!("no-such-npx is not in the login shell's PATH ({path})")));
}

#[tokio::test]
async fn programs_are_found_in_the_path_of_the_login_shell() {
    let lab = Lab::new();
    let bin = lab.path("bin");
    std::fs::create_dir(&bin).unwrap();
    script(&bin, "my-server", "#!/bin/sh\necho \"{\\\"path\\\":\\\"$PATH\\\"}\"\n");
    let shell = format!("#!/bin/sh\nPATH={}:/usr/bin:/bin; export PATH\neval \"$4\"\n", bin.display());
    let shell = LoginShell::new(script(lab.folder.path(), "profile-shell", &shell), guard_command());
    let launcher = ServerLauncher::new(guard_command(), shell, LaunchOptions::default());
    let mut upstream = launcher.start(&definition("my-server", &[]), &AGENT, &no_secrets).await.unwrap();
    let expected = format!("{{\"path\":\"{}:/usr/bin:/bin\"}}", bin.display());
    assert_eq!(recv(&mut upstream).await.unwrap(), expected, "and the server has that PATH itself");
}

#[tokio::test]
async fn a_server_gets_the_shells_variables_and_its_own_and_nothing_of_ours() {
    let lab = Lab::new();
    let shell = "#!/bin/sh\nexport FROM_SHELL=1 GATELODGE_TOKEN=secret\nexec /usr/bin/env -i FROM_SHELL=1 \
                 GATELODGE_TOKEN=secret PATH=/usr/bin:/bin /bin/sh -c \"$4\"\n";
    let shell = LoginShell::new(script(lab.folder.path(), "small-shell", shell), guard_command());
    let launcher = ServerLauncher::new(guard_command(), shell, LaunchOptions::default());
    let server = with(lab.python("import json, os; print(json.dumps(dict(os.environ)))"), |env, _| {
        env.insert("KEY".to_owned(), "Bearer ${secret:token}".to_owned());
    });
    let secrets = |value: &str| Ok(Zeroizing::new(value.replace("${secret:token}", "t0p")));
    let mut upstream = launcher.start(&server, &AGENT, &secrets).await.unwrap();
    let variables: BTreeMap<String, String> =
        serde_json::from_str(&recv(&mut upstream).await.unwrap()).unwrap();
    assert_eq!(variables["KEY"], "Bearer t0p");
    assert_eq!(variables["FROM_SHELL"], "1");
    // Python itself may add LC_CTYPE.
    let others =
        variables.keys().filter(|name| !["KEY", "FROM_SHELL", "PATH", "LC_CTYPE"].contains(&name.as_str()));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    let log: String = launcher.log(&server.id).tail().into_iter().map(|line| line.text).collect();
    assert!(!log.contains("t0p"));
}

#[tokio::test]
async fn arguments_are_never_seen_by_a_shell() {
    let lab = Lab::new();
    let file =
        script(lab.folder.path(), "args.py", "import json, sys; print(json.dumps({'a': sys.argv[1:]}))");
    let arguments = ["$(id)", "a b", "*", "; exit", "\"'\\", "", "-x", "\n"];
    let mut all = vec![file.to_str().unwrap()];
    all.extend(arguments);
    let mut upstream = lab.start(&definition(super::python(), &all)).await;
    let answer: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&recv(&mut upstream).await.unwrap()).unwrap();
    assert_eq!(answer["a"], arguments);
}

#[tokio::test]
async fn a_server_runs_in_its_folder_and_leads_a_group_without_terminal() {
    let lab = Lab::new();
    let server = lab.python(
        "import json, os; print(json.dumps({'cwd': os.getcwd(), 'leads': os.getpgrp() == os.getpid() == os.getsid(0)}))",
    );
    let folder = lab.folder.path().canonicalize().unwrap();
    let mut upstream = lab.start(&with(server.clone(), |_, cwd| *cwd = Some(folder.clone()))).await;
    let expected = format!("{{\"cwd\": \"{}\", \"leads\": true}}", folder.display());
    assert_eq!(recv(&mut upstream).await.unwrap(), expected);
    let missing = with(server, |_, cwd| *cwd = Some("/no/such/folder".into()));
    let error = lab.launcher.start(&missing, &AGENT, &no_secrets).await.unwrap_err();
    assert!(matches!(error, StartError::Program(ProgramError::NoDirectory(_))), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_program_says_so() {
    let lab = Lab::new();
    let file = script(lab.folder.path(), "nonsense", "#!/no/such/interpreter\n");
    let mut upstream = lab.start(&definition(file.to_str().unwrap(), &[])).await;
    assert_eq!(recv(&mut upstream).await, None);
    let reason = within(upstream.end(Ending::Gentle)).await;
    assert!(reason.to_string().contains("exited with code 127; it last said: cannot run"), "{reason}");
}

#[tokio::test]
async fn the_number_of_processes_is_limited_per_agent_and_in_all() {
    let lab = Lab::with(LaunchOptions { children: 3, children_per_agent: 2, ..LaunchOptions::default() });
    let server = lab.sh("exec cat");
    let first = lab.start(&server).await;
    let _second = lab.start(&server).await;
    let error = lab.launcher.start(&server, &AGENT, &no_secrets).await.unwrap_err();
    assert!(matches!(error, StartError::TooManyForAgent { limit: 2 }), "{error:?}");
    let other = Fingerprint::from_bytes([8; 32]);
    let _third = lab.launcher.start(&server, &other, &no_secrets).await.unwrap();
    let error = lab.launcher.start(&server, &other, &no_secrets).await.unwrap_err();
    assert!(matches!(error, StartError::TooMany { limit: 3 }), "{error:?}");
    within(first.end(Ending::Gentle)).await;
    within(async {
        // The room is given back by the process's task, just after the end is told.
        while lab.launcher.running() > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    lab.start(&server).await;
}

#[tokio::test]
async fn a_server_that_crashes_again_and_again_is_held_back_for_its_agent_only() {
    let lab = Lab::new();
    let server = lab.sh("exit 1");
    for _ in 0..3 {
        let upstream = lab.start(&server).await;
        within(upstream.sender().ended()).await;
        within(async {
            while lab.launcher.running() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let error = lab.launcher.start(&server, &AGENT, &no_secrets).await.unwrap_err();
    assert!(matches!(error, StartError::CrashLoop { retry_after } if retry_after.as_secs() < 5), "{error:?}");
    let other = Fingerprint::from_bytes([8; 32]);
    assert!(lab.launcher.start(&server, &other, &no_secrets).await.is_ok());
}

#[tokio::test]
async fn a_guard_that_cannot_be_started_means_no_server() {
    let lab = Lab::new();
    let shell = LoginShell::new("/bin/false".into(), guard_command());
    let nothing = gatelodge_host::upstream::guard::GuardCommand::new("/no/such/guard");
    let launcher = ServerLauncher::new(nothing, shell, LaunchOptions::default());
    let error = launcher.start(&lab.sh("exec cat"), &AGENT, &no_secrets).await.unwrap_err();
    assert!(matches!(error, StartError::Spawn(_)), "{error:?}");
}
