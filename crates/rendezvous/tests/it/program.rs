//! The program: options, signals, and its end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use mcp_webrtc::Identity;
use mcp_webrtc::signaling::rendezvous::{RendezvousAgent, RendezvousState};

use crate::desks::{desktop, options, state};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelodge-rendezvous"));
    command.stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("GATELODGE_LOG");
    command
}

fn signal(program: &Program, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &program.0.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn the_program_reads_its_settings_again_and_ends_in_order() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "listen = \"127.0.0.1:0\"\nstun-url = [\"stun:one.example.org\"]").unwrap();
    let mut program = Program(command().arg("--config").arg(file.path()).spawn().unwrap());
    let mut log = BufReader::new(program.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let listening = log.find(|line| line.contains("listening on")).unwrap();
    let url = listening.split_whitespace().last().unwrap().parse().unwrap();
    let desk = Identity::generate().unwrap();
    let registered = desktop(&desk, &url).await;

    writeln!(file, "log-addresses = false").unwrap();
    std::fs::write(file.path(), "listen = \"127.0.0.1:0\"\nstun-url = [\"stun:two.example.org\"]\n").unwrap();
    signal(&program, "HUP");
    assert!(log.any(|line| line.contains("read again")));
    let agent = RendezvousAgent::connect(&Identity::generate().unwrap(), &url, options()).await.unwrap();
    assert_eq!(agent.ice_servers()[0].urls, ["stun:two.example.org"]);
    std::fs::write(file.path(), "max-connections = \"many\"\n").unwrap();
    signal(&program, "HUP");
    assert!(log.any(|line| line.contains("the old settings stay")));

    signal(&program, "TERM");
    let trouble = state(&registered, |state| matches!(state, RendezvousState::Trouble { .. })).await;
    assert!(matches!(&trouble, RendezvousState::Trouble { reason, .. } if reason.contains("about to end")));
    let rest: Vec<String> = log.collect();
    assert!(program.0.wait().unwrap().success());
    assert!(rest.iter().all(|line| !line.contains("127.0.0.1")), "addresses are not logged: {rest:?}");
}

#[test]
fn wrong_settings_are_said_before_it_starts() {
    let output = command().args(["--turn-url", "turn:t.example.org", "--check"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--turn-secret-file"));
    let good = command().args(["--max-connections", "5", "--check"]).output().unwrap();
    assert!(good.status.success());
    let environment =
        command().env("GATELODGE_RENDEZVOUS_MAX_CONNECTIONS", "0").arg("--check").output().unwrap();
    assert!(String::from_utf8(environment.stderr).unwrap().contains("max-connections must be more than 0"));
}
