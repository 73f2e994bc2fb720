//! An agent's roots stay with the agent: a lent server must not take its folders from whoever uses it.

use std::path::Path;

use gatelodge_tests::transparency::{Client, Run, Server, Stage, Way};
use serde_json::Value;
use tempfile::TempDir;

fn offering(root: &Path) -> Client {
    Client::Scenario("roots", vec![("ROOT", root.display().to_string())])
}

fn step(run: &Run, name: &str) -> Value {
    let steps = run.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    steps.into_iter().find(|step| step["step"] == name).unwrap()
}

fn has_tool(step: &Value, name: &str) -> bool {
    step["tools"].as_array().unwrap().iter().any(|tool| tool == name)
}

/// What the tests below rely on: without a desktop between them, roots do replace the folders of that server.
#[tokio::test]
async fn directly_they_replace_the_folders_of_server_filesystem() {
    let (lent, agents) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let stage = Stage::new(Server::filesystem(lent.path()));
    let run = stage.succeed(Way::Direct, &offering(agents.path())).await;
    assert_eq!(step(&run, "at_first")["replaced"], true);
    assert_eq!(step(&run, "changed")["asked"], 2);
}

#[tokio::test]
async fn directly_server_everything_asks_for_them() {
    let agents = TempDir::new().unwrap();
    let run = Stage::new(Server::everything()).succeed(Way::Direct, &offering(agents.path())).await;
    let at_first = step(&run, "at_first");
    assert_eq!(at_first["asked"], 1);
    assert!(has_tool(&at_first, "get-roots-list"), "{at_first}");
}

/// Fails the test if a word about roots went either way.
fn says_nothing_of_roots(run: &Run) {
    let server_side = run.server_side.as_ref().unwrap();
    let asked =
        run.client_side.server.iter().find(|line| String::from_utf8_lossy(line).contains("roots/list"));
    assert_eq!(asked, None, "the agent was asked for its roots");
    let told = server_side.client.iter().map(|line| String::from_utf8_lossy(line));
    let told = told.into_iter().find(|line| line.contains("\"roots\":") && line.contains("\"method\""));
    assert_eq!(told, None, "the server heard of the agent's roots");
    run.passed_unchanged();
}

#[tokio::test]
async fn lent_they_do_not_replace_the_folders_of_server_filesystem() {
    let (lent, agents) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let stage = Stage::new(Server::filesystem(lent.path()));
    let run = stage.succeed(Way::Lent, &offering(agents.path())).await;
    for name in ["at_first", "changed"] {
        assert_eq!((&step(&run, name)["replaced"], &step(&run, name)["asked"]), (&false.into(), &0.into()));
    }
    says_nothing_of_roots(&run);
}

#[tokio::test]
async fn lent_server_everything_does_not_ask_for_them() {
    let agents = TempDir::new().unwrap();
    let run = Stage::new(Server::everything()).succeed(Way::Lent, &offering(agents.path())).await;
    let at_first = step(&run, "at_first");
    assert_eq!(at_first["asked"], 0);
    assert!(!has_tool(&at_first, "get-roots-list"), "{at_first}");
    assert!(has_tool(&at_first, "echo"), "{at_first}");
    says_nothing_of_roots(&run);
}
