//! Read-only and read-write folders.

use gatelodge_files::{Access, FileServer, Folder, OpenFolderError};
use serde_json::json;

use crate::client::{Client, Home, names};

const WRITING: [&str; 4] = ["write_file", "edit_file", "create_directory", "move_file"];

async fn tools(client: &mut Client) -> Vec<String> {
    let answer = client.request("tools/list", json!({})).await;
    let tools = answer["result"]["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_server_of_read_only_folders_has_no_tools_that_write() {
    let home = Home::new();
    let mut reader = Client::initialized(&home.server(Access::ReadOnly)).await;
    let listed = tools(&mut reader).await;
    assert!(WRITING.iter().all(|tool| !listed.contains(&(*tool).to_owned())), "{listed:?}");
    assert_eq!(listed.len(), 13);
    for tool in WRITING {
        let refusal = reader.failure(tool, json!({ "path": "new.txt", "content": "" })).await;
        assert_eq!(refusal, format!("there is no tool {tool}; every folder is shared read-only"));
    }
    let mut writer = Client::initialized(&home.server(Access::ReadWrite)).await;
    assert_eq!(tools(&mut writer).await.len(), 17);
}

#[tokio::test]
async fn a_read_only_folder_beside_a_writable_one_stays_as_it_is() {
    let home = Home::new();
    let server = home.serving(&[("notes", Access::ReadWrite), ("notes-secret", Access::ReadOnly)]);
    let mut client = Client::initialized(&server).await;
    let (notes, other) = (home.text("notes"), home.text("notes-secret"));
    for (tool, arguments) in [
        ("write_file", json!({ "path": format!("{other}/new"), "content": "" })),
        ("write_file", json!({ "path": format!("{other}/c.txt"), "content": "" })),
        (
            "edit_file",
            json!({ "path": format!("{other}/c.txt"), "edits": [{ "oldText": "S", "newText": "s" }] }),
        ),
        ("create_directory", json!({ "path": format!("{other}/a/b") })),
        ("create_directory", json!({ "path": other })),
        ("move_file", json!({ "source": format!("{other}/c.txt"), "destination": format!("{notes}/c.txt") })),
        ("move_file", json!({ "source": format!("{notes}/a.txt"), "destination": format!("{other}/a.txt") })),
    ] {
        let refusal = client.failure(tool, arguments.clone()).await;
        let expected = format!("Access denied - {other} is shared read-only, so ");
        assert!(refusal.starts_with(&expected), "{tool} {arguments}: {refusal}");
    }
    assert_eq!(names(&home.path("notes-secret")), ["c.txt"]);
    assert_eq!(home.read("notes-secret/c.txt"), "SECRET sibling\n");
    client.text("write_file", json!({ "path": format!("{notes}/new"), "content": "" })).await;
}

#[test]
fn folders_that_can_not_be_kept_apart_are_refused() {
    let home = Home::new();
    let open = |folders: &[(&str, Access)]| {
        FileServer::open(folders.iter().map(|&(name, access)| Folder { path: home.path(name), access }))
    };
    assert!(matches!(open(&[]), Err(OpenFolderError::NoFolder)));
    assert!(matches!(open(&[("missing", Access::ReadOnly)]), Err(OpenFolderError::Open { .. })));
    assert!(matches!(open(&[("notes/a.txt", Access::ReadOnly)]), Err(OpenFolderError::Open { .. })));
    for inner in ["notes", "notes/sub"] {
        let nested = open(&[("notes", Access::ReadWrite), (inner, Access::ReadOnly)]);
        assert!(matches!(nested, Err(OpenFolderError::ReadOnlyInsideReadWrite { .. })));
    }
    assert!(open(&[("notes", Access::ReadOnly), ("notes/sub", Access::ReadWrite)]).is_ok());
    assert!(open(&[("notes", Access::ReadOnly), ("notes", Access::ReadOnly)]).is_ok());
}

#[tokio::test]
async fn the_clients_roots_change_nothing() {
    let home = Home::new();
    // This client has said that it has roots.
    let mut client = Client::initialized(&home.server(Access::ReadOnly)).await;
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })).await;
    let text = client.text("list_allowed_directories", json!({})).await;
    assert_eq!(text, format!("Allowed directories:\n{}", home.text("notes")));
    assert!(client.notifications.is_empty(), "the server asked for roots: {:?}", client.notifications);
}
